//! What the supervisor does when a signal comes.
//!
//! Absent: sending signals to another broker (`cli::signal`).

use rustix::process::{Pid, Signal, kill_process};
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
            self.pass_on(signal);
            match signal {
                SIGHUP if self.upgrading.is_under_way() => {
                    self.upgrading.held_back.push_back(signal);
                }
                SIGINT => stop = true,
                // A lame duck is on its way already.
                SIGTERM => stop |= self.lame_duck.is_none(),
                SIGHUP if self.upgrading.successor.is_none() => self.reload(),
                SIGHUP => {}
                SIGUSR1 => self.reopen_log(),
                _ => self.enter_lame_duck(),
            }
        }
        stop
    }

    /// Whoever signals the broker means the process that serves its clients.
    fn pass_on(&self, signal: i32) {
        let successor = self.upgrading.successor.and_then(|it| i32::try_from(it).ok());
        let process = successor.and_then(Pid::from_raw);
        if let (Some(process), Some(signal)) = (process, Signal::from_named_raw(signal)) {
            // It may have ended meanwhile.
            let _ = kill_process(process, signal);
        }
    }

    /// Does what had to wait for an upgrade.
    pub(super) fn catch_up(&mut self) {
        if !self.upgrading.is_under_way() && std::mem::take(&mut self.upgrading.must_tell) {
            // Without a new process the reload was all that was asked for.
            self.pass_on(SIGHUP);
        }
        while !self.upgrading.is_under_way()
            && let Some(signal) = self.upgrading.held_back.pop_front()
        {
            if self.upgrading.successor.is_some() {
                self.pass_on(signal);
            } else {
                self.reload();
            }
        }
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
