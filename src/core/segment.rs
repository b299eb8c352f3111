//! One piece of the spool: heads, bodies and records beside each other, cleared as a whole.
//!
//! Absent: when it may be cleared (`spool`), and who needs its records (`outbox`).

use bytes::Bytes;

use super::message::{Body, HeadId};

/// Where a head is in its segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct StoredHead {
    start: u32,
    prefix: u32,
    suffix: u32,
}

/// Where the pieces of one record are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record {
    /// Index into `Segment::heads`.
    head: u32,
    start: u32,
    length: u32,
    /// Index into `Segment::shared`, or `NOT_SHARED`.
    shared: u32,
}

impl Record {
    /// Whether two records of one segment have the same head.
    #[inline]
    pub(crate) fn has_head_of(&self, other: &Self) -> bool {
        self.head == other.head
    }
}

const NOT_SHARED: u32 = u32::MAX;

#[derive(Debug)]
pub(crate) struct Segment {
    pub(super) bytes: Vec<u8>,
    pub(super) heads: Vec<StoredHead>,
    pub(super) records: Vec<Record>,
    shared: Vec<Bytes>,
    pub(super) shared_bytes: u64,
    /// Deliveries that still need a record of this segment.
    pub(super) references: u64,
    pub(super) last_head: HeadId,
}

impl Segment {
    pub(super) fn new() -> Self {
        Self {
            bytes: Vec::new(),
            heads: Vec::new(),
            records: Vec::new(),
            shared: Vec::new(),
            shared_bytes: 0,
            references: 0,
            last_head: HeadId::NONE,
        }
    }

    /// Neighbouring records.
    #[inline]
    pub(crate) fn records(&self, first: u32, count: u32) -> &[Record] {
        // INVARIANT: runs name records that were appended, and hold their segment.
        &self.records[first as usize..first as usize + count as usize]
    }

    /// What stands before and behind the sid.
    #[inline]
    pub(crate) fn head(&self, record: &Record) -> (&[u8], &[u8]) {
        // INVARIANT: records are made beside the heads and bytes that they name.
        let head = self.heads[record.head as usize];
        let gap = head.start as usize + head.prefix as usize;
        let end = gap + head.suffix as usize;
        (&self.bytes[head.start as usize..gap], &self.bytes[gap..end])
    }

    #[inline]
    pub(crate) fn body(&self, record: &Record) -> &[u8] {
        if record.shared == NOT_SHARED {
            // INVARIANT: see `head`.
            let start = record.start as usize;
            &self.bytes[start..start + record.length as usize]
        } else {
            &self.shared[record.shared as usize]
        }
    }

    /// Bytes on the wire without the sid.
    #[inline]
    pub(crate) fn length(&self, record: &Record) -> usize {
        let (prefix, suffix) = self.head(record);
        prefix.len() + suffix.len() + self.body(record).len()
    }

    pub(super) fn push_head(&mut self, id: HeadId, prefix: &[u8], suffix: &[u8]) {
        let start = narrow(self.bytes.len());
        self.bytes.extend_from_slice(prefix);
        self.bytes.extend_from_slice(suffix);
        let (prefix, suffix) = (narrow(prefix.len()), narrow(suffix.len()));
        self.heads.push(StoredHead { start, prefix, suffix });
        self.last_head = id;
    }

    pub(super) fn push_body(&mut self, body: Body<'_>) {
        let head = narrow(self.heads.len()).saturating_sub(1);
        let record = match body {
            Body::Copied(bytes) => {
                let start = narrow(self.bytes.len());
                self.bytes.extend_from_slice(bytes);
                Record { head, start, length: narrow(bytes.len()), shared: NOT_SHARED }
            }
            Body::Shared(bytes) => {
                let shared = narrow(self.shared.len());
                self.shared_bytes += bytes.len() as u64;
                self.shared.push(bytes.clone());
                Record { head, start: 0, length: 0, shared }
            }
        };
        self.records.push(record);
    }

    pub(super) fn clear(&mut self) {
        debug_assert_eq!(self.references, 0, "a segment is cleared when nobody needs it");
        self.bytes.clear();
        self.heads.clear();
        self.records.clear();
        self.shared.clear();
        self.shared_bytes = 0;
        self.last_head = HeadId::NONE;
    }

    pub(super) fn held_bytes(&self) -> u64 {
        let tables =
            self.records.len() * size_of::<Record>() + self.heads.len() * size_of::<StoredHead>();
        (self.bytes.len().max(SEGMENT_BYTES) + tables) as u64 + self.shared_bytes
    }
}

pub(super) fn narrow(length: usize) -> u32 {
    debug_assert!(u32::try_from(length).is_ok(), "a segment is far below 4 GiB");
    // INVARIANT: a segment holds at most `SEGMENT_BYTES` or one message below `PAYLOAD_CEILING`.
    #[expect(clippy::cast_possible_truncation)]
    let narrow = length as u32;
    narrow
}

/// Bytes of a segment: two turns' small messages stay inside a core's second-level cache.
pub(super) const SEGMENT_BYTES: usize = 64 * 1024;
