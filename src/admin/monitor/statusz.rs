//! `/statusz`, ours: what a page or a terminal shows that looks every second.
//!
//! Absent: names of clients; `/connz` has them. Rates are the reader's to make, from counters that
//! only grow. Percentiles are of the last seconds, as far as somebody has looked, so that they show
//! what is, and not what was all the time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::Monitor;
use super::process::Process;
use super::varz::{Number, is_false};
use crate::core::ids::{AccountId, ListenerId, ShardId};
use crate::core::stats::Stats;
use crate::io::meter::Reading;

/// The schema is described in `docs/monitoring.md`.
#[derive(Debug, Serialize)]
pub(super) struct Statusz {
    server_id: String,
    server_name: String,
    version: &'static str,
    now: String,
    uptime_seconds: Number,
    lame_duck: bool,
    memory_bytes: u64,
    processor_percent: Number,
    total: Counters,
    slow_consumers: SlowConsumers,
    latency: Times,
    shards: Vec<ShardStatus>,
    listeners: Vec<ListenerStatus>,
    accounts: Vec<AccountStatus>,
    #[serde(skip_serializing_if = "is_false")]
    partial: bool,
}

/// Counters of one shard or of all.
#[derive(Debug, Serialize)]
struct Counters {
    connections: u64,
    connections_total: u64,
    subscriptions: u64,
    filters: u64,
    in_msgs: u64,
    out_msgs: u64,
    in_bytes: u64,
    out_bytes: u64,
    pending_bytes: u64,
    parked: u64,
    parked_total: u64,
    paused_total: u64,
    no_responders: u64,
}

impl Counters {
    fn new(stats: &Stats) -> Self {
        Self {
            connections: stats.clients,
            connections_total: stats.clients_total,
            subscriptions: stats.subscriptions,
            filters: stats.filters,
            in_msgs: stats.messages_in,
            out_msgs: stats.messages_out,
            in_bytes: stats.bytes_in,
            out_bytes: stats.bytes_out,
            pending_bytes: stats.spool_bytes,
            parked: stats.clients_parked,
            parked_total: stats.parked,
            paused_total: stats.paused,
            no_responders: stats.no_responders,
        }
    }
}

#[derive(Debug, Serialize)]
struct SlowConsumers {
    pending_bytes: u64,
    write_deadline: u64,
    memory_budget: u64,
}

/// Times of the last seconds, in microseconds, and how many there were since the start.
#[derive(Debug, Serialize)]
struct Times {
    count: u64,
    window_seconds: Number,
    window_count: u64,
    p50_us: Number,
    p90_us: Number,
    p99_us: Number,
    p999_us: Number,
    max_us: Number,
}

#[derive(Debug, Serialize)]
struct ShardStatus {
    shard: usize,
    #[serde(flatten)]
    counters: Counters,
    turns: Times,
    /// The longest turn since the start, and of the last minute.
    longest_turn_us: Number,
    longest_turn_lately_us: Number,
    /// Part of the window that turns took.
    busy_percent: Number,
    mail_waiting: usize,
    mesh_waiting: usize,
}

#[derive(Debug, Serialize)]
struct ListenerStatus {
    name: String,
    connections: u64,
    connections_total: u64,
}

#[derive(Debug, Serialize)]
struct AccountStatus {
    name: String,
    connections: u64,
    subscriptions: u64,
    in_msgs: u64,
    out_msgs: u64,
    in_bytes: u64,
    out_bytes: u64,
    slow_consumers: u64,
}

/// What meters showed at some moments of the last seconds.
#[derive(Debug, Default)]
pub(super) struct History {
    looks: VecDeque<Look>,
}

#[derive(Debug, Clone)]
struct Look {
    at: Instant,
    deliveries: Reading,
    turns: Vec<Reading>,
}

impl History {
    /// Notes a look; gives the oldest one that is not too old.
    fn note(&mut self, look: Look) -> Look {
        while self.looks.len() > 1
            && self.looks.get(1).is_some_and(|next| look.at - next.at >= WINDOW)
        {
            self.looks.pop_front();
        }
        let first = self.looks.front().filter(|first| look.at - first.at < WINDOW * 3);
        let first = first.cloned();
        if first.is_none() {
            self.looks.clear();
        }
        if self.looks.back().is_none_or(|last| look.at - last.at >= STEP) {
            self.looks.push_back(look.clone());
        }
        first.unwrap_or(look)
    }
}

impl Monitor {
    pub(super) fn statusz(&mut self) -> Statusz {
        let look = self.look();
        let before = self.history.note(look.clone());
        let window = look.at - before.at;
        let accounts = self.account_statuses();
        let processor_percent = Number(self.process.processor_percent());
        let totals = self.totals();
        Statusz {
            server_id: self.server_id(),
            server_name: self.server_name(),
            version: env!("CARGO_PKG_VERSION"),
            now: self.now_text(),
            uptime_seconds: Number((self.calendar.now().as_ns() / 1_000_000) as f64 / 1e3),
            lame_duck: self.news.leaves,
            memory_bytes: Process::memory(),
            processor_percent,
            slow_consumers: SlowConsumers {
                pending_bytes: totals.slow_pending_bytes,
                write_deadline: totals.slow_write_deadline,
                memory_budget: totals.slow_shed,
            },
            total: Counters::new(&totals),
            latency: times(&look.deliveries, &before.deliveries, window),
            shards: self.shard_statuses(&look, &before),
            listeners: self.listener_statuses(),
            partial: self.usage.as_ref().is_some_and(|usage| usage.extent.is_partial()),
            accounts,
        }
    }

