//! The HTTP request that asks for a WebSocket: read, and judged as nats-server judges it.
//!
//! Absent: sockets and answers (`upgrade`, `answer`). A request is bounded by whoever collects it.

use std::fmt;
use std::net::IpAddr;

use data_encoding::BASE64;
use fanfare_protocol::websocket::{ACCEPT_SUFFIX, Masking, Terms};
use httparse::{EMPTY_HEADER, Error, Header, Request, Status};
use sha1::{Digest, Sha1};

use super::reception::Reception;
use crate::config::Secret;
use crate::config::websocket::{Origin, Place, WebSocket};
use crate::core::auth::Cookies;

/// A request that is granted.
#[derive(Debug)]
pub(super) struct Granted {
    /// What proves to the client that its request was understood.
    pub(super) accept: String,
    /// What its frames may be.
    pub(super) terms: Terms,
    /// Whether it asked not to mask.
    pub(super) is_unmasked: bool,
    pub(super) visitor: Visitor,
}

/// What a request says about its client.
#[derive(Debug, Default)]
pub(in crate::io) struct Visitor {
    /// Where a proxy says that it comes from (`X-Forwarded-For`).
    pub(in crate::io) forwarded_for: Option<IpAddr>,
    /// What stands for what its CONNECT leaves out.
    pub(in crate::io) cookies: Option<Box<Cookies>>,
}

/// Why a request is not granted: what the client is told, and what the operator is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::io) struct Refused {
    pub(super) status: u16,
    why: String,
}

impl Refused {
    fn new(status: u16, why: impl Into<String>) -> Self {
        Self { status, why: why.into() }
    }

    /// A head above the bound.
    pub(super) fn too_large() -> Self {
        Self::new(431, "request header fields too large")
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "websocket handshake error: {}", self.why)
    }
}

/// Judges what has come of a request; `None` if its head has not come whole.
pub(super) fn judge(
    head: &[u8],
    reception: &Reception,
    is_secure: bool,
) -> Result<Option<Granted>, Refused> {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut request = Request::new(&mut headers);
    let length = match request.parse(head) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Ok(None),
        Err(Error::TooManyHeaders) => return Err(Refused::too_large()),
        Err(error) => return Err(Refused::new(400, format!("malformed request: {error}"))),
    };
    let (method, path) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
    let fields = Fields(request.headers);
    if fields.named("host").count() > 1 {
        return Err(Refused::new(400, "too many 'Host' headers"));
    }
    let path = path.split(['?', '#']).next().unwrap_or_default();
    for (suffix, what) in [("/leafnode", "leafnode"), ("/mqtt", "mqtt")] {
        if path.ends_with(suffix) {
            return Err(Refused::new(404, format!("{what} websocket endpoint not enabled")));
        }
    }
    if method != "GET" {
        return Err(Refused::new(405, "request method must be GET"));
    }
    let host = fields.first("host").filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| Refused::new(400, "'Host' missing in request"))?;
    if !fields.lists("upgrade", "websocket") {
        return Err(Refused::new(400, "invalid value for header 'Upgrade'"));
    }
    if !fields.lists("connection", "upgrade") {
        return Err(Refused::new(400, "invalid value for header 'Connection'"));
    }
    let key = fields.first("sec-websocket-key").filter(|key| !key.is_empty());
    let key = key.ok_or_else(|| Refused::new(400, "key missing"))?;
    if !BASE64.decode(key.as_bytes()).is_ok_and(|bytes| bytes.len() == KEY_BYTES) {
        return Err(Refused::new(400, "invalid websocket key"));
    }
    if !fields.lists("sec-websocket-version", "13") {
        return Err(Refused::new(400, "invalid version"));
    }
    if let Err(why) = check_origin(&fields, &reception.wishes, host, is_secure) {
        return Err(Refused::new(403, format!("origin not allowed: {why}")));
    }
    if head.len() > length {
        return Err(Refused::new(400, "client sent data before handshake is complete"));
    }
    let is_unmasked = fields.first("nats-no-masking") == Some("true");
    let masking = if is_unmasked { Masking::Optional } else { Masking::Required };
    let compression = reception.wishes.compression && fields.offers_packing();
    Ok(Some(Granted {
        accept: accept_key(key),
        terms: Terms { masking, compression },
        is_unmasked,
        visitor: Visitor {
            forwarded_for: fields.first("x-forwarded-for").and_then(|text| text.parse().ok()),
            cookies: fields.cookies(&reception.wishes),
        },
    }))
}

