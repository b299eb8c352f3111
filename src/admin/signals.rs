//! What the supervisor does when a signal comes.
//!
//! Absent: sending signals to another broker (`cli::signal`).

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};

use super::supervisor::Supervisor;
use crate::io::log::Level;

impl Supervisor {
    /// Does what the signals that came ask for; says whether one asked for the end.
    pub(super) fn must_stop(&mut self) -> bool {
        let mut stop = false;
        let signals: Vec<i32> = self.signals.pending().collect();
        for signal in signals {
            self.log.line(Level::Info, format!("Trapped {:?} signal", name(signal)));
            match signal {
                SIGINT => stop = true,
                // A lame duck is on its way already.
                SIGTERM => stop |= self.lame_duck.is_none(),
                SIGHUP => self.reload(),
                SIGUSR1 => self.reopen_log(),
                _ => self.enter_lame_duck(),
            }
        }
        stop
    }

    fn reopen_log(&self) {
        let text = if self.reloading.target.is_file() {
            self.log.reopen();
            "File log re-opened"
        } else {
            "File log re-open ignored, not a file logger"
        };
        self.log.line(Level::Info, text.to_owned());
    }
}

/// What Go calls a signal.
fn name(signal: i32) -> &'static str {
    match signal {
        SIGINT => "interrupt",
        SIGTERM => "terminated",
        SIGHUP => "hangup",
        SIGUSR1 => "user defined signal 1",
        _ => "user defined signal 2",
    }
}
