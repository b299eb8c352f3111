//! The lines that a running broker writes to its standard error, as events to wait for.
//!
//! A log file is followed by [`tail`]. Absent: interpretation. A line is kept as it came, for the
//! message of a test that fails.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Instant;

use crate::wire::DEADLINE;

/// Follows a growing file until a line contains `needle`.
#[track_caller]
pub(crate) fn tail(path: &Path, needle: &str) -> String {
    let limit = Instant::now() + DEADLINE;
    loop {
        let text = fs::read_to_string(path).unwrap_or_default();
        let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
        if let Some(line) = whole.lines().find(|line| line.contains(needle)) {
            return line.to_owned();
        }
        assert!(Instant::now() < limit, "no {needle:?} in {}:\n{text}", path.display());
        thread::yield_now();
    }
}

/// Everything that was written so far, and whether more can come.
#[derive(Debug, Default)]
struct Written {
    lines: Vec<String>,
    ended: bool,
}

/// A growing log, filled by a thread of its own.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    shared: Arc<(Mutex<Written>, Condvar)>,
}

impl Log {
    /// Collects the lines of `source` until it ends.
    pub(crate) fn follow(source: impl Read + Send + 'static) -> Self {
        let log = Self { shared: Arc::default() };
        let shared = Arc::clone(&log.shared);
        thread::spawn(move || {
            let mut reader = BufReader::new(source);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                line.clear();
                shared.0.lock().unwrap().lines.push(text);
                shared.1.notify_all();
            }
            shared.0.lock().unwrap().ended = true;
            shared.1.notify_all();
        });
        log
    }

    /// The first line that contains `needle`; waits for it. `None` when the log ended without.
    pub(crate) fn find(&self, needle: &str) -> Option<String> {
        self.find_any(&[needle], 0).map(|(line, _)| line)
    }

    /// The first line from number `start` on that contains one of `needles`, and its number.
    pub(crate) fn find_any(&self, needles: &[&str], start: usize) -> Option<(String, usize)> {
        let limit = Instant::now() + DEADLINE;
        let mut written = self.shared.0.lock().unwrap();
        let mut seen = start;
        let wanted = |line: &String| needles.iter().any(|needle| line.contains(needle));
        loop {
            if let Some(index) = written.lines[seen..].iter().position(wanted) {
                return Some((written.lines[seen + index].clone(), seen + index));
            }
            if written.ended {
                return None;
            }
            seen = written.lines.len();
            let left = limit.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "no log line with one of {needles:?} in:\n{}",
                written.lines.join("\n")
            );
            written = self.shared.1.wait_timeout(written, left).unwrap().0;
        }
    }

    /// Waits until the source has ended and returns all of it.
    pub(crate) fn all(&self) -> Vec<String> {
        let limit = Instant::now() + DEADLINE;
        let mut written = self.shared.0.lock().unwrap();
        while !written.ended {
            let left = limit.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the log did not end");
            written = self.shared.1.wait_timeout(written, left).unwrap().0;
        }
        written.lines.clone()
    }

    /// What was written until now.
    pub(crate) fn so_far(&self) -> String {
        self.shared.0.lock().unwrap().lines.join("\n")
    }
}
