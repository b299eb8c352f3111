//! One shard's shared store of rendered messages that wait to be written: a message is kept once,
//! however many clients wait for it.
//!
//! Absent: who waits for what (`outbox`) and limits (`slow`). A record is a head, text around a gap
//! for the receiver's sid (`MSG subject ` and ` size␍␊`), and a body: one copy serves every
//! receiver, and one head serves a run of messages that share it. Records live in segments; a
//! segment counts the deliveries that still need it and is reused when nobody does.

use slab::Slab;

use super::message::{Body, HeadId, Message};
use super::segment::{SEGMENT_BYTES, Segment, narrow};

/// Names a segment of one spool; only valid while a delivery holds a reference to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentId(u32);

impl SegmentId {
    /// The segment of the fixed texts: never freed, its references are not counted.
    pub(crate) const FIXED: Self = Self(0);

    pub(crate) fn key(self) -> u32 {
        self.0
    }

    pub(crate) fn from_key(key: u32) -> Self {
        Self(key)
    }
}

/// Names one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordId {
    pub(crate) segment: SegmentId,
    pub(crate) index: u32,
}

/// Texts that every connection needs, stored once for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fixed {
    Ok,
    Ping,
    Pong,
}

impl Fixed {
    const TEXTS: [&'static [u8]; 3] = [b"+OK\r\n", b"PING\r\n", b"PONG\r\n"];

    /// The text with this number among them.
    pub(crate) fn from_index(index: u32) -> Option<Self> {
        [Self::Ok, Self::Ping, Self::Pong].into_iter().find(|it| it.record().index == index)
    }

    pub(crate) fn bytes(self) -> &'static [u8] {
        Self::TEXTS[self.record().index as usize]
    }

    pub(crate) fn record(self) -> RecordId {
        let index = match self {
            Self::Ok => 0,
            Self::Ping => 1,
            Self::Pong => 2,
        };
        RecordId { segment: SegmentId::FIXED, index }
    }
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Spool {
    segments: Slab<Segment>,
    current: usize,
    spare: Vec<Segment>,
    /// Sealed segments that nobody needed when they were sealed.
    orphans: Vec<usize>,
    held_bytes: u64,
    /// References that outboxes hold, to count the memory they take.
    runs: u64,
    next_head: HeadId,
}

impl Spool {
    pub(crate) fn new() -> Self {
        let mut segments = Slab::new();
        let mut fixed = Segment::new();
        fixed.references = 1;
        for text in Fixed::TEXTS {
            fixed.push_head(HeadId::NONE, text, &[]);
            fixed.push_body(Body::Copied(&[]));
        }
        let key = segments.insert(fixed);
        debug_assert_eq!(key, SegmentId::FIXED.0 as usize);
        let current = segments.insert(Segment::new());
        Self {
            segments,
            current,
            spare: Vec::new(),
            orphans: Vec::new(),
            held_bytes: 0,
            runs: 0,
            next_head: HeadId::NONE,
        }
    }

    /// Names for so many new heads: the first of them.
    pub(crate) fn name_heads(&mut self, count: u64) -> HeadId {
        let first = self.next_head.ahead(1);
        self.next_head = self.next_head.ahead(count);
        first
    }

    /// Memory held for messages that somebody still needs, in bytes: whole segments, and the
    /// outboxes' references into them.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.held_bytes + self.segments[self.current].shared_bytes + self.runs * RUN_BYTES
    }

    /// Counts a reference that an outbox made.
    #[inline]
    pub(crate) fn count_run(&mut self) {
        self.runs += 1;
    }

    /// Counts a reference that an outbox dropped.
    #[inline]
    pub(crate) fn uncount_run(&mut self) {
        self.runs -= 1;
    }

    /// Deliveries that still need a record of theirs: zero when every outbox is empty.
    pub(crate) fn references(&self) -> u64 {
        self.segments.iter().skip(1).map(|(_, segment)| segment.references).sum()
    }

