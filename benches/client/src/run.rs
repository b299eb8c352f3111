//! What the threads of one load run share: the clock, the stage, the counters, the flows.
//!
//! Absent: sockets (`engine`) and the order of the stages (`conductor`).

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use crate::flow::{Flow, ThreadIndex};
use crate::procfs::ThreadCpu;

/// How far a run has come; it only ever goes forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Senders send.
    Sending,
    /// Senders finish what they began and ask the server to confirm that it has read everything.
    Stopping,
    /// Receivers ask the server to confirm that they have everything, which would show messages
    /// that came once too often.
    Fencing,
    /// Threads return.
    Over,
}

/// The shared state of a run.
#[derive(Debug)]
pub struct Run {
    clock: Instant,
    stage: AtomicU8,
    /// Durations that began earlier are not counted.
    measure_from_ns: AtomicU64,
    /// Whether stalled receivers have stopped reading.
    stalled: AtomicBool,
    /// The flows, by index.
    pub flows: Vec<Flow>,
    /// One for each thread.
    pub threads: Vec<ThreadState>,
    fault: Mutex<Option<String>>,
}

impl Run {
    /// A run that has not begun to measure.
    pub fn new(flows: Vec<Flow>, threads: usize) -> Self {
        Self {
            clock: Instant::now(),
            stage: AtomicU8::new(0),
            measure_from_ns: AtomicU64::new(u64::MAX),
            stalled: AtomicBool::new(false),
            flows,
            threads: (0..threads).map(|_| ThreadState::default()).collect(),
            fault: Mutex::new(None),
        }
    }

    /// Nanoseconds since the run was made.
    #[inline]
    pub fn now_ns(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// How far the run has come.
    pub fn stage(&self) -> Stage {
        match self.stage.load(Ordering::SeqCst) {
            0 => Stage::Sending,
            1 => Stage::Stopping,
            2 => Stage::Fencing,
            _ => Stage::Over,
        }
    }

    /// Goes to a later stage and wakes every thread.
    pub fn advance(&self, stage: Stage) {
        let number = match stage {
            Stage::Sending => 0,
            Stage::Stopping => 1,
            Stage::Fencing => 2,
            Stage::Over => 3,
        };
        self.stage.fetch_max(number, Ordering::SeqCst);
        self.wake(u64::MAX);
    }

    /// Counts durations from now on.
    pub fn start_measuring(&self) {
        self.measure_from_ns.store(self.now_ns(), Ordering::SeqCst);
    }

    /// Durations that began earlier are not counted.
    pub fn measure_from_ns(&self) -> u64 {
        self.measure_from_ns.load(Ordering::SeqCst)
    }

    /// Makes the stalled receivers stop reading.
    pub fn stall(&self) {
        self.stalled.store(true, Ordering::SeqCst);
    }

    /// Whether the stalled receivers have stopped reading.
    pub fn is_stalled(&self) -> bool {
        self.stalled.load(Ordering::SeqCst)
    }

    /// Wakes the threads of a set, one bit each.
    pub fn wake(&self, threads: u64) {
        for (index, thread) in (0u8..).zip(&self.threads) {
            if threads & ThreadIndex(index).bit() != 0
                && let Some(waker) = thread.waker.get()
            {
                // A thread that cannot be woken looks for itself ten times a second.
                let _ = waker.wake();
            }
        }
    }

    /// Ends the run because of a fault; the first one is kept.
    pub fn fail(&self, sentence: String) {
        let mut fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        fault.get_or_insert(sentence);
        drop(fault);
        self.advance(Stage::Over);
    }

    /// The fault that ended the run.
    pub fn fault(&self) -> Option<String> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The counters of all threads together.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for thread in &self.threads {
            totals.published += thread.published.load(Ordering::Relaxed);
            totals.received += thread.received.load(Ordering::Relaxed);
            totals.fenced_senders += thread.fenced_senders.load(Ordering::Relaxed);
            totals.fenced_receivers += thread.fenced_receivers.load(Ordering::Relaxed);
            let last = thread.last_progress_ns.load(Ordering::Relaxed);
            totals.last_progress_ns = totals.last_progress_ns.max(last);
        }
        totals
    }
}

/// What one thread tells the others; each field has that thread as its only writer.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct ThreadState {
    /// Messages or requests sent.
    pub published: AtomicU64,
    /// Messages or replies received.
    pub received: AtomicU64,
    /// Senders whose last messages the server has confirmed to have read.
    pub fenced_senders: AtomicU64,
    /// Receivers to whom the server has confirmed that nothing more is under way.
    pub fenced_receivers: AtomicU64,
    /// When the thread last sent or received a message.
    pub last_progress_ns: AtomicU64,
    /// Wakes the thread.
    pub waker: OnceLock<mio::Waker>,
    /// Reads the thread's CPU time.
    pub cpu: OnceLock<ThreadCpu>,
}

/// The sum of the threads' counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Messages or requests sent.
    pub published: u64,
    /// Messages or replies received.
    pub received: u64,
    /// Senders whose last messages the server has confirmed to have read.
    pub fenced_senders: u64,
    /// Receivers to whom the server has confirmed that nothing more is under way.
    pub fenced_receivers: u64,
    /// When a message was last sent or received.
    pub last_progress_ns: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_never_goes_back() {
        let run = Run::new(Vec::new(), 1);
        assert_eq!(run.stage(), Stage::Sending);
        run.advance(Stage::Fencing);
        run.advance(Stage::Stopping);
        assert_eq!(run.stage(), Stage::Fencing);
    }

    #[test]
    fn the_first_fault_is_kept_and_ends_the_run() {
        let run = Run::new(Vec::new(), 1);
        run.fail("first".into());
        run.fail("second".into());
        assert_eq!((run.fault().as_deref(), run.stage()), (Some("first"), Stage::Over));
    }

    #[test]
    fn totals_add_up_the_threads() {
        let run = Run::new(Vec::new(), 2);
        for (thread, count) in run.threads.iter().zip([3, 4]) {
            thread.published.store(count, Ordering::Relaxed);
            thread.last_progress_ns.store(count * 10, Ordering::Relaxed);
        }
        assert_eq!((run.totals().published, run.totals().last_progress_ns), (7, 40));
    }
}
