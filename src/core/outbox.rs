//! What one client still has to be sent: a ring of references into the shard's spool.
//!
//! Absent: message bytes (`spool`) and sockets. A reference covers a run of neighbouring records
//! for one subscription, so that a reader of one busy subject costs sixteen bytes however far it is
//! behind, and an idle client costs nothing.

use std::collections::VecDeque;

use super::segment::{Record, SEGMENT_BYTES};
use super::sids::{Sid, SidTable};
use super::spool::{RecordId, SegmentId, Spool};

/// Neighbouring records for one subscription.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) sid: Sid,
    pub(crate) segment: SegmentId,
    pub(crate) first: u32,
    pub(crate) count: u32,
}

impl Run {
    const EMPTY: Self = Self { sid: Sid::NONE, segment: SegmentId::FIXED, first: 0, count: 0 };

    fn record(&self, ahead: u32) -> RecordId {
        // A run of a fixed text repeats one record.
        let ahead = if self.segment == SegmentId::FIXED { 0 } else { ahead };
        RecordId { segment: self.segment, index: self.first + ahead }
    }

    fn continues_with(&self, sid: Sid, record: RecordId) -> bool {
        self.sid == sid && self.segment == record.segment && self.record(self.count) == record
    }

    fn advance(&mut self, count: u32) {
        self.count -= count;
        if self.segment != SegmentId::FIXED {
            self.first += count;
        }
    }
}

/// A piece of what is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// A range of the staging bytes.
    Staged { start: usize, end: usize },
    /// The body of a record, written from where it stands.
    Body(RecordId),
}

/// How much of an outbox a gathering covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Extent {
    /// Records, the first of them perhaps only in part.
    records: u32,
    /// Bytes to write.
    pub(crate) total: usize,
}

/// The bytes of one write, gathered; reused for every client of a shard.
#[derive(Debug, Default)]
pub(crate) struct Gather {
    staged: Vec<u8>,
    /// Staged bytes before this are in a part.
    parted: usize,
    parts: Vec<Part>,
    /// The last head with its sid, as it stands before every body of a run.
    head: Vec<u8>,
    /// Bytes of the front record that were written before.
    skip: usize,
    extent: Extent,
}

impl Gather {
    /// How much it covers.
    pub(crate) fn extent(&self) -> Extent {
        self.extent
    }

    /// The slices to write, in order; at most [`PARTS_MAX`] of them.
    pub(crate) fn slices<'a>(&'a self, spool: &'a Spool) -> impl Iterator<Item = &'a [u8]> + Clone {
        let mut skip = self.skip;
        self.parts.iter().filter_map(move |part| {
            let slice = match *part {
                Part::Staged { start, end } => &self.staged[start..end],
                Part::Body(record) => spool.body(record),
            };
            let skipped = skip.min(slice.len());
            skip -= skipped;
            (skipped < slice.len()).then(|| &slice[skipped..])
        })
    }

    fn begin(&mut self, skip: usize) {
        self.staged.clear();
        self.parted = 0;
        self.parts.clear();
        self.skip = skip;
        self.extent = Extent::default();
    }

    fn end(&mut self) {
        self.part_staged();
        self.extent.total -= self.skip;
    }

    #[inline]
    fn is_full(&self) -> bool {
        self.staged.len() >= STAGED_BYTES
            || self.extent.total >= GATHER_BYTES
            || self.parts.len() + 3 > PARTS_MAX
    }

    /// Turns what was staged since the last part into one.
    fn part_staged(&mut self) {
        let end = self.staged.len();
        if self.parted < end {
            self.parts.push(Part::Staged { start: self.parted, end });
            self.parted = end;
        }
    }

    fn compose(&mut self, (prefix, suffix): (&[u8], &[u8]), sid: &[u8]) {
        self.head.clear();
        self.head.extend_from_slice(prefix);
        self.head.extend_from_slice(sid);
        self.head.extend_from_slice(suffix);
    }

    /// Gathers records of one segment, as many as fit. Says whether all did.
    fn add_run(&mut self, spool: &Spool, run: &Run, sid: &[u8]) -> bool {
        let segment = spool.segment(run.segment);
        let mut composed: Option<&Record> = None;
        for (ahead, record) in (0..).zip(segment.records(run.first, run.count)) {
            if self.is_full() {
                return false;
            }
            if !composed.is_some_and(|last| last.has_head_of(record)) {
                self.compose(segment.head(record), sid);
                composed = Some(record);
            }
            let body = segment.body(record);
            self.extent.records += 1;
            self.extent.total += self.head.len() + body.len();
            self.staged.extend_from_slice(&self.head);
            if body.len() < STAGED_BODY_MAX {
                self.staged.extend_from_slice(body);
            } else {
                self.part_staged();
                self.parts.push(Part::Body(run.record(ahead)));
            }
        }
        true
    }

