//! `STATSZ`: the load in short, which a listener in the system account hears every ten seconds.
//!
//! Absent: whether anybody listens, which a shard knows: it is asked to say something, and comes
//! back with a request if somebody would hear it. As with nats-server the first ones follow each
//! other quickly.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Monitor;
use super::process::Process;
use super::varz::Number;
use crate::io::exchange::Mail;

/// When the next heartbeat is due.
#[derive(Debug)]
pub(super) struct Pulse {
    due: Instant,
    pause: Duration,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { due: Instant::now() + PAUSE_MIN, pause: PAUSE_MIN }
    }
}

impl Pulse {
    pub(super) fn due_in(&self, now: Instant) -> Duration {
        self.due.saturating_duration_since(now)
    }
}

impl Monitor {
    /// Lets a shard say how the broker does, if it is time to.
    pub(super) fn beat(&mut self) {
        let now = Instant::now();
        if now < self.pulse.due {
            return;
        }
        self.pulse.pause = (self.pulse.pause * 2).min(PAUSE_MAX);
        self.pulse.due = now + self.pulse.pause;
        if let Some(first) = self.exchange.shards().next() {
            // A shard whose box is full has more urgent things to do.
            let _ = self.exchange.send(first, Mail::Heartbeat);
        }
    }

    /// The fields of nats-server; those of what is not there are left out, as it does.
    pub(super) fn statsz(&mut self) -> Vec<u8> {
        let stats = self.totals();
        let slow = stats.slow_pending_bytes + stats.slow_write_deadline + stats.slow_shed;
        let cpu = Number(self.process.processor_percent());
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let mut told = json!({
            "start": self.calendar.date(crate::core::time::Instant::default()),
            "mem": Process::memory(),
            "cores": cores,
            "cpu": cpu,
            "connections": stats.clients,
            "total_connections": stats.clients_total,
            "active_accounts": self.active_accounts(),
            "subscriptions": stats.subscriptions,
            "sent": { "msgs": stats.messages_out, "bytes": stats.bytes_out },
            "received": { "msgs": stats.messages_in, "bytes": stats.bytes_in },
            "slow_consumers": slow,
            "active_servers": 1,
            "gomaxprocs": self.news.config.shards,
        });
        let Value::Object(members) = &mut told else { return Vec::new() };
        if slow > 0 {
            let by = json!({ "clients": slow, "routes": 0, "gateways": 0, "leafs": 0 });
            members.insert("slow_consumer_stats".to_owned(), by);
        }
        let stale = stats.stale_connections;
        if stale > 0 {
            let by = json!({ "clients": stale, "routes": 0, "gateways": 0, "leafs": 0 });
            members.insert("stale_connections".to_owned(), stale.into());
            members.insert("stale_connection_stats".to_owned(), by);
        }
        if stats.events_dropped > 0 {
            // Ours: events about clients that were left out, so far.
            members.insert("untold".to_owned(), stats.events_dropped.into());
        }
        told.to_string().into_bytes()
    }
}

/// Time between the first heartbeats, and later ones.
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(10);
