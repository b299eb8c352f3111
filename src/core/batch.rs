//! A batch of records from one shard to another: typed heads beside one run of bytes.
//!
//! Absent: queues and credits (`mesh`). A batch is emptied and used again, so that in steady state
//! nothing is allocated. Records are read in the order in which they were pushed.

use bytes::Bytes;

use super::ids::{AccountId, ConnId, Handle, ShardId};
use super::interest::Change;
use super::message::{Body, HeadId, Message};
use super::time::Instant;
use super::usage::Used;

/// Which law a batch obeys at hand-off: interest goes first (I3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Changes of interest.
    Interest,
    /// Messages.
    Data,
}

/// Whom a peer delivers a message to, by the peer's own handles (I7).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct DeliverTo<'a> {
    /// Filters whose plain subscribers all get it.
    pub(crate) filters: &'a [Handle],
    /// Queues, group after group; one member of each group gets it.
    pub(crate) queues: &'a [Handle],
    /// How many of `queues` belong to each group.
    pub(crate) group_sizes: &'a [u32],
    /// The publisher, when it is not a candidate because its echo is off.
    pub(crate) not_to: Option<(ShardId, ConnId)>,
    /// How often a shard has passed this message on because no member could take it.
    pub(crate) hops: u8,
}

#[derive(Debug)]
enum Record {
    Filter { account: AccountId, filter_len: u32, handle: Handle, present: bool },
    Queue { account: AccountId, filter_len: u32, queue_len: u32, handle: Handle, count: u32 },
    Usage { account: AccountId, user_len: u32, used: Used },
    Message(MessageRecord),
}

#[derive(Debug)]
struct MessageRecord {
    /// Whether the head stands in front of the body; otherwise it is that of the message before.
    new_head: bool,
    prefix_len: u32,
    suffix_len: u32,
    body_len: u32,
    reply_len: u32,
    header_len: Option<u32>,
    shared: bool,
    filters: u32,
    queues: u32,
    groups: u32,
    not_to: Option<(ShardId, ConnId)>,
    hops: u8,
}

/// One record, borrowed from its batch.
#[derive(Debug)]
pub(crate) enum Entry<'a> {
    /// A change of the sender's interest.
    Change(Change<'a>),
    /// A message and whom it is for.
    Message(Message<'a>, DeliverTo<'a>),
}

/// See the module's head.
#[derive(Debug)]
pub struct Batch {
    lane: Lane,
    records: Vec<Record>,
    bytes: Vec<u8>,
    handles: Vec<Handle>,
    group_sizes: Vec<u32>,
    shared: Vec<Bytes>,
    shared_bytes: usize,
    /// The sender's name of the last message's head, and how many different ones there are.
    last_head: HeadId,
    heads: u64,
    /// When what is in it was read.
    pub(crate) read_at: Instant,
}

impl Batch {
    pub(crate) fn new(lane: Lane) -> Self {
        Self {
            lane,
            records: Vec::new(),
            bytes: Vec::new(),
            handles: Vec::new(),
            group_sizes: Vec::new(),
            shared: Vec::new(),
            shared_bytes: 0,
            last_head: HeadId::NONE,
            heads: 0,
            read_at: Instant::default(),
        }
    }

    /// Which lane it belongs to.
    pub fn lane(&self) -> Lane {
        self.lane
    }

    /// How many records it carries.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether it carries nothing.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Empties it for its next use, and gives up memory that one unusual message made it take.
    pub(crate) fn clear(&mut self) {
        self.records.clear();
        self.bytes.clear();
        self.handles.clear();
        self.group_sizes.clear();
        self.shared.clear();
        self.shared_bytes = 0;
        self.last_head = HeadId::NONE;
        self.heads = 0;
        self.bytes.shrink_to(2 * Self::BYTES_MAX);
        self.handles.shrink_to(Self::HANDLES_MAX);
        self.group_sizes.shrink_to(Self::HANDLES_MAX);
    }

