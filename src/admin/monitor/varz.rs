//! `/varz`: what the broker is, and its numbers in all.
//!
//! Absent: anything that only a shard knows; this is never incomplete. Secrets, file names and the
//! command line are not shown.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Monitor;
use super::moments::{date_of_ms, uptime};
use super::process::Process;
use super::websocket::WebSocketVarz;
use crate::config::Limits;
use crate::config::listen::Address;
use crate::core::ids::AccountId;
use crate::core::stats::Stats;

/// The fields of nats-server, in its order.
#[derive(Debug, Serialize)]
pub(crate) struct Varz {
    server_id: String,
    server_name: String,
    version: String,
    proto: u32,
    go: String,
    host: String,
    port: u16,
    #[serde(skip_serializing_if = "is_false")]
    auth_required: bool,
    #[serde(skip_serializing_if = "is_false")]
    tls_required: bool,
    #[serde(skip_serializing_if = "is_false")]
    tls_verify: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    connect_urls: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ws_connect_urls: Vec<String>,
    max_connections: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_subscriptions: Option<usize>,
    ping_interval: u64,
    ping_max: u32,
    http_host: String,
    http_port: i32,
    http_base_path: String,
    https_port: i32,
    auth_timeout: Number,
    max_control_line: usize,
    max_payload: usize,
    max_pending: u64,
    #[serde(flatten)]
    absent: Absent,
    websocket: WebSocketVarz,
    tls_timeout: Number,
    write_deadline: u64,
    start: String,
    now: String,
    uptime: String,
    mem: u64,
    cores: usize,
    gomaxprocs: usize,
    cpu: Number,
    connections: u64,
    total_connections: u64,
    #[serde(flatten)]
    absent_connections: AbsentConnections,
    in_msgs: u64,
    out_msgs: u64,
    in_bytes: u64,
    out_bytes: u64,
    slow_consumers: u64,
    stale_connections: u64,
    stalled_clients: u64,
    subscriptions: u64,
    http_req_stats: BTreeMap<&'static str, u64>,
    config_load_time: String,
    config_digest: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
    system_account: String,
    slow_consumer_stats: ByKind,
    stale_connection_stats: ByKind,
    #[serde(skip_serializing_if = "String::is_empty")]
    tls_cert_not_after: String,
}

/// An object of a feature that is not there.
#[derive(Debug, Default, Serialize)]
pub(super) struct Nothing {}

/// Features that this broker does not have, as a nats-server without them shows them.
#[derive(Debug, Default, Serialize)]
struct Absent {
    cluster: Nothing,
    gateway: Nothing,
    leaf: Nothing,
    mqtt: Nothing,
    jetstream: Nothing,
}

#[derive(Debug, Default, Serialize)]
struct AbsentConnections {
    routes: u64,
    remotes: u64,
    leafnodes: u64,
}

/// A number with a fraction, written as Go does: without one where it is whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number(pub(super) f64);

impl Serialize for Number {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.fract() == 0.0 && self.0.abs() < 1e15 {
            // INVARIANT: whole and far below 2^63.
            #[expect(clippy::cast_possible_truncation)]
            let whole = self.0 as i64;
            serializer.serialize_i64(whole)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

/// A count by the kind of connection.
#[derive(Debug, Serialize)]
struct ByKind {
    clients: u64,
    routes: u64,
    gateways: u64,
    leafs: u64,
}

impl ByKind {
    fn clients(clients: u64) -> Self {
        Self { clients, routes: 0, gateways: 0, leafs: 0 }
    }
}

/// For fields that are left out when they say no.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
pub(super) fn is_false(value: &bool) -> bool {
    !value
}

impl Monitor {
    /// The counters of all shards together.
    pub(super) fn totals(&self) -> Stats {
        let mut sums = [0u64; Stats::COUNTERS];
        for shard in self.exchange.shards() {
            for (sum, value) in sums.iter_mut().zip(self.exchange.stats(shard).to_array()) {
                *sum = sum.saturating_add(value);
            }
        }
        Stats::from_array(sums)
    }

