//! Lines that others can cause, thinned out: a few a second, and the number of the others.
//!
//! Absent: the log (`log`).

use super::log_line::{Level, Line};
use crate::core::time::Instant;

/// See the module's head.
#[derive(Debug)]
pub(super) struct Sparse {
    /// What happened to those that are not shown, behind their number.
    fate: &'static str,
    window_ends: Instant,
    shown: u32,
    hidden: u64,
}

impl Sparse {
    pub(super) fn new(fate: &'static str) -> Self {
        Self { fate, window_ends: Instant::default(), shown: 0, hidden: 0 }
    }

    /// Whether one more line may be shown now; one that may not is counted.
    pub(super) fn may_show(&mut self, now: Instant) -> bool {
        if now >= self.window_ends {
            self.window_ends = now.after_ns(WINDOW_NS);
            self.shown = 0;
        }
        let may = self.shown < SHOWN_MAX;
        if may {
            self.shown += 1;
        } else {
            self.hidden += 1;
        }
        may
    }

    /// Whether some were not shown, and nothing has been said of them.
    pub(super) fn has_hidden(&self) -> bool {
        self.hidden > 0
    }

    /// What to say of those that were not shown, once their second is over.
    pub(super) fn poll_hidden(&mut self, now: Instant) -> Option<Line> {
        if now < self.window_ends {
            return None;
        }
        self.last_hidden()
    }

    /// The same at the end, when there is no later.
    pub(super) fn last_hidden(&mut self) -> Option<Line> {
        if self.hidden == 0 {
            return None;
        }
        let hidden = std::mem::take(&mut self.hidden);
        let text = format!("{hidden} more {}", self.fate);
        Some(Line::new(Level::Warn, text).with("hidden", hidden))
    }
}

const WINDOW_NS: u64 = 1_000_000_000;
/// Lines of one window.
const SHOWN_MAX: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_shows_few_lines_and_counts_the_others() {
        let mut sparse = Sparse::new("clients went");
        let at = |ms: u64| Instant::from_ns(ms * 1_000_000);
        let shown = (0..100).filter(|ms| sparse.may_show(at(*ms))).count();
        assert_eq!(shown, 10);
        assert_eq!(sparse.poll_hidden(at(999)), None);
        let line = sparse.poll_hidden(at(1_000)).expect("some were hidden");
        assert_eq!(line.words(), "90 more clients went");
        assert!(!sparse.has_hidden());
        assert_eq!(sparse.poll_hidden(at(2_000)), None);
        assert!(sparse.may_show(at(2_000)));
    }
}
