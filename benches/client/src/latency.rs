//! A distribution of durations: recorded in nanoseconds, read as percentiles.
//!
//! Absent: what the durations are of. Values above the ceiling count as the ceiling, so that an
//! overloaded server shows as a bad distribution and never as a missing one.

use hdrhistogram::Histogram;

/// Durations with three significant digits, up to ten minutes.
#[derive(Debug, Clone)]
pub struct Latencies {
    histogram: Histogram<u64>,
}

impl Latencies {
    /// An empty distribution.
    pub fn new() -> Self {
        // INVARIANT: the bounds are constants that the histogram accepts; a test constructs one.
        #[expect(clippy::expect_used, reason = "constant bounds")]
        let histogram = Histogram::new_with_bounds(1, CEILING_NS, 3).expect("constant bounds");
        Self { histogram }
    }

    /// Counts one duration.
    #[inline]
    pub fn record(&mut self, duration_ns: u64) {
        self.histogram.saturating_record(duration_ns.max(1));
    }

    /// Counts everything that another distribution counted.
    pub fn add(&mut self, other: &Self) {
        // Both have the same bounds, so nothing can be refused; a refusal would only mean that
        // the other's values are missing here, which the count shows.
        let added = self.histogram.add(&other.histogram);
        debug_assert!(added.is_ok(), "equal bounds");
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.histogram.reset();
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The smallest duration that `percent` of all are not above.
    pub fn percentile_ns(&self, percent: f64) -> u64 {
        self.histogram.value_at_quantile(percent / 100.0)
    }

    /// The mean.
    pub fn mean_ns(&self) -> f64 {
        self.histogram.mean()
    }

    /// The largest.
    pub fn max_ns(&self) -> u64 {
        self.histogram.max()
    }

    /// The smallest.
    pub fn min_ns(&self) -> u64 {
        self.histogram.min()
    }

    /// Points of the percentile curve, `(percent, duration)`, denser towards 100 %.
    pub fn curve(&self) -> Vec<(f64, u64)> {
        if self.count() == 0 {
            return Vec::new();
        }
        let mut points: Vec<(f64, u64)> = (0..=45)
            .map(|step| f64::from(step) * 2.0)
            .map(|p| (p, self.percentile_ns(p)))
            .collect();
        let mut rest = 10.0;
        while rest > 0.0005 && points.len() < 120 {
            for part in [1.0, 0.8, 0.65, 0.5, 0.4, 0.3, 0.2, 0.15] {
                let percent = 100.0 - rest * part;
                points.push((percent, self.percentile_ns(percent)));
            }
            rest /= 10.0;
            if rest / 100.0 * (self.count() as f64) < 1.0 {
                break;
            }
        }
        points
    }
}

impl Default for Latencies {
    fn default() -> Self {
        Self::new()
    }
}

/// The percentiles that every report shows, with the names of their fields.
pub const SHOWN: [(&str, f64); 6] = [
    ("p50_us", 50.0),
    ("p90_us", 90.0),
    ("p99_us", 99.0),
    ("p99_9_us", 99.9),
    ("p99_99_us", 99.99),
    ("max_us", 100.0),
];

const CEILING_NS: u64 = 600_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_values() {
        let mut latencies = Latencies::new();
        for value in 1..=1000 {
            latencies.record(value * 1000);
        }
        let close = |got: u64, want: u64| got.abs_diff(want) <= want / 500;
        assert!(close(latencies.percentile_ns(50.0), 500_000));
        assert!(close(latencies.percentile_ns(99.0), 990_000));
        assert!(close(latencies.max_ns(), 1_000_000));
        assert_eq!(latencies.count(), 1000);
    }

    #[test]
    fn a_value_above_the_ceiling_is_counted_as_the_ceiling() {
        let mut latencies = Latencies::new();
        latencies.record(u64::MAX);
        assert_eq!(latencies.count(), 1);
        assert!(latencies.max_ns() >= CEILING_NS);
    }

    #[test]
    fn adding_sums_the_counts() {
        let (mut a, mut b) = (Latencies::new(), Latencies::new());
        a.record(10);
        b.record(1_000_000);
        a.add(&b);
        assert_eq!((a.count(), a.min_ns()), (2, 10));
        a.clear();
        assert_eq!(a.count(), 0);
    }

    #[test]
    fn the_curve_rises_in_both_directions() {
        let mut latencies = Latencies::new();
        for value in 0..100_000u64 {
            latencies.record(value);
        }
        let curve = latencies.curve();
        assert!(curve.windows(2).all(|w| w[0].0 <= w[1].0 && w[0].1 <= w[1].1));
        assert!(curve.last().unwrap().0 > 99.9);
        assert!(Latencies::new().curve().is_empty());
    }
}
