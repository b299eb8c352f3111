//! The orderly end: nobody new is let in, and those who are here get their last bytes.
//!
//! Absent: how a shard says farewell (`io::reactor`).

use super::files;
use super::supervisor::{MAIL_PAUSE, Supervisor};
use crate::core::ids::ShardId;
use crate::io::exchange::{Exchange, Mail};
use crate::io::log::Level;

/// Sends mail, waiting for a box that is full: shards empty theirs in every turn.
pub(super) fn send_now(exchange: &Exchange, shard: ShardId, mut mail: Mail) {
    while let Err(returned) = exchange.send(shard, mail) {
        mail = returned;
        std::thread::park_timeout(MAIL_PAUSE);
    }
}

impl Supervisor {
    /// Ends every shard and waits for them, which have a deadline.
    pub(super) fn stop(mut self) {
        self.log.line(Level::Info, "Initiating Shutdown...".to_owned());
        self.cancel_upgrade("the broker stops");
        let is_left = self.upgrading.successor.is_some();
        if !is_left {
            self.notify.stopping();
        }
        // Nobody new is let in while those who are here are served their last bytes.
        self.listeners.clear();
        for shard in self.exchange.shards() {
            send_now(&self.exchange, shard, Mail::Stop);
        }
        for thread in std::mem::take(&mut self.threads) {
            if let Ok(Err(error)) = thread.join() {
                self.log.line(Level::Error, format!("Error in a shard: {error}"));
            }
        }
        self.exchange.desk.close();
        if let Some(monitor) = self.monitor.take() {
            // A panic there has been told already, and ends nothing else.
            let _ = monitor.join();
        }
        if is_left {
            return self.vanish();
        }
        files::remove(&self.log, self.ports_file.as_deref(), &self.config);
        self.log.line(Level::Info, "Server Exiting..".to_owned());
    }

    /// Ends without taking anything away that another process goes on with.
    pub(super) fn vanish(self) {
        files::remove_ports(&self.log, self.ports_file.as_deref());
        self.log.line(Level::Info, "Server Exiting.., another process serves".to_owned());
    }
}
