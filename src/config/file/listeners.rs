//! Where clients connect: the classic keys, and `listeners { name { … } }`.
//!
//! Absent: opening sockets. Addresses are compared as texts, so that two names of one machine may
//! still collide when they are opened.

use super::super::Config;
use super::super::access::ConnectionType;
use super::super::listen::{Address, Listener, Tls};
use super::super::text::{Entry, Map, Value};
use super::address;
use super::findings::{Findings, set};
use super::tls::{self, Purpose};

/// The classic keys.
pub(super) const CLASSIC: &[&str] = &[
    "listen",
    "host",
    "net",
    "port",
    "client_advertise",
    "tls",
    "allow_non_tls",
    "proxy_protocol",
];

/// The keys of one listener.
pub(super) const KEYS: &[&str] = &[
    "listen",
    "unix",
    "mode",
    "advertise",
    "tls",
    "allow_non_tls",
    "proxy_protocol",
    "allowed_connection_types",
    "connection_type",
    "max_connections",
];

/// What the classic keys say.
#[derive(Default)]
pub(super) struct Classic {
    host: Option<Box<str>>,
    port: Option<u16>,
    advertise: Option<Box<str>>,
    tls: Option<Tls>,
    allow_non_tls: Option<bool>,
    proxy_protocol: Option<bool>,
}

impl Classic {
    /// Takes one of the classic keys.
    pub(super) fn take(&mut self, found: &mut Findings<'_>, key: &str, entry: &Entry) -> bool {
        match key {
            "listen" => {
                if let Some(read) = address::listen(found, entry) {
                    self.host = Some(read.host);
                    set_some(&mut self.port, address::port(found, entry, read.port, DEFAULT));
                }
            }
            "host" | "net" => set_some(&mut self.host, found.boxed(entry)),
            "port" => {
                if let Some(number) = found.integer(entry) {
                    set_some(&mut self.port, address::port(found, entry, number, DEFAULT));
                }
            }
            "client_advertise" => set_some(&mut self.advertise, found.boxed(entry)),
            "tls" => self.tls = tls::read(found, entry, Purpose::Listener),
            "allow_non_tls" => self.allow_non_tls = found.boolean(entry),
            "proxy_protocol" => self.proxy_protocol = found.boolean(entry),
            _ => return false,
        }
        true
    }

    /// Puts what was said over what the default listener is.
    pub(super) fn apply(self, config: &mut Config) {
        let mut classic = match config.listeners.first() {
            Some(first) => first.clone(),
            None => Listener::classic(ANY, Config::PORT),
        };
        if let Address::Tcp { host, port } = &mut classic.address {
            set(host, self.host.map(|host| if host.is_empty() { ANY.into() } else { host }));
            set(port, self.port);
        }
        set(&mut classic.proxy_protocol, self.proxy_protocol);
        if let Some(advertise) = self.advertise {
            classic.advertise = (!advertise.is_empty()).then_some(advertise);
        }
        if let Some(tls) = self.tls {
            classic.tls = Some(tls);
        }
        if let (Some(tls), Some(allow)) = (&mut classic.tls, self.allow_non_tls) {
            tls.allow_non_tls = allow;
        }
        match config.listeners.first_mut() {
            Some(first) => *first = classic,
            None => config.listeners.push(classic),
        }
    }
}

/// Reads `listeners { … }`.
pub(super) fn read(found: &mut Findings<'_>, entry: &Entry) -> Vec<Listener> {
    let mut listeners: Vec<Listener> = Vec::new();
    let Some(map) = found.map(entry) else { return listeners };
    for entry in map.entries().filter(|entry| !entry.used) {
        if &*entry.key == "default" {
            let why = "the listener \"default\" is the one of the classic keys (listen, tls, …)";
            found.error(entry.node.at, why);
            continue;
        }
        if listeners.len() >= LISTENERS_MAX {
            found.error(entry.node.at, format!("there are more than {LISTENERS_MAX} listeners"));
            break;
        }
        let Some(inner) = found.map(entry) else { continue };
        if let Some(listener) = one(found, entry, inner) {
            if collides(&listeners, &listener) {
                found.error(entry.node.at, "another listener has the same address");
            }
            listeners.push(listener);
        }
    }
    listeners
}