/// The fields of a request.
struct Fields<'h, 'b>(&'h [Header<'b>]);

impl<'b> Fields<'_, 'b> {
    /// All values of a field.
    fn named(&self, name: &str) -> impl Iterator<Item = &'b [u8]> {
        let named = self.0.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| field.value)
    }

    /// All values of a field that are text.
    fn all(&self, name: &str) -> impl Iterator<Item = &'b str> {
        self.named(name).filter_map(|value| std::str::from_utf8(value).ok()).map(str::trim)
    }

    fn first(&self, name: &str) -> Option<&'b str> {
        self.all(name).next()
    }

    /// Whether a word stands in a field that is a list.
    fn lists(&self, name: &str, word: &str) -> bool {
        let mut words = self.all(name).flat_map(|value| value.split(','));
        words.any(|found| found.trim().eq_ignore_ascii_case(word))
    }

    /// Whether any offer of permessage-deflate is one that can be taken.
    fn offers_packing(&self) -> bool {
        let mut offers = self.all("sec-websocket-extensions").flat_map(|value| value.split(','));
        offers.any(is_packing)
    }

    fn cookies(&self, wishes: &WebSocket) -> Option<Box<Cookies>> {
        let names = &wishes.cookies;
        let mut found = Cookies::default();
        for line in self.all("cookie") {
            for part in line.split(';') {
                let Some((name, value)) = part.trim().split_once('=') else { continue };
                let Some(value) = cookie_value(value) else { continue };
                let is = |wanted: &Option<Box<str>>| wanted.as_deref() == Some(name);
                if is(&names.jwt) {
                    found.jwt = Some(Secret::new(value));
                } else if is(&names.user) {
                    found.user = Some(value.into());
                } else if is(&names.pass) {
                    found.pass = Some(Secret::new(value));
                } else if is(&names.token) {
                    found.token = Some(Secret::new(value));
                }
            }
        }
        (found != Cookies::default()).then(|| Box::new(found))
    }
}

/// Whether this offer of an extension can be taken: no window below the largest one is promised.
fn is_packing(offer: &str) -> bool {
    let mut parts = offer.split(';').map(str::trim);
    if !parts.next().is_some_and(|name| name.eq_ignore_ascii_case("permessage-deflate")) {
        return false;
    }
    parts.all(|part| {
        let name = part.split('=').next().unwrap_or_default().trim();
        ["server_no_context_takeover", "client_no_context_takeover", "client_max_window_bits"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known))
    })
}

/// A cookie's value without its quotes, if it is one.
fn cookie_value(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let is_good = |byte: u8| matches!(byte, 0x20..0x7f) && !matches!(byte, b'"' | b';' | b'\\');
    (!inside.is_empty() && inside.bytes().all(is_good)).then_some(inside)
}

fn check_origin(
    fields: &Fields<'_, '_>,
    wishes: &WebSocket,
    host: &str,
    is_secure: bool,
) -> Result<(), &'static str> {
    if !wishes.same_origin && wishes.allowed_origins.is_empty() {
        return Ok(());
    }
    // One that is no text is there all the same.
    let mut origins = fields.named("origin").chain(fields.named("sec-websocket-origin"));
    if origins.any(|origin| std::str::from_utf8(origin).is_err()) {
        return Err("invalid URI for request");
    }
    let named = fields.first("origin").filter(|origin| !origin.is_empty());
    let named = named.or_else(|| fields.first("sec-websocket-origin"));
    // Only pages have an origin; whoever is no page could say anything.
    let Some(named) = named.filter(|origin| !origin.is_empty()) else { return Ok(()) };
    let origin = Origin::parse(named).map_err(|_| "invalid URI for request")?;
    if wishes.same_origin {
        let scheme = if is_secure { "https" } else { "http" };
        let place = Place::parse(host, is_secure).ok_or("invalid host")?;
        if *origin.scheme != *scheme || origin.place != place {
            return Err("not same origin");
        }
    }
    if !wishes.allowed_origins.is_empty() && !wishes.allowed_origins.contains(&origin) {
        return Err("not in the allowed list");
    }
    Ok(())
}

/// Fields of one request.
const HEADERS_MAX: usize = 64;
/// Bytes of a key.
const KEY_BYTES: usize = 16;

/// What a server answers to a client's `Sec-WebSocket-Key`.
fn accept_key(key: &str) -> String {
    BASE64.encode(&Sha1::new().chain_update(key).chain_update(ACCEPT_SUFFIX).finalize())
}

#[cfg(test)]
mod tests;
