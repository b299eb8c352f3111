//! One shard's shared store of rendered messages that wait to be written: a message is kept once,
//! however many clients wait for it.
//!
//! Absent: who waits for what (`outbox`) and limits (`slow`). A record is text around a gap:
//! `MSG subject ` and ` size␍␊payload␍␊`, with the receiver's sid in between, so that one copy
//! serves every receiver. Records live in segments; a segment counts the deliveries that still
//! need it and is reused when nobody does.

use bytes::Bytes;
use slab::Slab;

/// The body of a message: copied into the spool, or shared because copying would cost more.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Body<'a> {
    /// Bytes to copy, with the CR LF behind them.
    Copied(&'a [u8]),
    /// Bytes to share, with the CR LF behind them.
    Shared(&'a Bytes),
}

impl<'a> Body<'a> {
    /// The bytes themselves.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        match self {
            Self::Copied(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// Names a segment of one spool; only valid while a delivery holds a reference to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentId(u32);

impl SegmentId {
    /// The segment of the fixed texts: never freed, its references are not counted.
    pub(crate) const FIXED: Self = Self(0);
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

    pub(crate) fn record(self) -> RecordId {
        let index = match self {
            Self::Ok => 0,
            Self::Ping => 1,
            Self::Pong => 2,
        };
        RecordId { segment: SegmentId::FIXED, index }
    }
}

/// Where the pieces of one record are.
#[derive(Debug, Clone, Copy)]
struct Record {
    start: u32,
    prefix: u32,
    tail: u32,
    /// Index into `Segment::shared`, or `NOT_SHARED`.
    shared: u32,
}

const NOT_SHARED: u32 = u32::MAX;

/// The pieces of one record, in the order in which they are written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pieces<'a> {
    /// Everything before the sid; the whole text of a record without one.
    pub(crate) prefix: &'a [u8],
    /// What follows the sid and was copied.
    pub(crate) tail: &'a [u8],
    /// The body, when it is shared.
    pub(crate) shared: &'a [u8],
}

impl Pieces<'_> {
    /// Bytes on the wire without the sid.
    pub(crate) fn len(&self) -> usize {
        self.prefix.len() + self.tail.len() + self.shared.len()
    }
}

#[derive(Debug, Default)]
struct Segment {
    bytes: Vec<u8>,
    records: Vec<Record>,
    shared: Vec<Bytes>,
    shared_bytes: u64,
    references: u32,
}

impl Segment {
    fn clear(&mut self) {
        debug_assert_eq!(self.references, 0, "a segment is cleared when nobody needs it");
        self.bytes.clear();
        self.records.clear();
        self.shared.clear();
        self.shared_bytes = 0;
    }
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Spool {
    segments: Slab<Segment>,
    current: usize,
    spare: Vec<Segment>,
    held_bytes: u64,
    /// References that outboxes hold, to count the memory they take.
    runs: u64,
}

impl Spool {
    pub(crate) fn new() -> Self {
        let mut segments = Slab::new();
        let mut fixed = Segment { references: 1, ..Segment::default() };
        for text in Fixed::TEXTS {
            let start = narrow(fixed.bytes.len());
            fixed.bytes.extend_from_slice(text);
            let prefix = narrow(text.len());
            fixed.records.push(Record { start, prefix, tail: 0, shared: NOT_SHARED });
        }
        let key = segments.insert(fixed);
        debug_assert_eq!(key, SegmentId::FIXED.0 as usize);
        let current = segments.insert(Segment::default());
        Self { segments, current, spare: Vec::new(), held_bytes: 0, runs: 0 }
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
        self.segments.iter().skip(1).map(|(_, segment)| u64::from(segment.references)).sum()
    }

    /// Stores a message and pins it: the caller ends with one [`Spool::release`] of its own.
    pub(crate) fn append(&mut self, prefix: &[u8], suffix: &[u8], body: Body<'_>) -> RecordId {
        let copied = match body {
            Body::Copied(bytes) => bytes,
            Body::Shared(_) => &[],
        };
        self.make_room(prefix.len() + suffix.len() + copied.len());
        let segment = &mut self.segments[self.current];
        let start = narrow(segment.bytes.len());
        segment.bytes.extend_from_slice(prefix);
        segment.bytes.extend_from_slice(suffix);
        segment.bytes.extend_from_slice(copied);
        let mut shared = NOT_SHARED;
        if let Body::Shared(bytes) = body {
            shared = narrow(segment.shared.len());
            segment.shared_bytes += bytes.len() as u64;
            segment.shared.push(bytes.clone());
        }
        let index = narrow(segment.records.len());
        let (prefix, tail) = (narrow(prefix.len()), narrow(suffix.len() + copied.len()));
        segment.records.push(Record { start, prefix, tail, shared });
        segment.references += 1;
        RecordId { segment: SegmentId(narrow(self.current)), index }
    }

    /// Stores a text that is written as it is.
    pub(crate) fn append_text(&mut self, text: &[u8]) -> RecordId {
        self.append(text, &[], Body::Copied(&[]))
    }

    /// The pieces of a record that the caller holds a reference to.
    #[inline]
    pub(crate) fn pieces(&self, id: RecordId) -> Pieces<'_> {
        // INVARIANT: ids come from `append`, and the caller's reference keeps the segment.
        let segment = &self.segments[id.segment.0 as usize];
        let record = segment.records[id.index as usize];
        let prefix_end = record.start as usize + record.prefix as usize;
        let tail_end = prefix_end + record.tail as usize;
        let shared: &[u8] =
            if record.shared == NOT_SHARED { &[] } else { &segment.shared[record.shared as usize] };
        Pieces {
            prefix: &segment.bytes[record.start as usize..prefix_end],
            tail: &segment.bytes[prefix_end..tail_end],
            shared,
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
        for (_, segment) in sealed {
            assert!(segment.references > 0, "a sealed segment is needed by somebody");
            held += segment_bytes(segment);
        }
        assert_eq!(held, self.held_bytes, "held bytes are those of the sealed segments");
    }

    fn make_room(&mut self, need: usize) {
        let current = &mut self.segments[self.current];
        if current.references == 0 && !current.records.is_empty() {
            current.clear();
        }
        let full = current.bytes.len() + need > SEGMENT_BYTES
            || current.records.len() >= SEGMENT_RECORDS
            || current.shared_bytes >= SEGMENT_SHARED_BYTES;
        if full && !current.records.is_empty() {
            self.held_bytes += segment_bytes(current);
            let next = self.spare.pop().unwrap_or_default();
            self.current = self.segments.insert(next);
        }
        let current = &mut self.segments[self.current];
        if current.bytes.capacity() < SEGMENT_BYTES {
            current.bytes.reserve_exact(SEGMENT_BYTES);
        }
    }

    fn recycle(&mut self, key: usize) {
        if key == self.current {
            self.segments[key].clear();
            return;
        }
        let mut segment = self.segments.remove(key);
        self.held_bytes -= segment_bytes(&segment);
        segment.clear();
        if self.spare.len() < SPARE_MAX && segment.bytes.capacity() <= 2 * SEGMENT_BYTES {
            self.spare.push(segment);
        }
    }
}

fn segment_bytes(segment: &Segment) -> u64 {
    let records = segment.records.len() * size_of::<Record>();
    (segment.bytes.len().max(SEGMENT_BYTES) + records) as u64 + segment.shared_bytes
}

fn narrow(length: usize) -> u32 {
    debug_assert!(u32::try_from(length).is_ok(), "a segment is far below 4 GiB");
    // INVARIANT: a segment holds at most `SEGMENT_BYTES` or one message below `PAYLOAD_CEILING`.
    #[expect(clippy::cast_possible_truncation)]
    let narrow = length as u32;
    narrow
}

/// Bytes of an outbox's reference.
const RUN_BYTES: u64 = 16;
/// Bytes of a segment: two turns' small messages stay inside a core's second-level cache.
const SEGMENT_BYTES: usize = 64 * 1024;
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
    use super::*;

    #[test]
    fn a_record_is_kept_while_a_delivery_needs_it() {
        let mut spool = Spool::new();
        let first = spool.append(b"MSG a ", b" 2\r\n", Body::Copied(b"hi\r\n"));
        spool.acquire(first.segment);
        spool.release(first.segment, 1);
        let pieces = spool.pieces(first);
        assert_eq!((pieces.prefix, pieces.tail), (&b"MSG a "[..], &b" 2\r\nhi\r\n"[..]));
        spool.release(first.segment, 1);
        assert_eq!(spool.references(), 0);
        spool.check();
    }

    #[test]
    fn sealed_segments_are_reused_when_nobody_needs_them() {
        let mut spool = Spool::new();
        let payload = vec![b'x'; 10_000];
        let ids: Vec<_> =
            (0..100).map(|_| spool.append(b"MSG a ", b"", Body::Copied(&payload))).collect();
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
    fn a_shared_body_is_not_copied() {
        let mut spool = Spool::new();
        let body = Bytes::from(vec![b'y'; 100_000]);
        let id = spool.append(b"MSG a ", b" 99998\r\n", Body::Shared(&body));
        assert_eq!(spool.pieces(id).shared.as_ptr(), body.as_ptr());
        spool.release(id.segment, 1);
        assert!(body.is_unique());
    }

    #[test]
    fn fixed_texts_need_no_references() {
        let mut spool = Spool::new();
        let pong = Fixed::Pong.record();
        spool.acquire(pong.segment);
        spool.release(pong.segment, 5);
        assert_eq!(spool.pieces(pong).prefix, b"PONG\r\n");
    }
}