    /// Stores a message. It stays until [`Spool::reclaim`] unless a delivery acquires it.
    #[inline]
    pub(crate) fn append(&mut self, message: &Message<'_>) -> RecordId {
        let copied = match message.body {
            Body::Copied(bytes) => bytes.len(),
            Body::Shared(_) => 0,
        };
        let head = message.prefix.len() + message.suffix.len();
        self.make_room(head + copied);
        let segment = &mut self.segments[self.current];
        if segment.last_head != message.head || message.head == HeadId::NONE {
            segment.push_head(message.head, message.prefix, message.suffix);
        }
        segment.push_body(message.body);
        let index = narrow(segment.records.len() - 1);
        RecordId { segment: SegmentId(narrow(self.current)), index }
    }

    /// Stores a text that is written as it is.
    pub(crate) fn append_text(&mut self, text: &[u8]) -> RecordId {
        self.append(&Message {
            head: HeadId::NONE,
            prefix: text,
            suffix: &[],
            body: Body::Copied(&[]),
            header_len: None,
            reply_len: 0,
        })
    }

    /// A segment that the caller holds a reference to.
    #[inline]
    pub(crate) fn segment(&self, id: SegmentId) -> &Segment {
        // INVARIANT: ids come from `append`, and the caller's reference keeps the segment.
        &self.segments[id.0 as usize]
    }

    /// Bytes of a record on the wire without its sid.
    pub(crate) fn length(&self, id: RecordId) -> usize {
        let segment = self.segment(id.segment);
        segment.records(id.index, 1).first().map_or(0, |record| segment.length(record))
    }

    /// The body of a record.
    pub(crate) fn body(&self, id: RecordId) -> &[u8] {
        let segment = self.segment(id.segment);
        segment.records(id.index, 1).first().map_or(&[], |record| segment.body(record))
    }

    /// Frees what was stored and never acquired; called while no delivery is under way.
    pub(crate) fn reclaim(&mut self) {
        let current = &mut self.segments[self.current];
        if current.references == 0 && !current.records.is_empty() {
            current.clear();
        }
        while let Some(key) = self.orphans.pop() {
            if self.segments[key].references == 0 {
                self.recycle(key);
            }
        }
    }

    /// Counts one more delivery that needs a segment.
    #[inline]
    pub(crate) fn acquire(&mut self, id: SegmentId) {
        if id != SegmentId::FIXED {
            self.segments[id.0 as usize].references += 1;
        }
    }

    /// Counts deliveries that are done with a segment.
    #[inline]
    pub(crate) fn release(&mut self, id: SegmentId, count: u32) {
        if id == SegmentId::FIXED {
            return;
        }
        let key = id.0 as usize;
        let segment = &mut self.segments[key];
        let count = u64::from(count);
        debug_assert!(segment.references >= count, "returned at most as often as lent");
        segment.references -= count;
        if segment.references == 0 {
            self.recycle(key);
        }
    }

    /// Returns the memory of a burst: keeps no more spare segments than a calm shard uses.
    pub(crate) fn shrink(&mut self) {
        self.spare.truncate(SPARE_AFTER_SHRINK);
        self.spare.shrink_to_fit();
        if self.segments.len() * 2 < self.segments.capacity() {
            self.segments.shrink_to_fit();
        }
    }

    /// Walks the invariants.
    pub(crate) fn check(&self) {
        let sealed = self.segments.iter().filter(|(key, _)| *key > 0 && *key != self.current);
        let mut held = 0;
        for (key, segment) in sealed {
            let needed = segment.references > 0 || self.orphans.contains(&key);
            assert!(needed, "a sealed segment is needed by somebody");
            held += segment.held_bytes();
        }
        assert_eq!(held, self.held_bytes, "held bytes are those of the sealed segments");
    }

    #[inline]
    fn make_room(&mut self, need: usize) {
        let current = &self.segments[self.current];
        let full = current.bytes.len() + need > SEGMENT_BYTES
            || current.records.len() >= SEGMENT_RECORDS
            || current.shared_bytes >= SEGMENT_SHARED_BYTES
            || current.bytes.capacity() == 0;
        if full {
            self.next_segment();
        }
    }

    #[cold]
    fn next_segment(&mut self) {
        let current = &self.segments[self.current];
        if !current.records.is_empty() {
            self.held_bytes += current.held_bytes();
            if current.references == 0 {
                self.orphans.push(self.current);
            }
            let next = self.spare.pop().unwrap_or_else(Segment::new);
            self.current = self.segments.insert(next);
        }
        let current = &mut self.segments[self.current];
        if current.bytes.capacity() < SEGMENT_BYTES {
            current.bytes.reserve_exact(SEGMENT_BYTES);
        }
    }

