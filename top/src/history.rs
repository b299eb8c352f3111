//! The last values of a figure, for a small chart.
//!
//! Absent: drawing it. As many values are kept as the widest terminal can show.

use std::collections::VecDeque;

use fanfare_bench::figure;

/// See the module's head.
#[derive(Debug, Clone, Default)]
pub struct History(VecDeque<f64>);

impl History {
    /// Adds the newest value.
    pub fn push(&mut self, value: f64) {
        if self.0.len() == VALUES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(value);
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The newest value.
    pub fn last(&self) -> f64 {
        self.0.back().copied().unwrap_or(0.0)
    }

    /// The last `count` values as whole numbers, the newest last; zeros stand for what is missing.
    pub fn tail(&self, count: usize) -> Vec<u64> {
        let missing = count.saturating_sub(self.0.len());
        let kept = self.0.iter().skip(self.0.len().saturating_sub(count));
        std::iter::repeat_n(0, missing).chain(kept.map(|&value| figure::whole(value))).collect()
    }
}

const VALUES_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_last_and_old_ones_go() {
        let mut history = History::default();
        assert_eq!(history.tail(2), [0, 0]);
        for value in 0..VALUES_MAX + 3 {
            history.push(value as f64);
        }
        assert_eq!(history.tail(2), [513, 514]);
        assert_eq!(history.tail(VALUES_MAX + 1)[..2], [0, 3]);
        history.clear();
        assert_eq!(history.tail(1), [0]);
    }
}
