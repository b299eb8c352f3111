//! Timers of one shard: a hierarchical wheel (Varghese and Lauck, 1987) of 8 ms ticks.
//!
//! Absent: what a timer means. There is no removal: a timer that has lost its purpose fires and is
//! ignored. A client has at most one of each kind, and one for its farewell.

use super::ids::ConnId;
use super::time::Instant;

/// What a client's timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimerKind {
    /// The next PING, or the verdict that the client is stale.
    Ping,
    /// A write deadline, a connect timeout or the end of a farewell.
    Deadline,
    /// The end of a client's credentials.
    Expiry,
    /// The end of a client's pause, because it was too fast.
    Pause,
    /// The end of waiting for a decision about a client.
    Entry,
    /// The shard's own: a look for answers that nobody will send any more.
    Sweep,
    /// The shard's own: accounts have more or fewer connections, and are to be told of.
    Changed,
}

impl TimerKind {
    const ALL: [Self; 7] = [
        Self::Ping,
        Self::Deadline,
        Self::Expiry,
        Self::Pause,
        Self::Entry,
        Self::Sweep,
        Self::Changed,
    ];
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    client: ConnId,
    /// Tick in the upper bits, kind in the lowest three: sixteen bytes a timer.
    tick_and_kind: u64,
}

impl Entry {
    fn tick(self) -> u64 {
        self.tick_and_kind >> 3
    }

    fn kind(self) -> TimerKind {
        // INVARIANT: the bits were made from a kind.
        TimerKind::ALL.get((self.tick_and_kind & 7) as usize).copied().unwrap_or(TimerKind::Ping)
    }
}

#[derive(Debug)]
struct Level {
    slots: Vec<Vec<Entry>>,
    occupied: u64,
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Wheel {
    levels: Vec<Level>,
    /// The last tick whose timers have fired.
    now: u64,
    timers: usize,
    moving: Vec<Entry>,
}

impl Wheel {
    pub(crate) fn new(now: Instant) -> Self {
        let level = || Level { slots: (0..SLOTS).map(|_| Vec::new()).collect(), occupied: 0 };
        Self {
            levels: (0..LEVELS).map(|_| level()).collect(),
            now: now.as_ns() / TICK_NS,
            timers: 0,
            moving: Vec::new(),
        }
    }

    /// Timers that have not fired.
    pub(crate) fn len(&self) -> usize {
        self.timers
    }

    /// Lets a timer fire at `at`, up to a tick late and never early.
    pub(crate) fn insert(&mut self, client: ConnId, kind: TimerKind, at: Instant) {
        let tick = at.as_ns().div_ceil(TICK_NS).max(self.now + 1);
        self.timers += 1;
        self.place(Entry { client, tick_and_kind: (tick << 3) | u64::from(kind as u8) });
    }

    /// Appends the timers that are due; they leave the wheel.
    pub(crate) fn advance(&mut self, now: Instant, due: &mut Vec<(ConnId, TimerKind)>) {
        let target = now.as_ns() / TICK_NS;
        while self.now < target {
            if self.timers == 0 {
                self.now = target;
                return;
            }
            self.now += 1;
            self.cascade();
            // INVARIANT: masked to a slot's index.
            let index = (self.now & SLOT_MASK) as usize;
            self.levels[0].occupied &= !(1 << index);
            let slot = &mut self.levels[0].slots[index];
            self.timers -= slot.len();
            due.extend(slot.iter().map(|entry| (entry.client, entry.kind())));
            slot.clear();
            slot.shrink_to(SLOT_KEPT);
        }
    }

    /// When to look again: never later than the next timer.
    pub(crate) fn next(&self) -> Option<Instant> {
        let next_of = |(number, level): (usize, &Level)| {
            if level.occupied == 0 {
                return None;
            }
            let shift = number * SLOT_BITS;
            let current = self.now >> shift;
            // Slots ahead of the current one, nearest first.
            let rotated = level.occupied.rotate_right(((current + 1) & SLOT_MASK) as u32);
            let ahead = u64::from(rotated.trailing_zeros()) + 1;
            Some((current + ahead) << shift)
        };
        let tick = self.levels.iter().enumerate().filter_map(next_of).min()?;
        Some(Instant::from_ns(tick.saturating_mul(TICK_NS)))
    }

