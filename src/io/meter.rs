//! Times that a shard's thread measures, counted in classes that any other thread may read.
//!
//! Absent: percentiles, which the reader makes. One thread writes, so that a count is a load and a
//! store; a reader may see a sum that is a moment ahead of its counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Meter {
    classes: [AtomicU64; CLASSES],
    sum_ns: AtomicU64,
}

/// What a meter showed at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading {
    /// How many times fell into each class.
    pub(crate) classes: [u64; CLASSES],
    /// All of them together.
    pub(crate) sum_ns: u64,
}

impl Meter {
    pub(super) fn new() -> Self {
        Self { classes: std::array::from_fn(|_| AtomicU64::new(0)), sum_ns: AtomicU64::new(0) }
    }

    /// Counts a time so often; only one thread does.
    pub(super) fn count(&self, ns: u64, times: u64) {
        // INVARIANT: a class is below their number.
        add(&self.classes[class_of(ns)], times);
        add(&self.sum_ns, ns.saturating_mul(times));
    }

    pub(super) fn read(&self) -> Reading {
        Reading {
            classes: std::array::from_fn(|n| self.classes[n].load(Ordering::Relaxed)),
            sum_ns: self.sum_ns.load(Ordering::Relaxed),
        }
    }
}

fn add(counter: &AtomicU64, times: u64) {
    let sum = counter.load(Ordering::Relaxed).wrapping_add(times);
    counter.store(sum, Ordering::Relaxed);
}

impl Reading {
    pub(crate) fn none() -> Self {
        Self { classes: [0; CLASSES], sum_ns: 0 }
    }

    /// Adds what another meter showed.
    pub(crate) fn add(&mut self, other: &Self) {
        for (sum, count) in self.classes.iter_mut().zip(other.classes) {
            *sum += count;
        }
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
    }

    /// What came since an earlier reading.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let mut rest = self.clone();
        for (count, before) in rest.classes.iter_mut().zip(earlier.classes) {
            *count = count.saturating_sub(before);
        }
        rest.sum_ns = rest.sum_ns.saturating_sub(earlier.sum_ns);
        rest
    }

    /// How many times were counted.
    pub(crate) fn total(&self) -> u64 {
        self.classes.iter().sum()
    }

    /// The time that so many thousandths do not exceed, in nanoseconds: the bound of its class.
    pub(crate) fn quantile_ns(&self, thousandths: u64) -> u64 {
        let total = self.total();
        let wanted = u128::from(total) * u128::from(thousandths);
        let mut seen = 0u128;
        for (class, count) in self.classes.iter().enumerate() {
            seen += u128::from(*count);
            if *count > 0 && seen * 1000 >= wanted {
                return bound_ns(class);
            }
        }
        0
    }

    /// The largest time, as the bound of its class.
    pub(crate) fn largest_ns(&self) -> u64 {
        let class = self.classes.iter().rposition(|count| *count > 0);
        class.map_or(0, bound_ns)
    }

    /// The bounds of classes at powers of two, and how many times do not exceed each.
    pub(crate) fn cumulated(&self) -> impl Iterator<Item = (u64, u64)> {
        let mut sum = 0;
        let classes = self.classes.iter().enumerate().map(move |(class, count)| {
            sum += count;
            (class, sum)
        });
        classes.filter(|(class, _)| class % PARTS == PARTS - 1).map(|(c, sum)| (bound_ns(c), sum))
    }
}

/// The class of a time: a power of two, and which quarter of it.
fn class_of(ns: u64) -> usize {
    let units = ns >> UNIT_BITS;
    let class = if units < PARTS as u64 {
        units as usize
    } else {
        let octave = units.ilog2() as usize;
        (octave - 1) * PARTS + ((units >> (octave - 2)) as usize & (PARTS - 1))
    };
    class.min(CLASSES - 1)
}

/// The first time that is too long for a class, in nanoseconds.
fn bound_ns(class: usize) -> u64 {
    let (octave, part) = (class / PARTS, (class % PARTS) as u64);
    let units = if octave == 0 { part + 1 } else { (PARTS as u64 + part + 1) << (octave - 1) };
    units << UNIT_BITS
}

/// Classes of one power of two.
const PARTS: usize = 4;
/// A unit has 1 024 nanoseconds.
const UNIT_BITS: u32 = 10;
/// Classes in all: up to 17 seconds, and whatever is longer with the last.
const CLASSES: usize = 24 * PARTS;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_is_below_the_bound_of_its_class_and_not_below_the_one_before() {
        for ns in (0..64).flat_map(|bit| [(1u64 << bit) - 1, 1 << bit, (1 << bit) + 1]) {
            let class = class_of(ns);
            if class < CLASSES - 1 {
                assert!(ns < bound_ns(class), "{ns} in {class}");
            }
            assert!(class == 0 || ns >= bound_ns(class - 1), "{ns} in {class}");
        }
    }

    #[test]
    fn quantiles_are_bounds_of_classes() {
        let meter = Meter::new();
        assert_eq!((meter.read().quantile_ns(500), meter.read().largest_ns()), (0, 0));
        meter.count(10_000, 99);
        meter.count(1_000_000, 1);
        let read = meter.read();
        assert_eq!((read.total(), read.sum_ns), (100, 1_990_000));
        let near = |shown: u64, meant: u64| shown >= meant && shown - meant <= meant / 4 + 1024;
        assert!(near(read.quantile_ns(500), 10_000));
        assert!(near(read.quantile_ns(990), 10_000));
        assert!(near(read.quantile_ns(999), 1_000_000));
        assert!(near(read.largest_ns(), 1_000_000));
        assert_eq!(read.cumulated().last().map(|(_, sum)| sum), Some(100));
        assert_eq!(read.since(&read).total(), 0);
    }
}
