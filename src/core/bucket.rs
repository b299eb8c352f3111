//! How many messages and bytes somebody may send a second.
//!
//! Absent: waiting. A refusal says when to go on, and whoever asked stops reading until then.
//! Levels are kept in billionths of a message or byte, so that a nanosecond times a rate is a whole
//! number and nothing is ever rounded away: over any time exactly the rate passes, and one burst.

use super::time::Instant;
use crate::config::access::Rate;

/// See the module's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenBucket {
    messages: Option<Lane>,
    bytes: Option<Lane>,
    filled: Instant,
}

/// What flows: messages, or bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Lane {
    per_second: u64,
    /// The most that may pass at once, in billionths.
    full: i128,
    /// In billionths; below 0 after something that is larger than a burst.
    level: i128,
}

impl TokenBucket {
    /// A full bucket; none for a rate without bounds. A burst is what flows in a second, but never
    /// less than one message of the greatest size.
    pub fn new(rate: &Rate, message_bytes_max: u32, now: Instant) -> Option<Self> {
        if rate.messages.is_none() && rate.bytes.is_none() {
            return None;
        }
        let messages = rate.messages.map(|per_second| Lane::new(per_second, 1));
        let bytes = rate.bytes.map(|per_second| Lane::new(per_second, message_bytes_max));
        Some(Self { messages, bytes, filled: now })
    }

    /// Lets so many messages of so many bytes in all pass, or says when they can.
    ///
    /// What is larger than a burst passes when the bucket is full, and what follows waits longer.
    pub fn take(&mut self, messages: u64, bytes: u64, now: Instant) -> Result<(), Instant> {
        Self::take_all(&mut [self], messages, bytes, now)
    }

    /// Takes from several buckets, or from none of them; then it says when all of them can give.
    pub fn take_all(
        buckets: &mut [&mut Self],
        messages: u64,
        bytes: u64,
        now: Instant,
    ) -> Result<(), Instant> {
        let mut later = None;
        for bucket in buckets.iter_mut() {
            bucket.fill(now);
            later = later.max(bucket.later(messages, bytes));
        }
        if let Some(later) = later {
            return Err(later);
        }
        for bucket in buckets.iter_mut() {
            for (lane, units) in [(&mut bucket.messages, messages), (&mut bucket.bytes, bytes)] {
                if let Some(lane) = lane {
                    lane.level -= billionths(units);
                }
            }
        }
        Ok(())
    }

    /// Takes out what has passed elsewhere, even if it is more than there is.
    pub fn debit(&mut self, messages: u64, bytes: u64, now: Instant) {
        self.fill(now);
        for (lane, units) in [(&mut self.messages, messages), (&mut self.bytes, bytes)] {
            if let Some(lane) = lane {
                lane.level -= billionths(units);
            }
        }
    }

    /// Takes back what was let pass and did not happen.
    pub fn give_back(&mut self, messages: u64, bytes: u64) {
        for (lane, units) in [(&mut self.messages, messages), (&mut self.bytes, bytes)] {
            if let Some(lane) = lane {
                lane.add(billionths(units));
            }
        }
    }

    /// When so much can pass, by what is known now; `None` for at once.
    fn later(&self, messages: u64, bytes: u64) -> Option<Instant> {
        let lanes = [(&self.messages, messages), (&self.bytes, bytes)];
        let missing = lanes.iter().filter_map(|(lane, units)| lane.as_ref()?.missing_ns(*units));
        missing.max().map(|ns| self.filled.after_ns(ns))
    }

    /// Adds what flowed since the last time. A clock that goes back adds nothing.
    fn fill(&mut self, now: Instant) {
        let elapsed = now.since_ns(self.filled);
        for lane in [&mut self.messages, &mut self.bytes].into_iter().flatten() {
            lane.add(i128::from(elapsed).saturating_mul(i128::from(lane.per_second)));
        }
        self.filled = self.filled.max(now);
    }
}

impl Lane {
    fn new(per_second: u64, at_least: u32) -> Self {
        let full = billionths(per_second.max(u64::from(at_least)));
        Self { per_second, full, level: full }
    }

    fn add(&mut self, billionths: i128) {
        // Of two numbers below 2^127 each: a level is never above its burst.
        self.level = self.level.saturating_add(billionths).min(self.full);
    }

    /// How long until so many units can pass; `None` for now.
    fn missing_ns(&self, units: u64) -> Option<u64> {
        let missing = billionths(units).min(self.full) - self.level;
        let missing = u128::try_from(missing).ok().filter(|missing| *missing > 0)?;
        let ns = match self.per_second {
            0 => u128::MAX,
            per_second => missing.div_ceil(u128::from(per_second)),
        };
        Some(u64::try_from(ns).unwrap_or(u64::MAX))
    }
}

