//! Lines that a stranger can cause, thinned out: a few a second, and the number of the others.
//!
//! Absent: the log (`log`).

use crate::core::time::Instant;

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Sparse {
    window_ends: Instant,
    shown: u32,
    hidden: u64,
}

impl Sparse {
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

    /// What to say of those that were not shown, once their second is over.
    pub(super) fn poll_hidden(&mut self, now: Instant) -> Option<String> {
        if self.hidden == 0 || now < self.window_ends {
            return None;
        }
        let hidden = std::mem::take(&mut self.hidden);
        Some(format!("{hidden} more connections failed before they were let in"))
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
        let mut sparse = Sparse::default();
        let at = |ms: u64| Instant::from_ns(ms * 1_000_000);
        let shown = (0..100).filter(|ms| sparse.may_show(at(*ms))).count();
        assert_eq!(shown, 10);
        assert_eq!(sparse.poll_hidden(at(999)), None);
        let text = sparse.poll_hidden(at(1_000)).expect("some were hidden");
        assert!(text.starts_with("90 more"), "{text}");
        assert_eq!(sparse.poll_hidden(at(2_000)), None);
        assert!(sparse.may_show(at(2_000)));
    }
}