    #[inline]
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.records.is_empty()
            || (self.records.len() < Self::RECORDS_MAX
                && self.bytes.len() + bytes <= Self::BYTES_MAX
                && self.handles.len() < Self::HANDLES_MAX
                && self.shared_bytes < Self::SHARED_BYTES_MAX)
    }

    pub(crate) fn change_bytes(change: &Change<'_>) -> usize {
        match change {
            Change::Filter { filter, .. } => filter.len(),
            Change::Queue { filter, queue, .. } => filter.len() + queue.len(),
            Change::Usage { user, .. } => user.len(),
        }
    }

    pub(crate) fn message_bytes(message: &Message<'_>) -> usize {
        let head = message.prefix.len() + message.suffix.len();
        match message.body {
            Body::Copied(bytes) => head + bytes.len(),
            Body::Shared(_) => head,
        }
    }

    pub(crate) fn push_change(&mut self, change: &Change<'_>) {
        match *change {
            Change::Filter { account, filter, handle, present } => {
                self.bytes.extend_from_slice(filter);
                let filter_len = narrow(filter.len());
                self.records.push(Record::Filter { account, filter_len, handle, present });
            }
            Change::Usage { account, user, used } => {
                self.bytes.extend_from_slice(user);
                let user_len = narrow(user.len());
                self.records.push(Record::Usage { account, user_len, used });
            }
            Change::Queue { account, filter, queue, handle, count } => {
                self.bytes.extend_from_slice(filter);
                self.bytes.extend_from_slice(queue);
                let (filter_len, queue_len) = (narrow(filter.len()), narrow(queue.len()));
                let record = Record::Queue { account, filter_len, queue_len, handle, count };
                self.records.push(record);
            }
        }
    }

    pub(crate) fn push_message(&mut self, message: &Message<'_>, to: DeliverTo<'_>) {
        let new_head = message.head != self.last_head || message.head == HeadId::NONE;
        if new_head {
            self.bytes.extend_from_slice(message.prefix);
            self.bytes.extend_from_slice(message.suffix);
            self.last_head = message.head;
            self.heads += 1;
        }
        let (body_len, shared) = match message.body {
            Body::Copied(bytes) => {
                self.bytes.extend_from_slice(bytes);
                (bytes.len(), false)
            }
            Body::Shared(bytes) => {
                self.shared_bytes += bytes.len();
                self.shared.push(bytes.clone());
                (0, true)
            }
        };
        self.handles.extend_from_slice(to.filters);
        self.handles.extend_from_slice(to.queues);
        self.group_sizes.extend_from_slice(to.group_sizes);
        self.records.push(Record::Message(MessageRecord {
            new_head,
            prefix_len: narrow(message.prefix.len()),
            suffix_len: narrow(message.suffix.len()),
            body_len: narrow(body_len),
            reply_len: message.reply_len,
            header_len: message.header_len,
            shared,
            filters: narrow(to.filters.len()),
            queues: narrow(to.queues.len()),
            groups: narrow(to.group_sizes.len()),
            not_to: to.not_to,
            hops: to.hops,
        }));
    }

    /// How many different heads its messages have.
    pub(crate) fn heads(&self) -> u64 {
        self.heads
    }

    /// The records, in order; `first_head` is the reader's name for the first head.
    pub(crate) fn entries(&self, first_head: HeadId) -> Entries<'_> {
        Entries {
            next_head: first_head,
            head: HeadId::NONE,
            prefix: &[],
            suffix: &[],
            records: self.records.iter(),
            bytes: &self.bytes,
            handles: &self.handles,
            group_sizes: &self.group_sizes,
            shared: self.shared.iter(),
        }
    }

    /// Bytes of a batch: what one core's cache holds beside a turn's other work.
    pub(crate) const BYTES_MAX: usize = 64 * 1024;
    /// Records of a batch: bounds the time of one drain.
    const RECORDS_MAX: usize = 1024;
    /// Handles of a batch, checked before a record that may add more.
    const HANDLES_MAX: usize = 8 * 1024;
    /// Shared bytes that one batch may pin.
    const SHARED_BYTES_MAX: usize = 1024 * 1024;
}

