//! The wake-up protocol between shards (I10) under every interleaving and memory order.
//!
//! Absent: everything else; the rings are a library's. Run by `.ci/loom`, which sets `--cfg
//! fanfare_loom`; in an ordinary test run this file is empty.
#![forbid(unsafe_code)]
#![cfg(fanfare_loom)]

use fanfare::io::bell::{Bell, Sleep};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

/// A bell with queues as counters: relaxed, so that only the bell's own fences order anything.
struct Door {
    bell: Bell,
    work: AtomicUsize,
    credit: AtomicUsize,
    woken: AtomicUsize,
}

impl Door {
    fn new() -> Self {
        Self {
            bell: Bell::new(),
            work: AtomicUsize::new(0),
            credit: AtomicUsize::new(0),
            woken: AtomicUsize::new(0),
        }
    }

    /// What `Exchange::may_sleep` does.
    fn may_sleep(&self, sleep: Sleep) -> bool {
        self.bell.announce(sleep);
        let brought = self.work.load(Ordering::Relaxed) > 0;
        let credit = sleep == Sleep::ForWorkOrCredit && self.credit.load(Ordering::Relaxed) > 0;
        if brought || credit {
            self.bell.awake();
            return false;
        }
        true
    }
}

#[test]
fn brought_work_is_seen_or_wakes() {
    loom::model(|| {
        let door = Arc::new(Door::new());
        let other = Arc::clone(&door);
        let bringer = thread::spawn(move || {
            other.work.store(1, Ordering::Relaxed);
            if other.bell.must_wake_for_work() {
                other.woken.fetch_add(1, Ordering::Relaxed);
            }
        });
        let sleeps = door.may_sleep(Sleep::ForWork);
        bringer.join().expect("no panic");
        let woken = door.woken.load(Ordering::Relaxed);
        assert!(!sleeps || woken == 1, "a sleeper with work is woken");
    });
}

/// A shard that spins looks at its queues without having announced anything: nobody wakes it then,
/// and what it has not seen by the time it sleeps is seen, or wakes it, all the same.
#[test]
fn who_looks_for_work_before_sleeping_misses_none() {
    loom::model(|| {
        let door = Arc::new(Door::new());
        let other = Arc::clone(&door);
        let bringer = thread::spawn(move || {
            other.work.store(1, Ordering::Relaxed);
            if other.bell.must_wake_for_work() {
                other.woken.fetch_add(1, Ordering::Relaxed);
            }
        });
        let mut has_seen = false;
        for _ in 0..2 {
            has_seen = has_seen || door.work.load(Ordering::Relaxed) > 0;
            assert!(door.woken.load(Ordering::Relaxed) == 0, "who is awake is not woken");
        }
        let sleeps = !has_seen && door.may_sleep(Sleep::ForWork);
        bringer.join().expect("no panic");
        assert!(!sleeps || door.woken.load(Ordering::Relaxed) == 1);
    });
}

#[test]
fn a_returned_batch_is_seen_or_wakes_who_waits_for_it() {
    loom::model(|| {
        let door = Arc::new(Door::new());
        let other = Arc::clone(&door);
        let returner = thread::spawn(move || {
            other.credit.store(1, Ordering::Relaxed);
            if other.bell.must_wake_for_credit() {
                other.woken.fetch_add(1, Ordering::Relaxed);
            }
        });
        let sleeps = door.may_sleep(Sleep::ForWorkOrCredit);
        returner.join().expect("no panic");
        assert!(!sleeps || door.woken.load(Ordering::Relaxed) == 1);
    });
}

#[test]
fn two_bringers_wake_a_sleeper_once() {
    loom::model(|| {
        let door = Arc::new(Door::new());
        let bringers: Vec<_> = (0..2)
            .map(|_| {
                let door = Arc::clone(&door);
                thread::spawn(move || {
                    door.work.fetch_add(1, Ordering::Relaxed);
                    if door.bell.must_wake_for_work() {
                        door.woken.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let sleeps = door.may_sleep(Sleep::ForWork);
        for bringer in bringers {
            bringer.join().expect("no panic");
        }
        let woken = door.woken.load(Ordering::Relaxed);
        assert!(woken <= 1, "one wake-up is enough");
        assert!(!sleeps || woken == 1);
    });
}