    pub(super) fn varz(&mut self) -> Varz {
        let stats = self.totals();
        let cpu = Number(self.process.processor_percent());
        let config = &self.news.config;
        let (limits, access) = (&config.limits, &config.access);
        let info = self.news.entrances.first().map(|entrance| entrance.info.clone());
        let info = info.unwrap_or_default();
        let classic = config.listeners.first();
        let tls_ns = classic.and_then(|l| l.tls.as_ref()).map(|tls| tls.timeout_ns);
        let now = self.calendar.now();
        let slow = stats.slow_pending_bytes + stats.slow_write_deadline + stats.slow_shed;
        Varz {
            auth_required: !self.news.policy.authority.is_open(),
            tls_required: info.tls_required,
            tls_verify: info.tls_verify,
            server_id: info.server_id,
            server_name: info.server_name,
            version: info.version,
            proto: info.proto,
            go: info.go,
            host: info.host,
            port: info.port,
            connect_urls: info.connect_urls,
            ws_connect_urls: info.ws_connect_urls,
            max_connections: limits.connections_max,
            max_subscriptions: configured_subscriptions_max(limits),
            ping_interval: limits.ping_interval_ns,
            ping_max: limits.pings_out_max,
            http_host: self.http_host(),
            http_port: shown_port(config.monitoring.http),
            http_base_path: config.monitoring.base_path.clone(),
            https_port: shown_port(config.monitoring.https),
            auth_timeout: seconds(access.timeout_ns.unwrap_or(2_000_000_000)),
            max_control_line: limits.control_line_max,
            max_payload: limits.payload_max,
            max_pending: limits.pending_bytes_max,
            absent: Absent::default(),
            websocket: WebSocketVarz::of(config),
            tls_timeout: seconds(tls_ns.unwrap_or(2_000_000_000)),
            write_deadline: limits.write_deadline_ns,
            start: self.calendar.date(crate::core::time::Instant::default()),
            now: self.calendar.date(now),
            uptime: uptime(now.as_ns()),
            mem: Process::memory(),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            gomaxprocs: config.shards,
            cpu,
            connections: stats.clients,
            total_connections: stats.clients_total,
            absent_connections: AbsentConnections::default(),
            in_msgs: stats.messages_in,
            out_msgs: stats.messages_out,
            in_bytes: stats.bytes_in,
            out_bytes: stats.bytes_out,
            slow_consumers: slow,
            stale_connections: stats.stale_connections,
            stalled_clients: 0,
            subscriptions: stats.subscriptions,
            http_req_stats: self.requests.clone(),
            config_load_time: date_of_ms(self.news.loaded_ms),
            config_digest: config.digest.clone().unwrap_or_default(),
            tags: config.server_tags.clone(),
            metadata: config.server_metadata.iter().cloned().collect(),
            system_account: self.account_name(AccountId::SYSTEM),
            slow_consumer_stats: ByKind::clients(slow),
            stale_connection_stats: ByKind::clients(stats.stale_connections),
            tls_cert_not_after: self.certificate_end.clone(),
        }
    }

    /// The name of an account.
    pub(super) fn account_name(&self, account: AccountId) -> String {
        self.news.policy.accounts.get(account).name().to_owned()
    }

    fn http_host(&self) -> String {
        let config = &self.news.config;
        match (&*config.monitoring.host, config.listeners.first().map(|l| &l.address)) {
            ("", Some(Address::Tcp { host, .. })) => host.to_string(),
            (host, _) => host.to_owned(),
        }
    }
}

/// Subscriptions that a connection may have, where that is not the default.
fn configured_subscriptions_max(limits: &Limits) -> Option<usize> {
    let most = limits.subscriptions_max;
    (most != Limits::default().subscriptions_max).then_some(most)
}

/// A port as it is configured: -1 for any.
fn shown_port(port: Option<u16>) -> i32 {
    port.map_or(0, |port| if port == 0 { -1 } else { i32::from(port) })
}

fn seconds(ns: u64) -> Number {
    Number(ns as f64 / 1e9)
}
