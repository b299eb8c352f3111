//! The `websocket` member of `/varz`: what is configured for clients in browsers.
//!
//! Absent: names of cookies but the one that nats-server tells, and headers.

use serde::Serialize;

use super::varz::{Number, is_false};
use crate::config::Config;
use crate::config::listen::Address;
use crate::config::websocket::Origin;

/// The fields of nats-server, in its order; what is not configured is left out.
#[derive(Debug, Default, Serialize)]
pub(super) struct WebSocketVarz {
    #[serde(skip_serializing_if = "String::is_empty")]
    host: String,
    #[serde(skip_serializing_if = "is_zero")]
    port: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    advertise: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    no_auth_user: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    jwt_cookie: String,
    #[serde(skip_serializing_if = "is_zero")]
    handshake_timeout: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_timeout: Option<Number>,
    #[serde(skip_serializing_if = "is_false")]
    no_tls: bool,
    #[serde(skip_serializing_if = "is_false")]
    tls_map: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tls_pinned_certs: Vec<String>,
    #[serde(skip_serializing_if = "is_false")]
    same_origin: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed_origins: Vec<String>,
    #[serde(skip_serializing_if = "is_false")]
    compression: bool,
}

impl WebSocketVarz {
    /// What the first listener for WebSocket clients has; nothing without one.
    pub(super) fn of(config: &Config) -> Self {
        let found = config
            .listeners
            .iter()
            .find_map(|listener| Some((listener, listener.websocket.as_deref()?)));
        let Some((listener, websocket)) = found else { return Self::default() };
        let (host, port) = match &listener.address {
            Address::Tcp { host, port } => (host.to_string(), u64::from(*port)),
            Address::Unix { path, .. } => (path.to_string(), 0),
        };
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let access = config.access.websocket.as_ref();
        let tls = listener.tls.as_ref();
        Self {
            host,
            port,
            advertise: text(listener.advertise.as_deref()),
            no_auth_user: text(access.and_then(|access| access.no_auth_user.as_deref())),
            jwt_cookie: text(websocket.cookies.jwt.as_deref()),
            handshake_timeout: websocket.handshake_timeout_ns,
            auth_timeout: websocket.entry_timeout_ns.map(|ns| Number(ns as f64 / 1e9)),
            no_tls: tls.is_none(),
            tls_map: tls.is_some_and(|tls| tls.verify_and_map),
            tls_pinned_certs: tls.map_or_else(Vec::new, |tls| {
                tls.pinned_certs.iter().map(ToString::to_string).collect()
            }),
            same_origin: websocket.same_origin,
            allowed_origins: websocket.allowed_origins.iter().map(origin).collect(),
            compression: websocket.compression,
        }
    }
}

fn origin(origin: &Origin) -> String {
    let Origin { scheme, place } = origin;
    let host =
        if place.host.contains(':') { format!("[{}]", place.host) } else { place.host.to_string() };
    match (&**scheme, &*place.port) {
        ("http", "80") | ("https", "443") => format!("{scheme}://{host}"),
        (_, port) => format!("{scheme}://{host}:{port}"),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}
