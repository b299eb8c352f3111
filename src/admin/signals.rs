//! What the supervisor does when a signal comes.
//!
//! Absent: sending signals to another broker.

use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};

use super::supervisor::Supervisor;
use crate::io::log::Level;

impl Supervisor {
    /// Does what the signals that came ask for; says whether one asked for the end.
    pub(super) fn must_stop(&mut self) -> bool {
        let mut stop = false;
        for signal in self.signals.pending() {
            match signal {
                SIGINT | SIGTERM => {
                    let name = if signal == SIGINT { "interrupt" } else { "terminated" };
                    self.log.line(Level::Info, format!("Trapped \"{name}\" signal"));
                    stop = true;
                }
                SIGUSR1 => {
                    self.log.reopen();
                    self.log.line(Level::Info, "File log re-opened".to_owned());
                }
                _ => {
                    let text = "Signal ignored: there is no configuration file to reload, \
                                and no lame duck mode";
                    self.log.line(Level::Warn, text.to_owned());
                }
            }
        }
        stop
    }
}
