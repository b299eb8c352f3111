//! One line on a terminal that says how a run is going, and goes away at its end.
//!
//! Absent: anything when stderr is not a terminal.

use std::io::{IsTerminal, Write};

/// A line that is written over again and again.
#[derive(Debug)]
pub struct Progress {
    is_shown: bool,
}

impl Progress {
    /// A line, unless the user wants none or nobody would see it.
    pub fn new(is_wanted: Wanted) -> Self {
        Self { is_shown: is_wanted == Wanted::Yes && std::io::stderr().is_terminal() }
    }

    /// Shows a text instead of the one before.
    pub fn show(&self, text: &str) {
        if self.is_shown {
            write(&format!("\r\x1b[2K{text}"));
        }
    }

    /// Removes the line.
    pub fn clear(&self) {
        if self.is_shown {
            write("\r\x1b[2K");
        }
    }
}

fn write(text: &str) {
    // A terminal that has gone away is no reason to end a measurement.
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

/// Whether the user wants to see progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Yes, on a terminal.
    Yes,
    /// No.
    No,
}