/// Whether one of these listeners already has the address; any free port is nobody's.
pub(super) fn collides(listeners: &[Listener], new: &Listener) -> bool {
    let fixed = !matches!(new.address, Address::Tcp { port: 0, .. });
    fixed && listeners.iter().any(|old| old.address == new.address)
}

fn one(found: &mut Findings<'_>, entry: &Entry, map: &Map) -> Option<Listener> {
    let mut listener = Listener::classic(ANY, 0);
    listener.name = entry.key.clone();
    let (mut address, mut mode, mut allow_non_tls) = (None, None, None);
    for entry in map.entries() {
        match &*entry.key.to_ascii_lowercase() {
            "listen" => {
                if let Some(read) = address::listen(found, entry) {
                    let host = if read.host.is_empty() { ANY.into() } else { read.host };
                    if let Some(port) = address::port(found, entry, read.port, None) {
                        address = Some(Address::Tcp { host, port });
                    }
                }
            }
            "unix" => {
                if let Some(path) = found.boxed(entry) {
                    address = Some(Address::Unix { path, mode: None });
                }
            }
            "mode" => mode = octal(found, entry).map(|mode| (entry.node.at, mode)),
            "advertise" => listener.advertise = found.boxed(entry),
            "tls" => listener.tls = tls::read(found, entry, Purpose::Listener),
            "allow_non_tls" => allow_non_tls = found.boolean(entry),
            "proxy_protocol" => set(&mut listener.proxy_protocol, found.boolean(entry)),
            "allowed_connection_types" | "connection_type" => {
                set(&mut listener.connection_type, connection_type(found, entry));
            }
            "max_connections" => found.bound(entry, &mut listener.connections_max),
            _ => found.unknown(entry, &[KEYS]),
        }
    }
    if let (Some(tls), Some(allow)) = (&mut listener.tls, allow_non_tls) {
        tls.allow_non_tls = allow;
    }
    match (&mut address, mode) {
        (Some(Address::Unix { mode, .. }), Some((_, bits))) => *mode = Some(bits),
        (_, Some((at, _))) => found.error(at, "\"mode\" is for Unix sockets"),
        (_, None) => {}
    }
    let keys = ["listen", "unix"];
    let places = map.entries().filter(|entry| keys.contains(&&*entry.key.to_ascii_lowercase()));
    match places.count() {
        1 => {}
        0 => found.error(entry.node.at, "a listener needs \"listen\" or \"unix\""),
        _ => found.error(entry.node.at, "a listener has either \"listen\" or \"unix\", not both"),
    }
    listener.address = address?;
    Some(listener)
}

/// Permission bits: `"0660"`, or the digits alone, which are octal as well.
fn octal(found: &mut Findings<'_>, entry: &Entry) -> Option<u32> {
    let digits = match &entry.node.value {
        Value::Text(text) => text.trim_start_matches("0o").to_owned(),
        Value::Integer(number) => number.to_string(),
        _ => {
            found.mismatch(entry, "permission bits such as 0660");
            return None;
        }
    };
    let bits = u32::from_str_radix(&digits, 8).ok().filter(|&bits| bits <= 0o777);
    if bits.is_none() {
        found.error(entry.node.at, "\"mode\" holds permission bits such as 0660");
    }
    bits
}

/// What connections count as: clients of this version's listeners speak the client protocol.
fn connection_type(found: &mut Findings<'_>, entry: &Entry) -> Option<ConnectionType> {
    let texts = found.texts(entry)?;
    let [(at, name)] = &texts[..] else {
        found.error(entry.node.at, "a listener has one connection type");
        return None;
    };
    let kind = ConnectionType::parse(name);
    if kind.is_none() {
        found.error(*at, format!("unknown connection type {name:?}"));
    }
    kind
}

fn set_some<T>(place: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *place = value;
    }
}

/// Every address of the machine.
const ANY: &str = "0.0.0.0";
/// The port of the classic keys when they say 0.
const DEFAULT: Option<u16> = Some(Config::PORT);
/// Most listeners beside the classic one.
const LISTENERS_MAX: usize = 64;
