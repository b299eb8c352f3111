//! What `/metrics` tells: names, words and where each number comes from.
//!
//! Absent: the form (`metrics`).

use super::Monitor;
use super::metrics::{Labels, Metrics};
use super::process::Process;
use crate::core::ids::{ListenerId, ShardId};
use crate::core::report::account::AccountUse;
use crate::core::stats::Stats;
use crate::io::http::HttpServer;

/// Where a number of a shard stands.
type Read = fn(&Stats) -> u64;

/// A counter or gauge of shards: its name, its words, and where it stands.
type OfShard = ((&'static str, &'static str), Read);

/// What only grows.
const COUNTERS: &[OfShard] = &[
    (("fanfare_connections_accepted", "Clients that ever came."), |s| s.clients_total),
    (("fanfare_subscriptions_made", "Subscriptions that ever existed."), |s| s.subscriptions_total),
    (("fanfare_messages_received", "Messages that clients published."), |s| s.messages_in),
    (("fanfare_received_bytes", "Bytes of headers and payloads in them."), |s| s.bytes_in),
    (("fanfare_messages_sent", "Messages queued for clients."), |s| s.messages_out),
    (("fanfare_sent_bytes", "Bytes of headers and payloads in them."), |s| s.bytes_out),
    (("fanfare_messages_unmatched", "Messages that reached nobody."), |s| s.messages_unmatched),
    (("fanfare_no_responders", "Requests answered with a 503."), |s| s.no_responders),
    (("fanfare_commands_parked", "Commands that waited for a free batch."), |s| s.parked),
    (("fanfare_clients_paused", "Pauses of clients that were too fast."), |s| s.paused),
    (("fanfare_mesh_records", "Records handed to other shards."), |s| s.records_out),
    (("fanfare_mesh_stale_handles", "Handles that named something gone."), |s| s.stale_handles),
    (("fanfare_group_repicked", "Messages that a group passed on to a shard."), |s| s.repicked),
    (("fanfare_group_dropped", "Messages that no member could take."), |s| s.repick_dropped),
    (("fanfare_connections_refused", "Connections that found no room."), |s| s.connections_refused),
    (("fanfare_subscriptions_refused", "Subscriptions that were not allowed."), |s| {
        s.subscriptions_refused
    }),
    (("fanfare_entries_refused", "Clients that were not let in, or not kept."), |s| {
        s.entries_refused
    }),
    (("fanfare_publishes_refused", "Messages without permission."), |s| s.publishes_refused),
    (("fanfare_stale_connections", "Clients closed for unanswered PINGs."), |s| {
        s.stale_connections
    }),
    (("fanfare_protocol_violations", "Clients closed for what they sent."), |s| {
        s.protocol_violations
    }),
    (("fanfare_connect_timeouts", "Clients closed for coming in too slowly."), |s| {
        s.connect_timeouts
    }),
    (("fanfare_tls_handshakes_failed", "TLS handshakes of clients that failed."), |s| {
        s.tls_failures
    }),
    (("fanfare_answers_carried", "Answers carried between accounts."), |s| s.answers_carried),
    (("fanfare_answers_unexpected", "Answers that nobody waited for."), |s| s.answers_unexpected),
    (("fanfare_answers_expired", "Answers that did not come in time."), |s| s.answers_expired),
    (("fanfare_answers_refused", "Requests that found too many waiting."), |s| s.answers_refused),
    (("fanfare_answers_dropped", "Answers that found no room."), |s| s.answers_dropped),
    (("fanfare_samples_dropped", "Latency samples that found no room."), |s| s.samples_dropped),
    (("fanfare_account_legs_cut", "Messages stopped between accounts."), |s| s.legs_cut),
    (("fanfare_events", "Events published in the system account."), |s| s.events),
    (("fanfare_events_dropped", "Events and answers that were left out."), |s| s.events_dropped),
    (("fanfare_system_requests", "Requests to the broker in subjects."), |s| s.system_requests),
    (("fanfare_system_requests_refused", "Those that were too many or too large."), |s| {
        s.system_requests_refused
    }),
    (("fanfare_trace_lines_dropped", "Trace lines that found no room."), |s| s.trace_dropped),
];