    fn look(&self) -> Look {
        let mut deliveries = Reading::none();
        let turns = self.exchange.shards().map(|shard| {
            deliveries.add(&self.exchange.deliveries(shard));
            self.exchange.turns(shard)
        });
        let turns = turns.collect();
        Look { at: Instant::now(), deliveries, turns }
    }

    fn shard_statuses(&self, look: &Look, before: &Look) -> Vec<ShardStatus> {
        let window = look.at - before.at;
        let pairs = look.turns.iter().zip(&before.turns);
        let (us, clock_now) = (|ns: u64| rounded(ns as f64 / 1e3), self.calendar.now());
        let status = |(shard, (now, before)): (ShardId, (&Reading, &Reading))| {
            let busy = now.since(before).sum_ns as f64 / window.as_nanos().max(1) as f64;
            ShardStatus {
                shard: shard.index(),
                counters: Counters::new(&self.exchange.stats(shard)),
                turns: times(now, before, window),
                longest_turn_us: us(self.exchange.longest(shard).ever_ns()),
                longest_turn_lately_us: us(self.exchange.longest(shard).lately_ns(clock_now)),
                busy_percent: rounded(busy * 100.0),
                mail_waiting: self.exchange.mail_waiting(shard),
                mesh_waiting: self.mesh_waiting(shard),
            }
        };
        self.exchange.shards().zip(pairs).map(status).collect()
    }

    /// Batches on their way to a shard.
    pub(super) fn mesh_waiting(&self, shard: ShardId) -> usize {
        let peers = self.exchange.shards().filter(|peer| *peer != shard);
        peers.map(|peer| self.exchange.waiting(peer, shard)).sum()
    }

    fn listener_statuses(&self) -> Vec<ListenerStatus> {
        let listeners = self.news.config.listeners.iter().enumerate();
        let status = |(n, listener): (usize, &crate::config::Listener)| {
            let id = ListenerId::new(n)?;
            Some(ListenerStatus {
                name: listener.name.to_string(),
                connections: self.exchange.inside(id),
                connections_total: self.exchange.entered(id),
            })
        };
        listeners.filter_map(status).collect()
    }

    /// The accounts with the most traffic.
    fn account_statuses(&mut self) -> Vec<AccountStatus> {
        let usage = self.usage();
        let mut used: Vec<(AccountId, _)> =
            usage.accounts.iter().map(|(account, used)| (*account, *used)).collect();
        used.sort_by_key(|(account, used)| {
            (std::cmp::Reverse(used.messages_in.saturating_add(used.messages_out)), *account)
        });
        let status = |(account, used): (AccountId, crate::core::report::account::AccountUse)| {
            AccountStatus {
                name: self.account_name(account),
                connections: used.clients,
                subscriptions: used.subscriptions,
                in_msgs: used.messages_in,
                out_msgs: used.messages_out,
                in_bytes: used.bytes_in,
                out_bytes: used.bytes_out,
                slow_consumers: used.slow_consumers,
            }
        };
        used.into_iter().take(ACCOUNTS_SHOWN).map(status).collect()
    }
}

fn times(now: &Reading, before: &Reading, window: Duration) -> Times {
    let since = now.since(before);
    let us = |ns: u64| rounded(ns as f64 / 1e3);
    Times {
        count: now.total(),
        window_seconds: rounded(window.as_secs_f64()),
        window_count: since.total(),
        p50_us: us(since.quantile_ns(500)),
        p90_us: us(since.quantile_ns(900)),
        p99_us: us(since.quantile_ns(990)),
        p999_us: us(since.quantile_ns(999)),
        max_us: us(since.largest_ns()),
    }
}

/// With three digits.
fn rounded(number: f64) -> Number {
    Number((number * 1e3).round() / 1e3)
}

/// How far back percentiles reach.
const WINDOW: Duration = Duration::from_secs(10);
/// Time between two looks that are kept.
const STEP: Duration = Duration::from_millis(500);
/// Accounts that are shown.
const ACCOUNTS_SHOWN: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_reaches_back_some_seconds_and_not_into_silence() {
        let start = Instant::now();
        let look = |seconds: u64| Look {
            at: start + Duration::from_secs(seconds),
            deliveries: Reading::none(),
            turns: Vec::new(),
        };
        let mut history = History::default();
        let mut reaches = |seconds| {
            let look = look(seconds);
            (look.at - history.note(look).at).as_secs()
        };
        assert_eq!(reaches(0), 0);
        for second in 1..=10 {
            assert_eq!(reaches(second), second);
        }
        assert_eq!((11..=40).map(&mut reaches).collect::<Vec<_>>(), vec![10; 30]);
        assert_eq!(reaches(100), 0);
        assert_eq!(reaches(101), 1);
        assert!(history.looks.len() < 30);
    }
}