    fn recycle(&mut self, key: usize) {
        self.orphans.retain(|orphan| *orphan != key);
        if key == self.current {
            self.segments[key].clear();
            return;
        }
        let mut segment = self.segments.remove(key);
        self.held_bytes -= segment.held_bytes();
        segment.clear();
        if self.spare.len() < SPARE_MAX && segment.bytes.capacity() <= 2 * SEGMENT_BYTES {
            self.spare.push(segment);
        }
    }
}

/// Bytes of an outbox's reference.
const RUN_BYTES: u64 = 16;
/// Records of a segment: bounds the table beside the bytes.
const SEGMENT_RECORDS: usize = 4096;
/// Shared bytes that one segment may pin.
const SEGMENT_SHARED_BYTES: u64 = 1024 * 1024;
/// Cleared segments kept for the next burst.
const SPARE_MAX: usize = 64;
/// Cleared segments kept by a calm shard.
const SPARE_AFTER_SHRINK: usize = 4;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::message::Head;
    use super::*;

    fn append(spool: &mut Spool, payload: Body<'_>) -> RecordId {
        let mut head = Head::new();
        // INVARIANT: test payloads are short.
        let length = u32::try_from(payload.bytes().len() - 2).expect("short");
        head.render(spool.name_heads(1), b"a", b"", None, length);
        spool.append(&head.message(payload))
    }

    #[test]
    fn a_record_is_kept_while_a_delivery_needs_it() {
        let mut spool = Spool::new();
        let first = append(&mut spool, Body::Copied(b"hi\r\n"));
        spool.acquire(first.segment);
        spool.reclaim();
        let segment = spool.segment(first.segment);
        let record = segment.records(first.index, 1)[0];
        assert_eq!(segment.head(&record), (&b"MSG a "[..], &b" 2\r\n"[..]));
        assert_eq!(segment.body(&record), b"hi\r\n");
        spool.release(first.segment, 1);
        assert_eq!(spool.references(), 0);
        spool.check();
    }

    #[test]
    fn a_run_of_messages_stores_its_head_once() {
        let mut spool = Spool::new();
        let mut head = Head::new();
        head.render(spool.name_heads(1), b"a", b"", None, 2);
        for _ in 0..10 {
            spool.append(&head.message(Body::Copied(b"hi\r\n")));
        }
        assert_eq!(spool.segment(SegmentId(1)).heads.len(), 1);
    }

    #[test]
    fn sealed_segments_are_reused_when_nobody_needs_them() {
        let mut spool = Spool::new();
        let payload = vec![b'x'; 10_000];
        let mut ids = Vec::new();
        for _ in 0..100 {
            ids.push(append(&mut spool, Body::Copied(&payload)));
            spool.acquire(ids[ids.len() - 1].segment);
        }
        assert!(spool.held_bytes() >= 900_000);
        spool.check();
        for id in ids {
            spool.release(id.segment, 1);
        }
        assert_eq!(spool.held_bytes(), 0);
        spool.shrink();
        assert!(spool.spare.len() <= SPARE_AFTER_SHRINK);
        spool.check();
    }

    #[test]
    fn what_nobody_acquired_is_reclaimed() {
        let mut spool = Spool::new();
        let payload = vec![b'x'; 10_000];
        for _ in 0..100 {
            append(&mut spool, Body::Copied(&payload));
        }
        spool.check();
        spool.reclaim();
        assert_eq!(spool.held_bytes(), 0);
        spool.check();
    }

    #[test]
    fn a_shared_body_is_not_copied() {
        let mut spool = Spool::new();
        let body = Bytes::from(vec![b'y'; 100_000]);
        let id = append(&mut spool, Body::Shared(&body));
        spool.acquire(id.segment);
        assert_eq!(spool.body(id).as_ptr(), body.as_ptr());
        spool.release(id.segment, 1);
        assert!(body.is_unique());
    }

    #[test]
    fn fixed_texts_need_no_references() {
        let mut spool = Spool::new();
        let pong = Fixed::Pong.record();
        spool.acquire(pong.segment);
        spool.release(pong.segment, 5);
        assert_eq!(spool.length(pong), 6);
    }
}
