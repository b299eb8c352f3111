//! The places where clients connect: opened at the start, each with its TLS, and what INFO says
//! there.
//!
//! Absent: accepting (`placing`). Everything that can be wrong with a listener is found here,
//! before anybody is let in anywhere.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use fanfare_protocol::info::ServerInfo;
use mio::{Interest, Registry, Token};

use super::run_error::RunError;
use super::taking_over::Inherited;
use super::welcome::Place;
use crate::config::listen::{self, Address};
use crate::config::{Config, Limits};
use crate::core::arrival::Entrance;
use crate::core::ids::ListenerId;
use crate::io::accept::Listener;
use crate::io::gate::Gate;
use crate::io::tls::{Acceptor, TlsError};
use crate::io::websocket::Reception;

/// One open listener.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) id: ListenerId,
    pub(super) listener: Listener,
    /// What its next connections meet; a reload may put another in its place.
    pub(super) gate: Arc<Gate>,
    /// Connections that it may have.
    pub(super) connections_max: Option<u64>,
    /// Where it is, as the log says it.
    pub(super) place: String,
}

/// Opens all listeners, or none.
pub(super) fn open_all(
    config: &Config,
    mut inherited: Option<&mut Inherited>,
) -> Result<Vec<Listening>, RunError> {
    if config.listeners.len() > ListenerId::COUNT_MAX {
        return Err(RunError::Listeners(ListenerId::COUNT_MAX));
    }
    let limits = &config.limits;
    let open_one = |(n, listener): (usize, &listen::Listener)| {
        let place = Place::of(&listener.name, &listener.address);
        let socket = inherited.as_mut().and_then(|it| it.take_listener(&place));
        open(n, listener, limits, socket)
    };
    config.listeners.iter().enumerate().map(open_one).collect()
}

fn open(
    n: usize,
    config: &listen::Listener,
    limits: &Limits,
    inherited: Option<OwnedFd>,
) -> Result<Listening, RunError> {
    let id = ListenerId::new(n).ok_or(RunError::Listeners(ListenerId::COUNT_MAX))?;
    let gate =
        gate(config, limits).map_err(|error| RunError::Tls(config.name.to_string(), error))?;
    let open = match inherited {
        Some(socket) => Listener::adopt(socket, &config.address),
        None => Listener::open(&config.address),
    };
    let (host, listener) = match &config.address {
        Address::Tcp { host, port } => {
            let wanted = format!("{host}:{port}");
            (Some(host), open.map_err(|error| RunError::Listen(wanted, error))?)
        }
        Address::Unix { path, .. } => {
            (None, open.map_err(|error| RunError::ListenAt(path.to_string(), error))?)
        }
    };
    let place = match (&config.address, host, listener.address()) {
        (_, Some(host), Some(address)) if host.contains(':') => {
            format!("[{host}]:{}", address.port())
        }
        (_, Some(host), Some(address)) => format!("{host}:{}", address.port()),
        (Address::Unix { path, .. }, ..) => format!("unix:{path}"),
        (Address::Tcp { .. }, ..) => config.name.to_string(),
    };
    let connections_max = config.connections_max.map(u64::from);
    Ok(Listening { id, listener, gate: Arc::new(gate), connections_max, place })
}

/// What connections of a listener meet; reads its certificates.
fn gate(config: &listen::Listener, limits: &Limits) -> Result<Gate, TlsError> {
    let tls = config.tls.as_ref().map(Acceptor::load).transpose()?;
    let websocket = config.websocket.as_ref().map(|wishes| Reception::new(wishes, limits));
    Ok(Gate { tls, proxy_protocol: config.proxy_protocol, websocket })
}

/// What connections of every listener meet; reads all certificates.
pub(super) fn gates(config: &Config) -> Result<Vec<Gate>, RunError> {
    let named = |listener: &listen::Listener| {
        gate(listener, &config.limits)
            .map_err(|error| RunError::Tls(listener.name.to_string(), error))
    };
    config.listeners.iter().map(named).collect()
}

/// Writes into a configuration which port a listener was given that asked for any.
pub(super) fn settle_ports(config: &mut Config, listening: &[Listening]) {
    for (listener, open) in config.listeners.iter_mut().zip(listening) {
        if let (Address::Tcp { port, .. }, Some(address)) =
            (&mut listener.address, open.listener.address())
        {
            *port = address.port();
        }
    }
}

/// What the core is to know of each listener; `info` is what is the same for all.
pub(super) fn entrances(
    config: &Config,
    listening: &[Listening],
    info: &ServerInfo,
) -> Vec<Entrance> {
    let info = ServerInfo { headers: !config.no_headers, ..info.clone() };
    let pairs = config.listeners.iter().zip(listening);
    pairs.map(|(listener, open)| entrance(listener, &open.listener, info.clone())).collect()
}

fn entrance(config: &listen::Listener, open: &Listener, mut info: ServerInfo) -> Entrance {
    match &config.address {
        Address::Tcp { host, port } => {
            info.host = host.to_string();
            info.port = open.address().map_or(*port, |address| address.port());
        }
        Address::Unix { path, .. } => {
            info.host = path.to_string();
            info.port = 0;
        }
    }
    let websocket = config.websocket.as_deref();
    // As with nats-server, WebSocket clients are told of an advertised address by other servers
    // only.
    if let Some(advertise) = config.advertise.as_ref().filter(|_| websocket.is_none()) {
        (info.host, info.port) = advertised(advertise, info.port);
    }
    if let Some(tls) = &config.tls {
        info.tls_required = !tls.allow_non_tls;
        info.tls_available = tls.allow_non_tls || websocket.is_some();
        info.tls_verify = tls.verify || tls.verify_and_map;
    }
    Entrance {
        info,
        connection_type: config.connection_type,
        maps_certificates: config.tls.as_ref().is_some_and(|tls| tls.verify_and_map),
        behind_proxy: config.proxy_protocol,
        entry_timeout_ns: websocket.and_then(|wishes| wishes.entry_timeout_ns),
        ping_interval_ns: websocket.and_then(|wishes| wishes.ping_interval_ns),
    }
}

/// The host and port that clients are told; the port that is listened on unless one is named.
fn advertised(text: &str, port: u16) -> (String, u16) {
    let bare = |host: &str| host.trim_matches(['[', ']']).to_owned();
    // More than one colon outside of brackets is an address of IPv6 without a port.
    match text.rsplit_once(':') {
        Some((host, named)) if !host.contains(':') || host.ends_with(']') => {
            named.parse().map_or_else(|_| (bare(text), port), |named| (bare(host), named))
        }
        _ => (bare(text), port),
    }
}

impl Listening {
    /// What its events are called.
    fn token(&self) -> Token {
        Token(FIRST_LISTENER + self.id.index())
    }

    pub(super) fn register(&mut self, registry: &Registry) -> std::io::Result<()> {
        let token = self.token();
        registry.register(self.listener.source(), token, Interest::READABLE)
    }
}

/// The token of the first listener; smaller ones are the supervisor's.
const FIRST_LISTENER: usize = 16;

#[test]
fn an_advertised_address_may_leave_out_its_port() {
    let check = |text: &str, host: &str, port: u16| {
        assert_eq!(advertised(text, 7), (host.to_owned(), port), "{text}");
    };
    check("broker.example:4333", "broker.example", 4333);
    check("broker.example", "broker.example", 7);
    check("[2001:db8::1]:4333", "2001:db8::1", 4333);
    check("[2001:db8::1]", "2001:db8::1", 7);
    check("2001:db8::1", "2001:db8::1", 7);
    check("192.0.2.1:70000", "192.0.2.1:70000", 7);
}