/// Present states.
const GAUGES: &[OfShard] = &[
    (("fanfare_connections", "Clients that are there."), |s| s.clients),
    (("fanfare_subscriptions", "Subscriptions that exist."), |s| s.subscriptions),
    (("fanfare_filters", "Different filters that are known."), |s| s.filters),
    (("fanfare_clients_parked", "Clients that wait for a free batch."), |s| s.clients_parked),
    (("fanfare_pending_bytes", "Memory held for unsent messages."), |s| s.spool_bytes),
];

/// Clients closed for being slow, by the reason.
const SLOW: &[(&str, Read)] = &[
    ("pending_bytes", |s| s.slow_pending_bytes),
    ("write_deadline", |s| s.slow_write_deadline),
    ("memory_budget", |s| s.slow_shed),
];

/// What accounts use.
type OfAccount = ((&'static str, &'static str), fn(&AccountUse) -> u64);

const ACCOUNT_COUNTERS: &[OfAccount] = &[
    (("fanfare_account_messages_received", "Messages published in an account."), |u| u.messages_in),
    (("fanfare_account_received_bytes", "Bytes in them."), |u| u.bytes_in),
    (("fanfare_account_messages_sent", "Messages queued for an account's clients."), |u| {
        u.messages_out
    }),
    (("fanfare_account_sent_bytes", "Bytes in them."), |u| u.bytes_out),
    (("fanfare_account_slow_consumers", "Clients of an account closed for being slow."), |u| {
        u.slow_consumers
    }),
];

const ACCOUNT_GAUGES: &[OfAccount] = &[
    (("fanfare_account_connections", "Clients of an account."), |u| u.clients),
    (("fanfare_account_subscriptions", "Subscriptions of an account."), |u| u.subscriptions),
    (("fanfare_account_pending_bytes", "Unsent bytes of an account's clients."), |u| {
        u.pending_bytes
    }),
];

fn of_shard(shard: ShardId) -> Labels {
    vec![("shard", shard.index().to_string())]
}

impl Monitor {
    pub(super) fn measure_shards(&self, metrics: &mut Metrics) {
        for shard in self.exchange.shards() {
            let stats = self.exchange.stats(shard);
            for (words, read) in COUNTERS {
                metrics.counter(*words, of_shard(shard), read(&stats));
            }
            for (words, read) in GAUGES {
                metrics.gauge(*words, of_shard(shard), read(&stats) as f64);
            }
            let words = ("fanfare_slow_consumers", "Clients closed for being slow.");
            for (reason, read) in SLOW {
                let mut labels = of_shard(shard);
                labels.push(("reason", (*reason).to_owned()));
                metrics.counter(words, labels, read(&stats));
            }
            let words = ("fanfare_tls_handshakes", "TLS handshakes that are through.");
            metrics.counter(words, of_shard(shard), self.exchange.handshakes(shard));
            let words = ("fanfare_lobby_left", "Connections that never became clients.");
            metrics.counter(words, of_shard(shard), self.exchange.turned_away(shard));
            self.measure_queues(metrics, shard);
            let words = ("fanfare_turn_seconds", "Time of a shard's turns, without waiting.");
            metrics.histogram(words, of_shard(shard), self.exchange.turns(shard));
            self.measure_longest(metrics, shard);
            let words = (
                "fanfare_delivery_latency_seconds",
                "Time of a message from the read of its publisher's socket to the write to its \
                 subscriber's.",
            );
            metrics.histogram(words, of_shard(shard), self.exchange.deliveries(shard));
        }
    }

    fn measure_longest(&self, metrics: &mut Metrics, shard: ShardId) {
        let (longest, now) = (self.exchange.longest(shard), self.calendar.now());
        let words = ("fanfare_turn_longest_seconds", "The longest turn since the start.");
        metrics.gauge(words, of_shard(shard), longest.ever_ns() as f64 / 1e9);
        let words = ("fanfare_turn_longest_lately_seconds", "The longest turn of the last minute.");
        metrics.gauge(words, of_shard(shard), longest.lately_ns(now) as f64 / 1e9);
    }

