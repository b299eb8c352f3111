//! Who this broker says it is: its keys, and the parts of INFO that are the same for every client.
//!
//! Absent: what depends on the listener (`listeners`) and on the client (`core::shard`). Keys are
//! drawn at the start and live as long as the process; nobody else ever sees their seeds.

use std::fmt;
use std::io;
use std::sync::Arc;

use fanfare_protocol::info::ServerInfo;
use nkeys::{KeyPair, KeyPairType, XKey};

use crate::config::listen::Address;
use crate::config::{Config, Listener};
use crate::core::auth::callout::Caller;
use crate::core::policy::Policy;

/// The protocol level that clients gate features on: that of the nats-server whose behaviour this
/// broker has.
pub const PROTOCOL_VERSION: &str = "2.14.0";

/// A broker's keys.
pub(super) struct Identity {
    key: KeyPair,
    curve: XKey,
    secret: [u8; 32],
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("id", &self.key.public_key()).finish_non_exhaustive()
    }
}

impl Identity {
    /// A fresh one.
    pub(super) fn draw() -> io::Result<Self> {
        let (mut seed, mut curve, mut secret) = ([0; 32], [0; 32], [0; 32]);
        for bytes in [&mut seed, &mut curve, &mut secret] {
            getrandom::fill(bytes).map_err(io::Error::other)?;
        }
        let key = KeyPair::new_from_raw(KeyPairType::Server, seed).map_err(io::Error::other)?;
        Ok(Self { key, curve: XKey::new_from_raw(curve), secret })
    }

    /// INFO for one start of the broker.
    pub(super) fn server_info(&self, config: &Config) -> ServerInfo {
        ServerInfo {
            server_name: self.name(config),
            server_id: self.key.public_key(),
            version: PROTOCOL_VERSION.to_owned(),
            proto: 1,
            go: format!("rust (fanfare {})", env!("CARGO_PKG_VERSION")),
            headers: true,
            max_payload: config.limits.payload_max as u64,
            xkey: self.curve.public_key(),
            ..ServerInfo::default()
        }
    }

    /// What an auth callout is asked with.
    pub(super) fn caller(&self, config: &Config) -> Arc<Caller> {
        let mut caller = Caller::new(self.key.clone(), self.curve.clone(), self.secret);
        caller.name = self.name(config);
        let host = |listener: &Listener| match &listener.address {
            Address::Tcp { host, .. } => Some(host.to_string()),
            Address::Unix { .. } => None,
        };
        caller.host = config.listeners.iter().find_map(host).unwrap_or_default();
        PROTOCOL_VERSION.clone_into(&mut caller.version);
        caller.tags.clone_from(&config.server_tags);
        let timeout_ns = config.access.timeout_ns.unwrap_or(Policy::ENTRY_TIMEOUT_NS);
        caller.timeout_s = u32::try_from(timeout_ns / 1_000_000_000).unwrap_or(u32::MAX);
        Arc::new(caller)
    }

    fn name(&self, config: &Config) -> String {
        match config.server_name.as_str() {
            "" => self.key.public_key(),
            name => name.to_owned(),
        }
    }
}
