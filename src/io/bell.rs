//! Whether a shard sleeps, so that whoever brings it work wakes it, and never in vain.
//!
//! Absent: the sleeping and the waking themselves (`reactor`, `exchange`). I10, no lost wake: a
//! sleeper announces itself and then looks at its queues once more; a bringer pushes and then looks
//! for the announcement. One of the two sees the other. Checked exhaustively by `tests/loom.rs`.

#[cfg(fanfare_loom)]
use loom::sync::atomic::{AtomicU8, Ordering, fence};
#[cfg(not(fanfare_loom))]
use std::sync::atomic::{AtomicU8, Ordering, fence};

/// What a sleeping shard waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sleep {
    /// Batches, connections or messages from the supervisor.
    ForWork,
    /// Those, and returned batches: a client is parked for want of one.
    ForWorkOrCredit,
}

/// See the module's head.
#[derive(Debug)]
pub struct Bell {
    state: AtomicU8,
}

impl Default for Bell {
    fn default() -> Self {
        Self::new()
    }
}

impl Bell {
    /// The bell of a shard that is awake.
    pub fn new() -> Self {
        Self { state: AtomicU8::new(AWAKE) }
    }

    /// The sleeper's first step; it must look at its queues again before it sleeps.
    pub fn announce(&self, sleep: Sleep) {
        let state = match sleep {
            Sleep::ForWork => FOR_WORK,
            Sleep::ForWorkOrCredit => FOR_WORK_OR_CREDIT,
        };
        self.state.store(state, Ordering::SeqCst);
        // The store must be visible before the queues are read: a bringer that misses the
        // announcement must have pushed early enough to be seen.
        fence(Ordering::SeqCst);
    }

    /// The sleeper is awake, for whatever reason.
    pub fn awake(&self) {
        self.state.store(AWAKE, Ordering::SeqCst);
    }

    /// Asked after bringing work: whether the sleeper must be woken, by the one who asked.
    pub fn must_wake_for_work(&self) -> bool {
        fence(Ordering::SeqCst);
        self.state.load(Ordering::SeqCst) != AWAKE
            && self.state.swap(AWAKE, Ordering::SeqCst) != AWAKE
    }

    /// Asked after returning a batch: whether the sleeper waits for one and must be woken.
    pub fn must_wake_for_credit(&self) -> bool {
        fence(Ordering::SeqCst);
        self.state.load(Ordering::SeqCst) == FOR_WORK_OR_CREDIT
            && self.state.swap(AWAKE, Ordering::SeqCst) != AWAKE
    }
}

const AWAKE: u8 = 0;
const FOR_WORK: u8 = 1;
const FOR_WORK_OR_CREDIT: u8 = 2;
