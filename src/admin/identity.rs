//! Who this broker says it is: the parts of INFO that are the same for every client.
//!
//! Absent: what depends on the listener (`listeners`) and on the client (`core::shard`).

use fanfare_protocol::info::ServerInfo;
use nkeys::{KeyPair, XKey};

use crate::config::Config;

/// The protocol level that clients gate features on: that of the nats-server whose behaviour this
/// broker has.
pub const PROTOCOL_VERSION: &str = "2.14.0";

/// INFO for one start of the broker, with a fresh identity.
pub(super) fn server_info(config: &Config) -> ServerInfo {
    let server_id = KeyPair::new_server().public_key();
    let server_name = match config.server_name.as_str() {
        "" => server_id.clone(),
        name => name.to_owned(),
    };
    ServerInfo {
        server_name,
        server_id,
        version: PROTOCOL_VERSION.to_owned(),
        proto: 1,
        go: format!("rust (fanfare {})", env!("CARGO_PKG_VERSION")),
        headers: true,
        max_payload: config.limits.payload_max as u64,
        xkey: XKey::new().public_key(),
        ..ServerInfo::default()
    }
}
