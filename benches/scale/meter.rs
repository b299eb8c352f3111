//! What a phase cost: processor time of turns, records on the mesh, and memory.
//!
//! Absent: instructions, which `benches/curves` counts from outside.

use serde_json::{Value, json};

use crate::ALLOCATOR;

/// What one phase has cost so far.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Nanoseconds an operation, of each group of operations.
    samples: Vec<f64>,
    operations: u64,
}

/// What the world has counted since it began; a phase is the difference of two.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) spent_ns: u64,
    pub(crate) turns: u64,
    pub(crate) longest_ns: u64,
    pub(crate) interest_batches: u64,
    pub(crate) interest_records: u64,
    pub(crate) data_batches: u64,
    pub(crate) data_records: u64,
    pub(crate) written: u64,
}

impl Meter {
    /// Notes a group of operations that took so long together.
    pub(crate) fn note(&mut self, operations: u64, ns: u64) {
        self.samples.push(ns as f64 / operations.max(1) as f64);
        self.operations += operations;
    }

    /// The phase in figures.
    pub(crate) fn figures(mut self, before: Tally, after: Tally) -> Value {
        self.samples.sort_by(f64::total_cmp);
        let at = |part: usize| {
            let last = self.samples.len().saturating_sub(1);
            self.samples.get(last * part / 100).copied().unwrap_or(0.0)
        };
        let operations = self.operations.max(1) as f64;
        let each = |from: u64, to: u64| round((to - from) as f64 / operations);
        json!({
            "operations": self.operations,
            "ns": round(at(50)),
            "ns_p10": round(at(10)),
            "ns_p99": round(at(99)),
            "ns_mean": each(before.spent_ns, after.spent_ns),
            "turns": after.turns - before.turns,
            "longest_turn_ns": after.longest_ns,
            "interest_batches": after.interest_batches - before.interest_batches,
            "interest_records": after.interest_records - before.interest_records,
            "data_batches": after.data_batches - before.data_batches,
            "data_records": after.data_records - before.data_records,
            "written_bytes": each(before.written, after.written),
        })
    }
}

/// Three places are enough for any figure here.
pub(crate) fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// Nanoseconds that this thread has run: others' share of the machine does not count.
pub(crate) fn spent() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).expect("time goes on");
    seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).expect("time goes on")
}

/// Bytes on the heap, as they were asked for.
pub(crate) fn heap() -> u64 {
    let stats = ALLOCATOR.stats();
    (stats.bytes_allocated - stats.bytes_deallocated) as u64
}

/// Bytes of resident memory now.
pub(crate) fn rss() -> u64 {
    of_status("VmRSS:")
}

/// The most that resident memory ever was.
pub(crate) fn rss_peak() -> u64 {
    of_status("VmHWM:")
}

fn of_status(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kb = line.and_then(|line| line.split_whitespace().next());
    kb.and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) * 1024
}
