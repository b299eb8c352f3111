//! One connection as `/connz` shows it.
//!
//! Absent: which ones are shown (`connz`).

use serde::Serialize;

use super::Monitor;
use super::certificates::PeerCertificate;
use super::moments::duration;
use super::options::Options;
use crate::config::access::ConnectionType;
use crate::core::accounts::GLOBAL;
use crate::core::report::ClosedClient;
use crate::core::report::client::ClientFacts;
use crate::core::report::subscription::SubscriptionFacts;
use crate::core::shard::ip_of;
use crate::core::time::Instant;

/// The fields of nats-server, in its order. Texts that are empty are left out.
#[derive(Debug, Default, Serialize)]
pub(super) struct Connection {
    cid: u64,
    kind: &'static str,
    #[serde(rename = "type")]
    kind_of_client: &'static str,
    ip: String,
    port: u16,
    start: String,
    last_activity: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    rtt: String,
    uptime: String,
    idle: String,
    pending_bytes: u64,
    in_msgs: u64,
    out_msgs: u64,
    in_bytes: u64,
    out_bytes: u64,
    subscriptions: usize,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    lang: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    tls_version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    tls_cipher_suite: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tls_peer_certs: Vec<PeerCertificate>,
    #[serde(skip_serializing_if = "String::is_empty")]
    authorized_user: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    account: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subscriptions_list: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subscriptions_list_detail: Vec<Subscription>,
    #[serde(skip_serializing_if = "String::is_empty")]
    issuer_key: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    name_tag: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
}

/// One subscription.
#[derive(Debug, Serialize)]
pub(super) struct Subscription {
    #[serde(skip_serializing_if = "String::is_empty")]
    account: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    account_tag: String,
    subject: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    qgroup: Option<String>,
    sid: String,
    msgs: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<u64>,
    cid: u64,
}

impl Subscription {
    pub(super) fn new(facts: &SubscriptionFacts) -> Self {
        Self {
            account: String::new(),
            account_tag: String::new(),
            subject: facts.filter.to_string(),
            qgroup: facts.queue.as_deref().map(str::to_owned),
            sid: facts.sid.to_string(),
            msgs: facts.delivered,
            max: (facts.max > 0).then_some(facts.max),
            cid: facts.number,
        }
    }
}

impl Monitor {
    /// A connection, as it was at a moment.
    pub(super) fn connection(
        &self,
        client: &ClientFacts,
        closed: Option<&ClosedClient>,
        until: Instant,
        options: &Options,
    ) -> Connection {
        let text = |text: &Option<Box<str>>| text.as_deref().unwrap_or_default().to_owned();
        let port = client.peer.rsplit_once(':').map_or("0", |(_, port)| port);
        let ip = match ip_of(&client.peer) {
            "" => &client.peer,
            ip => ip,
        };
        let tls = client.tls.as_deref();
        let mut shown = Connection {
            cid: client.number,
            kind: "Client",
            kind_of_client: self.kind_of(client),
            ip: ip.to_owned(),
            port: port.parse().unwrap_or(0),
            start: self.calendar.date(client.started),
            last_activity: self.calendar.date(client.last_active),
            stop: closed.map(|closed| self.calendar.date(closed.stopped)),
            reason: closed.map(|closed| closed.reason.to_string()).unwrap_or_default(),
            rtt: duration(client.rtt_ns),
            uptime: Self::since(client.started, until),
            idle: Self::since(client.last_active, until),
            pending_bytes: client.pending_bytes,
            in_msgs: client.messages_in,
            out_msgs: client.messages_out,
            in_bytes: client.bytes_in,
            out_bytes: client.bytes_out,
            subscriptions: client.subscriptions,
            name: text(&client.name),
            lang: text(&client.lang),
            version: text(&client.version),
            tls_version: tls.map(|tls| tls.version.to_string()).unwrap_or_default(),
            tls_cipher_suite: tls.map(|tls| tls.cipher.to_string()).unwrap_or_default(),
            ..Connection::default()
        };
        if options.subscriptions_detail {
            // With those who have left nats-server names the account, too.
            let shown_one = |facts| match closed {
                Some(_) => self.subscription(facts),
                None => Subscription::new(facts),
            };
            shown.subscriptions_list_detail = client.listed.iter().map(shown_one).collect();
        } else if options.subscriptions {
            let filters = client.listed.iter().map(|facts| facts.filter.to_string());
            shown.subscriptions_list = filters.collect();
        }
        if options.auth {
            self.show_user(&mut shown, client);
        }
        shown
    }

    /// What a client speaks.
    fn kind_of(&self, client: &ClientFacts) -> &'static str {
        let listener = self.news.config.listeners.get(client.listener.index());
        match listener.map(|listener| listener.connection_type) {
            Some(ConnectionType::WebSocket) => "websocket",
            Some(ConnectionType::Mqtt | ConnectionType::MqttWs) => "mqtt",
            _ => "nats",
        }
    }

    /// A subscription with its account.
    pub(super) fn subscription(&self, facts: &SubscriptionFacts) -> Subscription {
        let mut row = Subscription::new(facts);
        row.account = self.account_name(facts.account);
        row.account_tag = self.name_tag(facts.account);
        row
    }

    fn show_user(&self, shown: &mut Connection, client: &ClientFacts) {
        let account = self.account_name(client.account);
        client.user.as_deref().unwrap_or_default().clone_into(&mut shown.authorized_user);
        if let Some(tls) = &client.tls {
            let chain = tls.chain.iter();
            shown.tls_peer_certs = chain.map(|der| PeerCertificate::new(der)).collect();
        }
        if let Some(grant) = &client.grant {
            shown.issuer_key = grant.issuer.to_string();
            shown.tags.clone_from(&grant.tags);
        }
        shown.name_tag = self.name_tag(client.account);
        if account != GLOBAL {
            shown.account = account;
        }
    }
}
