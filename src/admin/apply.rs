//! What a reloaded configuration changes in a running broker.
//!
//! Absent: reading it and the log (`reload`), and what shards do with it (`core::review`).

use std::sync::Arc;

use super::listeners;
use super::premises::wall_ms;
use super::stop::send_now;
use super::supervisor::Supervisor;
use crate::core::policy::Policy;
use crate::core::review::Settings;
use crate::io::desk::{Errand, News};
use crate::io::exchange::Mail;
use crate::io::gate::Gate;
use crate::io::log::Level;

impl Supervisor {
    /// Lets the configuration take effect: new connections at once, those that are there when
    /// their shards have looked at them.
    pub(super) fn apply(&mut self, gates: Vec<Gate>, policy: Arc<Policy>) {
        let config = Arc::clone(&self.config);
        self.connections_max = config.limits.connections_max as u64;
        let pairs = config.listeners.iter().zip(gates);
        for (listening, (listener, gate)) in self.listeners.iter_mut().zip(pairs) {
            listening.gate = Arc::new(gate);
            listening.connections_max = listener.connections_max.map(u64::from);
        }
        // A broker that leaves has no listeners any more, and those who are here know enough.
        if self.lame_duck.is_none() {
            self.info.max_payload = config.limits.payload_max as u64;
            self.entrances = listeners::entrances(&config, &self.listeners, &self.info);
        }
        self.loaded_ms = wall_ms();
        self.spread(policy);
        self.close_surplus();
    }

    /// Brings a policy to the shards.
    pub(super) fn spread(&mut self, policy: Arc<Policy>) {
        let config = Arc::clone(&self.config);
        self.policy = Arc::clone(&policy);
        let settings = Settings {
            limits: Arc::new(config.limits.clone()),
            entrances: self.entrances.clone(),
            policy,
            trace: config.verbosity.trace.then_some(config.traced_message_max),
        };
        for shard in self.exchange.shards() {
            send_now(&self.exchange, shard, Mail::Settings(Box::new(settings.clone())));
        }
        self.tell_monitor();
    }

    /// What the monitor tells of the broker.
    pub(super) fn news(&self) -> News {
        News {
            config: Arc::clone(&self.config),
            policy: Arc::clone(&self.policy),
            operator: self.premises.operator.clone(),
            entrances: self.entrances.clone(),
            loaded_ms: self.loaded_ms,
            leaves: self.lame_duck.is_some(),
        }
    }

    /// Tells the monitor what has changed.
    pub(super) fn tell_monitor(&self) {
        if self.exchange.desk.ask(Errand::News(Box::new(self.news()))).is_err() {
            let text = "The monitor has too much to do; it goes on with what it knew";
            self.log.line(Level::Warn, text.to_owned());
        }
    }

    /// Closes clients until there are no more than there may be.
    fn close_surplus(&self) {
        let mut loads = self.loads();
        let all: u64 = loads.iter().map(|load| load.clients).sum();
        let surplus = all.saturating_sub(self.connections_max);
        for _ in 0..surplus {
            if let Some(fullest) = loads.iter_mut().max_by_key(|load| load.clients) {
                fullest.clients = fullest.clients.saturating_sub(1);
            }
        }
        for (before, after) in self.loads().iter().zip(&loads) {
            let count = before.clients.saturating_sub(after.clients);
            if count > 0 {
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                send_now(&self.exchange, after.shard, Mail::Surplus(count));
            }
        }
        if surplus > 0 {
            let text = format!("Closed {surplus} connections to fall within max_connections");
            self.log.line(Level::Info, text);
        }
    }
}
