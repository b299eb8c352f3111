//! What a reloaded configuration changes in a running broker.
//!
//! Absent: reading it and the log (`reload`), and what shards do with it (`core::review`).

use std::sync::Arc;

use super::stop::send_now;
use super::supervisor::Supervisor;
use crate::config::Config;
use crate::core::policy::Policy;
use crate::core::review::Settings;
use crate::io::exchange::Mail;

impl Supervisor {
    /// Lets the configuration take effect: new connections at once, those that are there when
    /// their shards have looked at them.
    pub(super) fn apply(&mut self, config: Arc<Config>, policy: Arc<Policy>) {
        self.policy = Arc::clone(&policy);
        self.connections_max = config.limits.connections_max as u64;
        let settings = Settings {
            limits: Arc::new(config.limits.clone()),
            entrances: self.entrances.clone(),
            policy,
            trace: config.verbosity.trace.then_some(config.traced_message_max),
        };
        for shard in self.exchange.shards() {
            send_now(&self.exchange, shard, Mail::Settings(Box::new(settings.clone())));
        }
    }
}