    /// Gathers repetitions of a fixed text.
    fn add_fixed(&mut self, spool: &Spool, run: &Run) -> bool {
        let segment = spool.segment(run.segment);
        for record in segment.records(run.first, 1).iter().cycle().take(run.count as usize) {
            if self.is_full() {
                return false;
            }
            let (text, _) = segment.head(record);
            self.extent.records += 1;
            self.extent.total += text.len();
            self.staged.extend_from_slice(text);
        }
        true
    }
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Outbox {
    front: Run,
    /// Runs behind the front one; boxed, because an idle client has none.
    #[expect(clippy::box_collection, reason = "one word in a million idle clients")]
    behind: Option<Box<VecDeque<Run>>>,
    pending_bytes: u64,
    /// Bytes of the front record that were written already.
    written: u32,
}

impl Outbox {
    pub(crate) fn new() -> Self {
        Self { front: Run::EMPTY, behind: None, pending_bytes: 0, written: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.front.count == 0
    }

    /// Bytes that wait to be written.
    pub(crate) fn pending_bytes(&self) -> u64 {
        self.pending_bytes
    }

    /// Bytes that cannot be freed before this is written: what waits, or the segments it is in.
    pub(crate) fn pinned_bytes(&self) -> u64 {
        let behind = self.behind.iter().flat_map(|behind| behind.iter());
        let (mut last, mut segments) = (SegmentId::FIXED, 0u64);
        for run in std::iter::once(&self.front).chain(behind) {
            segments += u64::from(run.segment != last && run.segment != SegmentId::FIXED);
            last = run.segment;
        }
        self.pending_bytes.max(segments * SEGMENT_BYTES as u64)
    }

    /// What waits, oldest first.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Run> {
        let behind = self.behind.iter().flat_map(|behind| behind.iter());
        std::iter::once(&self.front).filter(|run| run.count > 0).chain(behind)
    }

    /// Bytes of the first record that were written already.
    pub(crate) fn written(&self) -> u32 {
        self.written
    }

    /// Goes on behind so many bytes of the first record; whether it is that long.
    pub(crate) fn resume_at(&mut self, written: u32, spool: &Spool, sids: &SidTable) -> bool {
        if written == 0 {
            return true;
        }
        if self.is_empty() {
            return false;
        }
        let length = spool.length(self.front.record(0)) + sids.text_len(self.front.sid);
        if written as usize >= length {
            return false;
        }
        self.written = written;
        self.pending_bytes -= u64::from(written);
        true
    }

    /// References that wait: what the client costs beside its share of the spool.
    #[cfg(test)]
    fn runs(&self) -> usize {
        self.behind.as_ref().map_or(0, |behind| behind.len()) + usize::from(!self.is_empty())
    }

    /// Queues one record of `length` bytes, sid included.
    #[inline]
    pub(crate) fn push(
        &mut self,
        record: RecordId,
        sid: Sid,
        length: usize,
        spool: &mut Spool,
        sids: &mut SidTable,
    ) {
        spool.acquire(record.segment);
        self.pending_bytes += length as u64;
        let behind = self.behind.as_mut().and_then(|behind| behind.back_mut());
        let last = behind.unwrap_or(&mut self.front);
        if last.count > 0 && last.continues_with(sid, record) {
            last.count += 1;
            return;
        }
        sids.acquire(sid);
        spool.count_run();
        let run = Run { sid, segment: record.segment, first: record.index, count: 1 };
        if self.front.count == 0 {
            self.front = run;
        } else {
            self.behind.get_or_insert_default().push_back(run);
        }
    }

    /// Gathers as much as one write should carry.
    pub(crate) fn gather(&self, spool: &Spool, sids: &SidTable, into: &mut Gather) {
        into.begin(self.written as usize);
        let behind = self.behind.iter().flat_map(|behind| behind.iter());
        for run in std::iter::once(&self.front).chain(behind) {
            let all = if run.segment == SegmentId::FIXED {
                into.add_fixed(spool, run)
            } else {
                let mut digits = [0; 10];
                into.add_run(spool, run, sids.text(run.sid, &mut digits))
            };
            if !all {
                break;
            }
        }
        into.end();
    }

    /// Drops what was written of a gathering.
    pub(crate) fn advance(
        &mut self,
        gathered: Extent,
        written: usize,
        spool: &mut Spool,
        sids: &mut SidTable,
    ) {
        debug_assert!(written <= gathered.total, "nobody writes more than was gathered");
        self.pending_bytes -= written as u64;
        if written == gathered.total {
            self.written = 0;
            self.drop_records(gathered.records, spool, sids);
            return;
        }
        let mut left = self.written as usize + written;
        while self.front.count > 0 {
            let length = spool.length(self.front.record(0)) + sids.text_len(self.front.sid);
            if left < length {
                break;
            }
            left -= length;
            self.drop_records(1, spool, sids);
        }
        // INVARIANT: less than one record, and a record is below 4 GiB.
        self.written = u32::try_from(left).unwrap_or(u32::MAX);
    }