    fn measure_queues(&self, metrics: &mut Metrics, to: ShardId) {
        let words = ("fanfare_mail_waiting", "Connections and news that wait for a shard.");
        metrics.gauge(words, of_shard(to), self.exchange.mail_waiting(to) as f64);
        let words = ("fanfare_mesh_waiting", "Batches on their way from shard to shard.");
        for from in self.exchange.shards().filter(|from| *from != to) {
            let labels = vec![("from", from.index().to_string()), ("to", to.index().to_string())];
            metrics.gauge(words, labels, self.exchange.waiting(from, to) as f64);
        }
    }

    pub(super) fn measure_others(&mut self, metrics: &mut Metrics) {
        let labels = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
        metrics.gauge(("fanfare_build_info", "The broker's version."), labels, 1.0);
        for (n, listener) in self.news.config.listeners.iter().enumerate() {
            let Some(id) = ListenerId::new(n) else { continue };
            let labels = || vec![("listener", listener.name.to_string())];
            let words = ("fanfare_listener_connections", "Connections through a listener.");
            metrics.gauge(words, labels(), self.exchange.inside(id) as f64);
            let words = ("fanfare_listener_accepted", "Connections that ever came through it.");
            metrics.counter(words, labels(), self.exchange.entered(id));
        }
        let workers = self.workers.stats();
        let words = ("fanfare_login_jobs", "Decisions about logins, by what became of them.");
        for (outcome, count) in [
            ("taken", workers.taken),
            ("handed_back", workers.handed_back),
            ("decided", workers.decided),
            ("panicked", workers.panics),
        ] {
            metrics.counter(words, vec![("outcome", outcome.to_owned())], count);
        }
        let words = ("fanfare_login_bcrypt_rounds", "Rounds of bcrypt in them.");
        metrics.counter(words, Vec::new(), workers.rounds);
        let words = ("fanfare_login_signatures", "Signatures verified in them.");
        metrics.counter(words, Vec::new(), workers.signatures);
        self.measure_process(metrics);
    }

    fn measure_process(&mut self, metrics: &mut Metrics) {
        let words = ("process_resident_memory_bytes", "Resident memory.");
        metrics.gauge(words, Vec::new(), Process::memory() as f64);
        let words = ("process_cpu_percent", "Share of one processor, in percent.");
        metrics.gauge(words, Vec::new(), self.process.processor_percent());
        let words = ("fanfare_uptime_seconds", "Time since the start.");
        metrics.gauge(words, Vec::new(), (self.calendar.now().as_ns() / 1_000_000) as f64 / 1e3);
        let words = ("fanfare_monitor_dropped", "Pages and errands that found no room.");
        metrics.counter(words, Vec::new(), self.exchange.desk.dropped());
        let words = ("fanfare_log_lines_dropped", "Lines that found the log's queue full.");
        metrics.counter(words, Vec::new(), self.log.dropped());
        let words = ("fanfare_http_requests", "Requests of the monitoring port, by path.");
        for (path, count) in &self.requests {
            metrics.counter(words, vec![("path", (*path).to_owned())], *count);
        }
        let counts = self.http.as_ref().map(HttpServer::counts).unwrap_or_default();
        let words = ("fanfare_http_connections", "Connections of the monitoring port.");
        for (outcome, count) in [
            ("accepted", counts.accepted),
            ("refused", counts.refused),
            ("displaced", counts.displaced),
        ] {
            metrics.counter(words, vec![("outcome", outcome.to_owned())], count);
        }
        let words = ("fanfare_http_malformed", "Requests that were not understood.");
        metrics.counter(words, Vec::new(), counts.malformed);
    }

    /// Accounts with rows of their own, and all others together.
    pub(super) fn measure_accounts(&mut self, metrics: &mut Metrics) {
        let accounts = self.usage().accounts.clone();
        for (id, used) in self.account_rows.look(&accounts) {
            let labels = || match id {
                Some(id) => vec![("account", self.account_name(id))],
                // A label of its own, for an account may have any name.
                None => vec![("others", "all other accounts".to_owned())],
            };
            for (words, read) in ACCOUNT_COUNTERS {
                metrics.counter(*words, labels(), read(&used));
            }
            for (words, read) in ACCOUNT_GAUGES {
                metrics.gauge(*words, labels(), read(&used) as f64);
            }
        }
    }
}
