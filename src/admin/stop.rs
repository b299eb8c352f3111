//! The orderly end: nobody new is let in, and those who are here get their last bytes.
//!
//! Absent: how a shard says farewell (`io::reactor`).

use super::files;
use super::supervisor::{MAIL_PAUSE, Supervisor};
use crate::io::exchange::Mail;
use crate::io::log::Level;

impl Supervisor {
    /// Ends every shard and waits for them, which have a deadline.
    pub(super) fn stop(mut self) {
        self.log.line(Level::Info, "Initiating Shutdown...".to_owned());
        // Nobody new is let in while those who are here are served their last bytes.
        self.listeners.clear();
        for shard in self.exchange.shards() {
            let mut mail = Mail::Stop;
            while let Err(returned) = self.exchange.send(shard, mail) {
                mail = returned;
                std::thread::park_timeout(MAIL_PAUSE);
            }
        }
        for thread in self.threads {
            if let Ok(Err(error)) = thread.join() {
                self.log.line(Level::Error, format!("Error in a shard: {error}"));
            }
        }
        files::remove(&self.log, self.ports_file.as_deref(), &self.config);
        self.log.line(Level::Info, "Server Exiting..".to_owned());
    }
}