    /// Drops everything.
    pub(crate) fn discard(&mut self, spool: &mut Spool, sids: &mut SidTable) {
        while self.front.count > 0 {
            self.drop_records(self.front.count, spool, sids);
        }
        self.pending_bytes = 0;
        self.written = 0;
    }

    fn drop_records(&mut self, mut count: u32, spool: &mut Spool, sids: &mut SidTable) {
        while count > 0 {
            let taken = count.min(self.front.count);
            debug_assert!(taken > 0, "no more records are dropped than were queued");
            spool.release(self.front.segment, taken);
            self.front.advance(taken);
            count -= taken;
            if self.front.count == 0 {
                sids.release(self.front.sid);
                spool.uncount_run();
                let behind = self.behind.as_mut();
                self.front = behind.and_then(|runs| runs.pop_front()).unwrap_or(Run::EMPTY);
            }
        }
        if self.front.count == 0 {
            self.behind = None;
        }
    }
}

/// Most slices of one write; systems refuse more than 1 024, and a few large ones are enough.
pub(crate) const PARTS_MAX: usize = 64;
/// Bytes after which a gathering is large enough for one system call.
const GATHER_BYTES: usize = 256 * 1024;
/// Staged bytes after which it is: those are copied once more and should stay in a core's cache.
const STAGED_BYTES: usize = 64 * 1024;
/// A body from this length on is written from where it stands instead of staged.
const STAGED_BODY_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::super::message::{Body, Head};
    use super::super::spool::Fixed;
    use super::*;

    struct Bench {
        spool: Spool,
        sids: SidTable,
        outbox: Outbox,
        gather: Gather,
        expected: Vec<u8>,
    }

    impl Bench {
        fn new() -> Self {
            Self {
                spool: Spool::new(),
                sids: SidTable::new(1),
                outbox: Outbox::new(),
                gather: Gather::default(),
                expected: Vec::new(),
            }
        }

        fn push(&mut self, sid: &[u8], payload: &[u8]) {
            let mut head = Head::new();
            let size = u32::try_from(payload.len()).expect("short");
            head.render(self.spool.name_heads(1), b"a", b"", None, size);
            let id = self.spool.append(&head.message(Body::Copied(payload)));
            let sid = self.sids.intern(sid);
            let length = self.spool.length(id) + self.sids.text_len(sid);
            self.outbox.push(id, sid, length, &mut self.spool, &mut self.sids);
            let mut digits = [0; 10];
            self.expected.extend_from_slice(b"MSG a ");
            self.expected.extend_from_slice(self.sids.text(sid, &mut digits));
            self.expected.extend_from_slice(format!(" {size}\r\n").as_bytes());
            self.expected.extend_from_slice(payload);
            self.sids.release(sid);
        }

        fn pong(&mut self) {
            self.outbox.push(Fixed::Pong.record(), Sid::NONE, 6, &mut self.spool, &mut self.sids);
            self.expected.extend_from_slice(b"PONG\r\n");
        }

        fn write(&mut self, most: usize) -> Vec<u8> {
            self.outbox.gather(&self.spool, &self.sids, &mut self.gather);
            let mut bytes: Vec<u8> = self.gather.slices(&self.spool).flatten().copied().collect();
            assert_eq!(bytes.len(), self.gather.extent().total);
            bytes.truncate(most);
            let (spool, sids) = (&mut self.spool, &mut self.sids);
            self.outbox.advance(self.gather.extent(), bytes.len(), spool, sids);
            bytes
        }
    }

    #[test]
    fn short_writes_lose_and_repeat_nothing() {
        for step in [3, 7, 64, 5_000, 200_000] {
            let mut bench = Bench::new();
            for n in 0..40usize {
                bench.push(if n % 3 == 0 { b"7" } else { b"text" }, &vec![b'p'; n * 40]);
                if n % 5 == 0 {
                    bench.pong();
                    bench.pong();
                }
            }
            let mut seen = Vec::new();
            while !bench.outbox.is_empty() {
                seen.extend(bench.write(step));
            }
            assert!(seen == bench.expected, "step {step}");
            assert_eq!(bench.outbox.pending_bytes(), 0);
            assert_eq!((bench.spool.references(), bench.sids.texts()), (0, 0));
        }
    }

    #[test]
    fn a_backlog_of_one_subscription_is_one_run_a_segment() {
        let mut bench = Bench::new();
        for _ in 0..1_000 {
            bench.push(b"1", b"12345678");
        }
        assert_eq!(bench.outbox.runs(), 1);
    }

    #[test]
    fn discarding_gives_every_reference_back() {
        let mut bench = Bench::new();
        for n in 0..100 {
            bench.push(if n % 2 == 0 { b"1" } else { b"b" }, &[b'z'; 2_000]);
        }
        bench.write(1_001);
        bench.outbox.discard(&mut bench.spool, &mut bench.sids);
        assert_eq!((bench.spool.references(), bench.sids.texts()), (0, 0));
        assert_eq!(bench.spool.held_bytes(), 0);
    }
}
