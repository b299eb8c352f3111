//! The endpoints of features that this broker does not have, answered as a nats-server without them
//! answers.
//!
//! Absent: anything that varies but the name of the broker and the time.

use serde::Serialize;
use serde_json::{Value, json};

use super::Monitor;
use super::varz::Nothing;

/// `/routez`.
#[derive(Debug, Serialize)]
pub(super) struct Routez {
    server_id: String,
    server_name: String,
    now: String,
    num_routes: usize,
    routes: [Nothing; 0],
}

/// `/gatewayz`.
#[derive(Debug, Serialize)]
pub(super) struct Gatewayz {
    server_id: String,
    now: String,
    outbound_gateways: Nothing,
    inbound_gateways: Nothing,
}

/// `/leafz`.
#[derive(Debug, Serialize)]
pub(super) struct Leafz {
    server_id: String,
    now: String,
    leafnodes: usize,
    leafs: [Nothing; 0],
}

/// `/jsz`.
#[derive(Debug, Serialize)]
pub(super) struct Jsz {
    memory: u64,
    storage: u64,
    reserved_memory: u64,
    reserved_storage: u64,
    accounts: u64,
    ha_assets: u64,
    api: Value,
    server_id: String,
    now: String,
    disabled: bool,
    config: Value,
    streams: u64,
    consumers: u64,
    messages: u64,
    bytes: u64,
    total: u64,
}

impl Monitor {
    pub(super) fn routez(&self) -> Routez {
        Routez {
            server_id: self.server_id(),
            server_name: self.server_name(),
            now: self.now_text(),
            num_routes: 0,
            routes: [],
        }
    }

    pub(super) fn gatewayz(&self) -> Gatewayz {
        let (outbound_gateways, inbound_gateways) = (Nothing {}, Nothing {});
        let (server_id, now) = (self.server_id(), self.now_text());
        Gatewayz { server_id, now, outbound_gateways, inbound_gateways }
    }

    pub(super) fn leafz(&self) -> Leafz {
        Leafz { server_id: self.server_id(), now: self.now_text(), leafnodes: 0, leafs: [] }
    }

    pub(super) fn jsz(&self) -> Jsz {
        Jsz {
            memory: 0,
            storage: 0,
            reserved_memory: 0,
            reserved_storage: 0,
            accounts: 0,
            ha_assets: 0,
            api: json!({ "errors": 0, "level": 0, "total": 0 }),
            server_id: self.server_id(),
            now: self.now_text(),
            disabled: true,
            config: json!({ "max_memory": 0, "max_storage": 0 }),
            streams: 0,
            consumers: 0,
            messages: 0,
            bytes: 0,
            total: 0,
        }
    }

    pub(super) fn server_id(&self) -> String {
        let entrance = self.news.entrances.first();
        entrance.map(|entrance| entrance.info.server_id.clone()).unwrap_or_default()
    }

    pub(super) fn server_name(&self) -> String {
        let entrance = self.news.entrances.first();
        entrance.map(|entrance| entrance.info.server_name.clone()).unwrap_or_default()
    }

    pub(super) fn now_text(&self) -> String {
        self.calendar.date(self.calendar.now())
    }
}