/// 64 bits times 30 bits fit far into 127.
fn billionths(units: u64) -> i128 {
    i128::from(units) * 1_000_000_000
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn at(ns: u64) -> Instant {
        Instant::from_ns(ns)
    }

    fn bucket(messages: Option<u64>, bytes: Option<u64>, largest: u32) -> TokenBucket {
        TokenBucket::new(&Rate { messages, bytes }, largest, at(0)).unwrap()
    }

    #[test]
    fn a_rate_without_bounds_needs_no_bucket() {
        assert_eq!(TokenBucket::new(&Rate::default(), 1 << 20, at(0)), None);
    }

    #[test]
    fn a_second_passes_at_once_and_then_one_by_one() {
        let mut bucket = bucket(Some(10), None, 0);
        for _ in 0..10 {
            assert_eq!(bucket.take(1, 1 << 40, at(0)), Ok(()));
        }
        assert_eq!(bucket.take(1, 0, at(0)), Err(at(SECOND / 10)));
        assert_eq!(bucket.take(1, 0, at(SECOND / 10 - 1)), Err(at(SECOND / 10)));
        assert_eq!(bucket.take(1, 0, at(SECOND / 10)), Ok(()));
    }

    #[test]
    fn the_scarcer_of_both_decides() {
        let mut bucket = bucket(Some(100), Some(1_000), 10);
        assert_eq!(bucket.take(1, 1_000, at(0)), Ok(()));
        assert_eq!(bucket.take(1, 500, at(0)), Err(at(SECOND / 2)));
        assert_eq!(bucket.take(99, 0, at(0)), Ok(()), "a refusal has taken nothing");
        assert_eq!(bucket.take(100, 1, at(0)), Err(at(SECOND)));
    }

    #[test]
    fn the_largest_message_fits_into_a_burst() {
        let mut bucket = bucket(None, Some(10), 1_000);
        assert_eq!(bucket.take(1, 1_000, at(0)), Ok(()));
        assert_eq!(bucket.take(1, 1_000, at(0)), Err(at(100 * SECOND)));
        assert_eq!(bucket.take(1, 10, at(0)), Err(at(SECOND)));
    }

    #[test]
    fn what_is_larger_than_a_burst_is_paid_for_later() {
        let mut bucket = bucket(None, Some(10), 10);
        assert_eq!(bucket.take(1, 25, at(0)), Ok(()));
        assert_eq!(bucket.take(1, 1, at(0)), Err(at(SECOND * 16 / 10)));
        assert_eq!(bucket.take(1, 25, at(0)), Err(at(SECOND * 25 / 10)));
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_and_takes_nothing() {
        let mut bucket = bucket(Some(1), None, 0);
        assert_eq!(bucket.take(1, 0, at(5 * SECOND)), Ok(()));
        assert_eq!(bucket.take(1, 0, at(SECOND)), Err(at(6 * SECOND)));
        assert_eq!(bucket.take(1, 0, at(6 * SECOND)), Ok(()));
    }

    #[test]
    fn no_number_overflows() {
        let mut bucket = bucket(Some(u64::MAX), Some(u64::MAX), u32::MAX);
        for now in [0, 1, SECOND, u64::MAX, 0, u64::MAX] {
            let _ = bucket.take(u64::MAX, u64::MAX, at(now));
            bucket.give_back(u64::MAX, u64::MAX);
        }
        let mut never = self::bucket(Some(0), None, 0);
        assert_eq!(never.take(1, 0, at(0)), Ok(()), "a burst has one message");
        assert_eq!(never.take(1, 0, at(u64::MAX)), Err(at(u64::MAX)));
    }

    #[test]
    fn all_buckets_give_or_none() {
        let (mut quick, mut slow) = (bucket(Some(100), None, 0), bucket(Some(2), None, 0));
        let mut both = |messages, now| {
            TokenBucket::take_all(&mut [&mut quick, &mut slow], messages, 0, at(now))
        };
        assert_eq!(both(2, 0), Ok(()));
        assert_eq!(both(2, 0), Err(at(SECOND)));
        assert_eq!(quick.take(98, 0, at(0)), Ok(()), "what a mate refused was given back");
    }

    proptest! {
        #[test]
        fn what_passes_is_the_rate_and_one_burst(
            rate in 1u64..5_000_000_000,
            largest in 1u32..100_000,
            steps in proptest::collection::vec((1u64..50_000, 0u64..2_000_000), 1..300),
        ) {
            let mut bucket = bucket(None, Some(rate), largest);
            let burst = u128::from(rate.max(u64::from(largest)));
            let (mut now, mut passed) = (0, 0_u128);
            for (bytes, later) in steps {
                let bytes = bytes.min(u64::from(largest));
                match bucket.take(1, bytes, at(now)) {
                    Ok(()) => passed += u128::from(bytes),
                    Err(until) => {
                        prop_assert!(until > at(now));
                        let early = until.as_ns() - 1;
                        prop_assert!(bucket.clone().take(1, bytes, at(early)).is_err());
                        now = until.as_ns();
                        prop_assert_eq!(bucket.take(1, bytes, until), Ok(()));
                        passed += u128::from(bytes);
                    }
                }
                let most = burst * u128::from(SECOND) + u128::from(now) * u128::from(rate);
                prop_assert!(passed * u128::from(SECOND) <= most, "{} passed by {}", passed, now);
                now += later % 7 * later;
            }
        }

        #[test]
        fn who_goes_on_when_told_gets_exactly_the_rate(
            rate in 1u64..3_000_000_000, sizes in proptest::collection::vec(1u64..60_000, 50..200),
        ) {
            let mut bucket = bucket(None, Some(rate), 60_000);
            let (mut now, mut passed) = (at(0), 0_u128);
            for size in sizes {
                if let Err(until) = bucket.take(1, size, now) {
                    now = until;
                    prop_assert_eq!(bucket.take(1, size, now), Ok(()));
                }
                passed += u128::from(size);
            }
            let burst = u128::from(rate.max(60_000));
            let flowed = passed.saturating_sub(burst) * u128::from(SECOND);
            // All that came after the burst took its time, to the nanosecond.
            if now > at(0) {
                let exact = flowed.div_ceil(u128::from(rate));
                prop_assert!(u128::from(now.as_ns()) >= exact);
                prop_assert!(u128::from(now.as_ns()) <= exact + 1);
            }
        }
    }
}
