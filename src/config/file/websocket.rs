//! `websocket { … }`: a listener for browsers, and who its clients are.
//!
//! Absent: opening it. Without a port there is none, whatever else the block says.

use super::super::access::{Access, WebSocketAccess};
use super::super::listen::{Address, HandshakeFirst, Listener, Tls};
use super::super::text::{Entry, Map, Position, Value};
use super::super::websocket::{Origin, OriginError, WebSocket};
use super::super::{Secret, access::ConnectionType};
use super::findings::{Findings, set};
use super::tls::{self, Purpose};
use super::{access, address, users};

/// The keys of the top level.
pub(super) const TOP: &[&str] = &["websocket", "ws"];

/// The keys of the block.
const KEYS: &[&str] = &[
    "listen",
    "port",
    "host",
    "net",
    "advertise",
    "no_tls",
    "tls",
    "same_origin",
    "allowed_origins",
    "allowed_origin",
    "allow_origins",
    "allow_origin",
    "origins",
    "origin",
    "handshake_timeout",
    "compress",
    "compression",
    "authorization",
    "authentication",
    "jwt_cookie",
    "user_cookie",
    "pass_cookie",
    "token_cookie",
    "no_auth_user",
    "headers",
    "ping_interval",
];

/// What the block says.
#[derive(Default)]
pub(super) struct Draft {
    at: Position,
    host: Option<Box<str>>,
    port: Option<u16>,
    advertise: Option<Box<str>>,
    no_tls: bool,
    tls: Option<Tls>,
    web: WebSocket,
    user: Option<Box<str>>,
    password: Option<Secret>,
    access: WebSocketAccess,
    no_auth_user_at: Option<Position>,
}

/// Reads the block.
pub(super) fn read(found: &mut Findings<'_>, entry: &Entry) -> Option<Draft> {
    let map = found.map(entry)?;
    let mut draft = Draft { at: entry.node.at, ..Draft::default() };
    for entry in map.entries() {
        let key = entry.key.to_ascii_lowercase();
        let known = draft.take_place(found, &key, entry)
            || draft.take_request(found, &key, entry)
            || draft.take_access(found, &key, entry);
        if !known {
            found.unknown(entry, &[KEYS]);
        }
    }
    Some(draft)
}

impl Draft {
    fn take_place(&mut self, found: &mut Findings<'_>, key: &str, entry: &Entry) -> bool {
        match key {
            "listen" => {
                if let Some(read) = address::listen(found, entry) {
                    self.host = Some(read.host);
                    self.port = port(found, entry, read.port);
                }
            }
            "port" => {
                if let Some(number) = found.integer(entry) {
                    self.port = port(found, entry, number);
                }
            }
            "host" | "net" => self.host = found.boxed(entry),
            "advertise" => self.advertise = found.boxed(entry).filter(|text| !text.is_empty()),
            "no_tls" => set(&mut self.no_tls, found.boolean(entry)),
            "tls" => self.tls = tls::read(found, entry, Purpose::Listener),
            _ => return false,
        }
        true
    }

    fn take_request(&mut self, found: &mut Findings<'_>, key: &str, entry: &Entry) -> bool {
        let web = &mut self.web;
        match key {
            "same_origin" => set(&mut web.same_origin, found.boolean(entry)),
            "allowed_origins" | "allowed_origin" | "allow_origins" | "allow_origin" | "origins"
            | "origin" => web.allowed_origins = origins(found, entry),
            "handshake_timeout" => {
                let time = found.seconds(entry).filter(|&time| time > 0);
                set(&mut web.handshake_timeout_ns, time);
            }
            "compress" | "compression" => set(&mut web.compression, found.boolean(entry)),
            "jwt_cookie" => web.cookies.jwt = name(found, entry),
            "user_cookie" => web.cookies.user = name(found, entry),
            "pass_cookie" => web.cookies.pass = name(found, entry),
            "token_cookie" => web.cookies.token = name(found, entry),
            "headers" => web.headers = headers(found, entry),
            "ping_interval" => {
                web.ping_interval_ns = found.duration_or_seconds(entry).filter(|&time| time > 0);
            }
            _ => return false,
        }
        true
    }

    fn take_access(&mut self, found: &mut Findings<'_>, key: &str, entry: &Entry) -> bool {
        match key {
            "authorization" | "authentication" => {
                if let Some(map) = found.map(entry) {
                    self.authorization(found, map);
                }
            }
            "no_auth_user" => {
                self.no_auth_user_at = Some(entry.node.at);
                self.access.no_auth_user = name(found, entry);
            }
            _ => return false,
        }
        true
    }

    fn authorization(&mut self, found: &mut Findings<'_>, map: &Map) {
        for entry in map.entries() {
            match &*entry.key.to_ascii_lowercase() {
                "user" | "username" => self.user = name(found, entry),
                "pass" | "password" => self.password = users::secret(found, entry),
                "token" => self.access.token = users::secret(found, entry),
                "timeout" => {
                    let time = found.seconds(entry).filter(|&time| time > 0);
                    self.web.entry_timeout_ns = time;
                }
                _ => found.unknown(entry, &[AUTHORIZATION]),
            }
        }
        // Without a user a password means nothing, as with nats-server.
        self.access.single = self.user.take().map(|user| {
            let password = self.password.take().unwrap_or_else(|| Secret::new(""));
            (user, password)
        });
    }