    fn cascade(&mut self) {
        for number in 1..LEVELS {
            let shift = number * SLOT_BITS;
            if self.now & ((1 << shift) - 1) != 0 {
                return;
            }
            let index = ((self.now >> shift) & SLOT_MASK) as usize;
            self.levels[number].occupied &= !(1 << index);
            let mut moving = std::mem::take(&mut self.moving);
            moving.append(&mut self.levels[number].slots[index]);
            self.levels[number].slots[index].shrink_to(SLOT_KEPT);
            for entry in moving.drain(..) {
                self.place(entry);
            }
            moving.shrink_to(SLOT_KEPT);
            self.moving = moving;
        }
    }

    fn place(&mut self, entry: Entry) {
        let ahead = entry.tick().saturating_sub(self.now);
        let number = (0..LEVELS).find(|n| ahead < 1 << ((n + 1) * SLOT_BITS));
        // A timer beyond the last level waits in its farthest slot and is placed again from there.
        let (number, tick) = match number {
            Some(number) => (number, entry.tick()),
            None => (LEVELS - 1, self.now + (1 << (LEVELS * SLOT_BITS)) - 1),
        };
        let index = ((tick >> (number * SLOT_BITS)) & SLOT_MASK) as usize;
        self.levels[number].occupied |= 1 << index;
        self.levels[number].slots[index].push(entry);
    }
}

/// Nanoseconds of a tick: fine enough for pings of 100 ms, coarse enough to wake rarely.
const TICK_NS: u64 = 8_000_000;
const SLOT_BITS: usize = 6;
const SLOTS: usize = 1 << SLOT_BITS;
const SLOT_MASK: u64 = (1 << SLOT_BITS) - 1;
/// 64 slots at each of four levels reach 37 hours.
const LEVELS: usize = 4;
/// Room that an emptied slot keeps.
const SLOT_KEPT: usize = 64;

#[cfg(test)]
mod tests {
    use super::super::rng::Rng;
    use super::*;

    #[test]
    fn a_timer_fires_once_never_early_and_at_most_two_ticks_late() {
        let mut rng = Rng::new(5);
        let mut wheel = Wheel::new(Instant::from_ns(77));
        let mut waiting = std::collections::HashMap::new();
        let (mut now, mut due) = (Instant::from_ns(77), Vec::new());
        for number in 0..4_000u64 {
            let ahead = rng.next_u64() % (1 << (10 + number % 34));
            waiting.insert(number, now.after_ns(ahead));
            wheel.insert(ConnId::from_token(number), TimerKind::Ping, now.after_ns(ahead));
            let step = rng.next_u64() % 3_000_000_000;
            let before = now;
            now = now.after_ns(step);
            wheel.advance(now, &mut due);
            for (client, kind) in due.drain(..) {
                let at = waiting.remove(&client.token()).expect("fires once");
                assert_eq!(kind, TimerKind::Ping);
                assert!(at <= now && at.after_ns(2 * TICK_NS) > before);
            }
            assert_eq!(wheel.len(), waiting.len());
            let first = waiting.values().min();
            assert!(wheel.next() <= first.map(|at| at.after_ns(TICK_NS)), "looked in time");
            assert_eq!(wheel.next().is_none(), waiting.is_empty());
        }
    }

    #[test]
    fn kinds_and_far_timers_survive() {
        let mut wheel = Wheel::new(Instant::default());
        let far = Instant::from_ns(200 * 3_600 * 1_000_000_000);
        wheel.insert(ConnId::from_token(1), TimerKind::Deadline, far);
        let mut due = Vec::new();
        wheel.advance(Instant::from_ns(far.as_ns() - TICK_NS), &mut due);
        assert!(due.is_empty());
        wheel.advance(far, &mut due);
        assert_eq!(due, [(ConnId::from_token(1), TimerKind::Deadline)]);
    }
}