/// Reads a batch from front to back.
#[derive(Debug)]
pub(crate) struct Entries<'a> {
    next_head: HeadId,
    head: HeadId,
    prefix: &'a [u8],
    suffix: &'a [u8],
    records: std::slice::Iter<'a, Record>,
    bytes: &'a [u8],
    handles: &'a [Handle],
    group_sizes: &'a [u32],
    shared: std::slice::Iter<'a, Bytes>,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        Some(match self.records.next()? {
            Record::Filter { account, filter_len, handle, present } => {
                let filter = take(&mut self.bytes, *filter_len);
                let (account, handle, present) = (*account, *handle, *present);
                Entry::Change(Change::Filter { account, filter, handle, present })
            }
            Record::Queue { account, filter_len, queue_len, handle, count } => {
                let filter = take(&mut self.bytes, *filter_len);
                let queue = take(&mut self.bytes, *queue_len);
                let (account, handle, count) = (*account, *handle, *count);
                Entry::Change(Change::Queue { account, filter, queue, handle, count })
            }
            Record::Usage { account, user_len, used } => {
                let user = take(&mut self.bytes, *user_len);
                Entry::Change(Change::Usage { account: *account, user, used: *used })
            }
            Record::Message(record) => {
                if record.new_head {
                    self.head = self.next_head;
                    self.next_head = self.next_head.ahead(1);
                    self.prefix = take(&mut self.bytes, record.prefix_len);
                    self.suffix = take(&mut self.bytes, record.suffix_len);
                }
                let copied = take(&mut self.bytes, record.body_len);
                let shared = if record.shared { self.shared.next() } else { None };
                let message = Message {
                    head: self.head,
                    prefix: self.prefix,
                    suffix: self.suffix,
                    body: shared.map_or(Body::Copied(copied), Body::Shared),
                    header_len: record.header_len,
                    reply_len: record.reply_len,
                };
                let to = DeliverTo {
                    filters: take(&mut self.handles, record.filters),
                    queues: take(&mut self.handles, record.queues),
                    group_sizes: take(&mut self.group_sizes, record.groups),
                    not_to: record.not_to,
                    hops: record.hops,
                };
                Entry::Message(message, to)
            }
        })
    }
}

fn take<'a, T>(from: &mut &'a [T], count: u32) -> &'a [T] {
    // INVARIANT: lengths in the records sum up to the lengths of the tables they index.
    let (head, rest) = from.split_at(count as usize);
    *from = rest;
    head
}

fn narrow(length: usize) -> u32 {
    debug_assert!(u32::try_from(length).is_ok(), "a batch is far below 4 GiB");
    // INVARIANT: a batch holds at most `BYTES_MAX` or one message below `PAYLOAD_CEILING`.
    #[expect(clippy::cast_possible_truncation)]
    let narrow = length as u32;
    narrow
}

#[cfg(test)]
mod tests {
    use super::super::ids::{Generation, Slot};
    use super::super::message::Head;
    use super::*;

    #[test]
    fn what_is_pushed_is_read_in_order() {
        let handle = Handle { slot: Slot::from_key(3), generation: Generation::from_value(9) };
        let mut head = Head::new();
        head.render(HeadId::NONE.ahead(7), b"foo", b"inbox", None, 2);
        let mut batch = Batch::new(Lane::Data);
        let change = Change::Queue {
            account: AccountId::SYSTEM,
            filter: b"f.*",
            queue: b"q",
            handle,
            count: 4,
        };
        let shared = Bytes::from_static(b"hi\r\n");
        for _ in 0..2 {
            batch.push_change(&change);
            for body in [Body::Copied(b"hi\r\n"), Body::Shared(&shared)] {
                let to = DeliverTo {
                    filters: &[handle, handle],
                    queues: &[handle],
                    group_sizes: &[1],
                    ..DeliverTo::default()
                };
                batch.push_message(&head.message(body), to);
            }
        }
        let mut messages = 0;
        for entry in batch.entries(HeadId::NONE.ahead(40)) {
            match entry {
                Entry::Change(seen) => assert_eq!(seen, change),
                Entry::Message(message, to) => {
                    messages += 1;
                    assert_eq!(message.head, HeadId::NONE.ahead(40));
                    assert_eq!(message.subject(), b"foo");
                    assert_eq!(message.reply(), b"inbox");
                    assert_eq!(message.body.bytes(), b"hi\r\n");
                    assert_eq!((to.filters.len(), to.queues.len()), (2, 1));
                }
            }
        }
        assert_eq!((messages, batch.len()), (4, 6));
    }

    #[test]
    fn an_empty_batch_takes_any_one_record() {
        let mut batch = Batch::new(Lane::Data);
        assert!(batch.has_room(10 * Batch::BYTES_MAX));
        let change = Change::Filter {
            account: AccountId::GLOBAL,
            filter: b"f",
            handle: Handle { slot: Slot::from_key(0), generation: Generation::default() },
            present: true,
        };
        batch.push_change(&change);
        assert!(!batch.has_room(10 * Batch::BYTES_MAX));
        batch.clear();
        assert!(batch.is_empty());
    }
}