    /// Checks the block against everything else; gives its listener, if it has a port.
    pub(super) fn finish(
        self,
        found: &mut Findings<'_>,
        access: &mut Access,
        has_operator: bool,
    ) -> Option<Listener> {
        let port = self.port?;
        let at = self.at;
        if self.tls.is_none() && !self.no_tls {
            found.error(at, "websocket requires TLS configuration");
        }
        if let Some(at) = self.no_auth_user_at {
            let name = self.access.no_auth_user.as_deref();
            access::no_auth_user(found, &access.users, name, Some(at));
        }
        if !access.users.is_empty() {
            for (what, is_set) in
                [("username", self.access.single.is_some()), ("token", self.access.token.is_some())]
            {
                if is_set {
                    let why = format!(
                        "websocket authentication {what} not compatible with presence of \
                         users/nkeys"
                    );
                    found.error(at, why);
                }
            }
        }
        if let Some(cookie) = self.web.cookies.jwt.as_deref().filter(|_| !has_operator) {
            let why = format!(
                "trusted operators or trusted keys configuration is required for JWT \
                 authentication via cookie {cookie:?}"
            );
            found.error(at, why);
        }
        if self.access != WebSocketAccess::default() {
            access.websocket = Some(self.access);
        }
        let host = self.host.filter(|host| !host.is_empty()).unwrap_or_else(|| ANY.into());
        let tls = self.tls.map(|tls| Tls {
            // Browsers know no other way.
            handshake_first: HandshakeFirst::Yes,
            allow_non_tls: false,
            ..tls
        });
        Some(Listener {
            name: "websocket".into(),
            address: Address::Tcp { host, port },
            advertise: self.advertise,
            tls,
            connection_type: ConnectionType::WebSocket,
            websocket: Some(Box::new(self.web)),
            ..Listener::classic(ANY, 0)
        })
    }
}

/// -1 asks for any free port; 0 switches the listener off.
fn port(found: &mut Findings<'_>, entry: &Entry, number: i64) -> Option<u16> {
    if number == 0 { None } else { address::port(found, entry, number, None) }
}

fn name(found: &mut Findings<'_>, entry: &Entry) -> Option<Box<str>> {
    found.boxed(entry).filter(|name| !name.is_empty())
}

fn origins(found: &mut Findings<'_>, entry: &Entry) -> Vec<Origin> {
    let mut origins = Vec::new();
    for (at, text) in found.texts(entry).unwrap_or_default() {
        let why = match Origin::parse(text) {
            Ok(origin) if matches!(&*origin.scheme, "http" | "https") => {
                origins.push(origin);
                continue;
            }
            Ok(_) => "allowed origins must be absolute URLs with http or https scheme",
            Err(OriginError::Malformed) => "invalid URI for request",
            Err(OriginError::NoHost) => "host is required",
        };
        found.error(at, format!("unable to parse allowed origin {text:?}: {why}"));
    }
    origins
}

fn headers(found: &mut Findings<'_>, entry: &Entry) -> Vec<(Box<str>, Box<str>)> {
    let mut headers = Vec::new();
    for entry in found.map(entry).into_iter().flat_map(Map::entries) {
        let Value::Text(value) = &entry.node.value else {
            let kind = entry.node.value.kind();
            let why = format!("error parsing header key {}: unsupported type {kind}", entry.key);
            found.error(entry.node.at, why);
            continue;
        };
        let key = entry.key.to_ascii_lowercase();
        if RESERVED_HEADERS.contains(&&*key) {
            let why = format!("websocket: invalid header {:?} not allowed", entry.key);
            found.error(entry.node.at, why);
        } else if key.starts_with("sec-websocket-") {
            let why = format!(
                "websocket: invalid header {:?}, \"Sec-WebSocket-\" prefix not allowed",
                entry.key
            );
            found.error(entry.node.at, why);
        } else if !is_header(&key, value) {
            // It would end the header, and might begin another.
            let why = format!("websocket: header {:?} is no header of HTTP", entry.key);
            found.error(entry.node.at, why);
        } else {
            headers.push((entry.key.clone(), (**value).into()));
        }
    }
    headers
}

fn is_header(key: &str, value: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !key.is_empty()
        && key.bytes().all(is_name)
        && value.bytes().all(|byte| byte == b'\t' || !byte.is_ascii_control())
}

const AUTHORIZATION: &[&str] = &["user", "username", "pass", "password", "token", "timeout"];
/// Headers of the answer that are not an operator's to set.
const RESERVED_HEADERS: &[&str] =
    &["host", "content-length", "connection", "upgrade", "nats-no-masking"];
/// Every address of the machine.
const ANY: &str = "0.0.0.0";

#[cfg(test)]
mod tests;
