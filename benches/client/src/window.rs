//! What was measured between two moments of a run: work done, CPU time and memory on both sides.
//!
//! Absent: durations of single messages (`timings`).

use std::time::{Duration, Instant};

use crate::procfs::{CpuReading, Memory};
use crate::run::{Run, Totals};

/// Everything that is read at one end of a window.
#[derive(Debug, Clone)]
pub struct Moment {
    at: Instant,
    totals: Totals,
    threads_ns: Vec<Option<u64>>,
    server_cpu: Option<CpuReading>,
    server_memory: Option<Memory>,
}

impl Moment {
    /// Reads everything now.
    pub fn now(run: &Run, server_pid: Option<u32>) -> Self {
        let server_cpu = server_pid.and_then(CpuReading::of_process);
        let threads_ns = run.threads.iter().map(|thread| thread.cpu.get()?.read_ns());
        Self {
            at: Instant::now(),
            totals: run.totals(),
            threads_ns: threads_ns.collect(),
            server_cpu,
            server_memory: server_pid.and_then(Memory::of_process),
        }
    }

    /// The work done until then.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// The server's memory then.
    pub fn server_memory(&self) -> Option<Memory> {
        self.server_memory
    }

    /// The server's CPU time since an earlier moment.
    pub fn server_cpu_since(&self, earlier: &Self) -> Option<Duration> {
        Some(Duration::from_nanos(self.server_cpu?.since_ns(earlier.server_cpu?)))
    }

    /// The time until a later instant.
    pub fn elapsed_until(&self, later: Instant) -> Duration {
        later.saturating_duration_since(self.at)
    }

    /// The time since an earlier moment.
    pub fn since(&self, earlier: &Self) -> Duration {
        self.at.duration_since(earlier.at)
    }
}

/// One step of the rate's course.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Seconds from the beginning of the window to the end of the step.
    pub at_s: f64,
    /// How long the step was.
    pub length_s: f64,
    /// Messages received in it, or published where nobody receives.
    pub messages: u64,
}

impl Step {
    /// Messages a second.
    pub fn rate(&self) -> f64 {
        if self.length_s > 0.0 { self.messages as f64 / self.length_s } else { 0.0 }
    }
}

/// The difference between two moments.
#[derive(Debug, Clone)]
pub struct Window {
    /// How long it was.
    pub seconds: f64,
    /// Messages or requests sent in it.
    pub published: u64,
    /// Messages or replies received in it.
    pub received: u64,
    /// The server's CPU time in it.
    pub server_cpu_s: Option<f64>,
    /// The server's memory at its end.
    pub server_memory: Option<Memory>,
    /// The most memory that the server had in it.
    pub server_peak_bytes: Option<u64>,
    /// The share of one core that each thread of the load client used.
    pub client_shares: Vec<f64>,
    /// How the rate went.
    pub steps: Vec<Step>,
}

impl Window {
    /// Compares two moments. `sampled_peak` is the most memory that was seen in between; a process
    /// that set a new record in the window peaked in it.
    pub fn between(start: &Moment, end: &Moment, sampled_peak: u64, steps: Vec<Step>) -> Self {
        let elapsed = end.since(start);
        let nanos = elapsed.as_nanos() as f64;
        let shares = start.threads_ns.iter().zip(&end.threads_ns);
        let client_shares = shares
            .filter_map(|(before, after)| {
                Some((*after)?.saturating_sub(before.unwrap_or(0)) as f64 / nanos.max(1.0))
            })
            .collect();
        let peak = match (start.server_memory, end.server_memory) {
            (Some(before), Some(after)) if after.peak_bytes > before.peak_bytes => {
                Some(after.peak_bytes)
            }
            (_, Some(after)) => Some(sampled_peak.max(after.resident_bytes)),
            _ => None,
        };
        Self {
            seconds: elapsed.as_secs_f64(),
            published: end.totals.published - start.totals.published,
            received: end.totals.received - start.totals.received,
            server_cpu_s: end.server_cpu_since(start).map(|cpu| cpu.as_secs_f64()),
            server_memory: end.server_memory,
            server_peak_bytes: peak,
            client_shares,
            steps,
        }
    }
}
