//! A server that has answered, what to say to it on every further connection, and opening these.
//!
//! Absent: what happens on a connection afterwards, reconnecting. Whoever asked for TLS never says
//! a word in clear.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use fanfare_protocol::client_encode;
use fanfare_protocol::connect::ConnectOptions;
use fanfare_protocol::server_op::ServerOp;
use serde_json::Value;

use crate::credentials::Credentials;
use crate::denied::Denied;
use crate::link::{Link, Missing};
use crate::link_error::{Cause, LinkError};
use crate::tls::{Begin, TlsClient, TlsTarget, TlsWishes};
use crate::url::ServerUrl;
use crate::wire::Wire;

/// The servers to try, and how.
#[derive(Debug, Clone)]
pub struct Reach {
    /// The servers; the first that answers is used.
    pub urls: Vec<ServerUrl>,
    /// How to talk TLS, for all servers if the options demand it.
    pub tls: Option<TlsClient>,
    /// Which servers TLS is demanded of.
    pub demand: Demand,
}

/// Which servers TLS is demanded of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// Those whose URL says so. The others decide themselves.
    ByUrl,
    /// All.
    Always,
}

/// A server that has answered, and what to say to it on every further connection.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where it is.
    pub address: SocketAddr,
    /// The same as a person wrote it.
    pub place: String,
    /// What it says about itself.
    pub facts: ServerFacts,
    wire: Wire,
    name: String,
    credentials: Credentials,
    tls: Option<TlsTarget>,
    /// The host to ask for, where WebSocket is spoken.
    framed: Option<Box<str>>,
}

/// The part of a server's INFO that matters here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerFacts {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The largest payload that it takes.
    pub max_payload: Option<u64>,
    /// Whether it demands TLS.
    pub tls_required: bool,
    /// Whether it speaks TLS to those who want it.
    pub tls_available: bool,
    /// Whether it demands a certificate of its clients.
    pub tls_verify: bool,
    /// What it wants to have signed.
    pub nonce: Option<String>,
    /// All of it, as it came.
    pub text: String,
}

impl Target {
    /// A server in clear, to which nobody has talked yet.
    pub fn new(address: SocketAddr, place: String, name: &str, credentials: Credentials) -> Self {
        let facts = ServerFacts::default();
        let (name, tls, framed) = (name.to_owned(), None, None);
        Self { address, place, facts, wire: Wire::Nats, name, credentials, tls, framed }
    }

    /// Tries the servers in turn and returns the first that lets us in. `name` is what the server
    /// shows for the connections.
    pub fn find(reach: &Reach, name: &str) -> Result<(Self, Link), LinkError> {
        let mut last = None;
        for url in &reach.urls {
            match Self::try_url(reach, url, name) {
                Ok(found) => return Ok(found),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| LinkError {
            place: "(no server given)".to_owned(),
            cause: Cause::Unknown,
        }))
    }

    /// What it speaks.
    pub fn wire(&self) -> Wire {
        self.wire
    }

    /// How the connections talk TLS, if they do.
    pub fn tls(&self) -> Option<&TlsTarget> {
        self.tls.as_ref()
    }

    /// The host to ask for, where WebSocket is spoken: over TLS, if there is any, that begins at
    /// once.
    pub fn framed(&self) -> Option<&str> {
        self.framed.as_deref()
    }

    /// Whether each connection signs what its INFO asks to be signed.
    pub fn signs(&self) -> bool {
        self.credentials.needs_nonce()
    }

    /// Whether a connection has to wait for the server's INFO before it says anything.
    fn needs_info(&self) -> bool {
        self.own_tls().is_some() || self.signs()
    }

    /// The TLS that is up to the protocol: none where WebSocket has brought it.
    fn own_tls(&self) -> Option<&TlsTarget> {
        self.tls.as_ref().filter(|_| self.framed.is_none())
    }

    /// The CONNECT line of a connection whose INFO has this nonce, or what opens a conversation in
    /// another dialect.
    pub fn connect_line(&self, nonce: Option<&str>) -> Vec<u8> {
        if !self.wire.is_greeted() {
            return self.wire.hello().to_vec();
        }
        let mut options = ConnectOptions {
            verbose: false,
            pedantic: false,
            echo: true,
            tls_required: self.tls.is_some(),
            headers: true,
            no_responders: true,
            protocol: 1,
            name: Some(self.name.as_str().into()),
            lang: Some("rust".into()),
            version: Some(env!("CARGO_PKG_VERSION").into()),
            ..ConnectOptions::default()
        };
        self.credentials.fill_in(&mut options, nonce);
        let mut line = Vec::new();
        client_encode::connect(&mut line, &options);
        line
    }

    /// The CONNECT line of the first connection without what must not be shown.
    pub fn shown_connect_line(&self) -> String {
        let line = self.connect_line(self.facts.nonce.as_deref());
        let line = String::from_utf8_lossy(&line);
        let Some(Value::Object(mut fields)) =
            line.strip_prefix("CONNECT ").and_then(|json| serde_json::from_str(json).ok())
        else {
            return "CONNECT".to_owned();
        };
        for secret in ["pass", "auth_token", "jwt", "sig"] {
            if let Some(value) = fields.get_mut(secret) {
                *value = Value::from("***");
            }
        }
        format!("CONNECT {}", Value::Object(fields))
    }

    /// Opens a further connection: sends `setup` behind CONNECT and waits until the server has
    /// confirmed it with a PONG.
    pub fn open(&self, setup: &[u8]) -> Result<Link, LinkError> {
        let mut link = self.dial()?;
        self.introduce(&mut link, setup)?;
        self.await_pong(&mut link)?;
        Ok(link)
    }

    /// Opens one connection for each setup, in the same order. They are confirmed together, so
    /// that a thousand connections do not take a thousand round trips.
    pub fn open_all(&self, setups: &[Vec<u8>]) -> Result<Vec<Link>, LinkError> {
        let mut links = Vec::with_capacity(setups.len());
        // A server gives each connection only so long for its handshake and its credentials, and
        // these are done one after the other.
        let together = if self.needs_info() { INTRODUCED_TOGETHER } else { OPENED_TOGETHER };
        for chunk in setups.chunks(together) {
            let start = links.len();
            for _ in chunk {
                links.push(self.dial()?);
            }
            let fresh = links.get_mut(start..).unwrap_or_default();
            for (link, setup) in fresh.iter_mut().zip(chunk) {
                self.introduce(link, setup)?;
            }
            for link in fresh {
                self.await_pong(link)?;
            }
        }
        Ok(links)
    }

    /// What to say of an error that the server reports.
    pub fn told(&self, text: String) -> LinkError {
        let lower = text.to_ascii_lowercase();
        let is_about_us = lower.starts_with("authorization violation")
            || lower.starts_with("user authentication")
            || lower.starts_with("account authentication");
        let cause = if is_about_us {
            Cause::NotLetIn { text, advice: self.credentials.advice() }
        } else if lower.starts_with("secure connection") {
            Cause::WantsTls(text)
        } else if let Some(denied) = Denied::parse(&text) {
            Cause::Denied(denied.to_string())
        } else {
            Cause::Told(text)
        };
        LinkError { place: self.place.clone(), cause }
    }

    fn try_url(reach: &Reach, url: &ServerUrl, name: &str) -> Result<(Self, Link), LinkError> {
        let place = url.place();
        let failed = |cause| LinkError { place: place.clone(), cause };
        let demanded = url.wants_tls || reach.demand == Demand::Always;
        let tls = match &reach.tls {
            Some(tls) if demanded => {
                Some(tls.target(&url.host).map_err(|fault| failed(Cause::Tls(fault)))?)
            }
            _ => None,
        };
        let addresses =
            (url.host.as_str(), url.port).to_socket_addrs().map_err(|_| failed(Cause::Unknown))?;
        let mut last = failed(Cause::Unknown);
        for address in addresses {
            let mut target = Self::new(address, place.clone(), name, url.credentials.clone());
            target.wire = url.wire;
            target.tls.clone_from(&tls);
            target.framed = url.wants_frames.then(|| place.as_str().into());
            match target.dial() {
                Ok(link) => return target.meet(link, reach, &url.host),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The first conversation with a server, which decides about TLS.
    fn meet(
        mut self,
        mut link: Link,
        reach: &Reach,
        host: &str,
    ) -> Result<(Self, Link), LinkError> {
        let failed = |cause| LinkError { place: self.place.clone(), cause };
        if !self.wire.is_greeted() {
            self.facts.name = self.wire.to_string();
            self.greet(&mut link, b"", None)?;
            self.await_pong(&mut link)?;
            return Ok((self, link));
        }
        let mut waits_for_tls = false;
        match self.own_tls() {
            None if self.framed.is_some() => self.facts = self.read_facts(&mut link)?,
            Some(tls) if tls.begin() == Begin::AtOnce => {
                link.secure(tls).map_err(|error| LinkError::of_socket(&self.place, error))?;
                self.facts = self.read_facts(&mut link)?;
            }
            Some(_) => {
                self.facts = self.read_facts(&mut link)?;
                if !self.facts.tls_required && !self.facts.tls_available {
                    return Err(failed(Cause::NoTls));
                }
                waits_for_tls = true;
            }
            None => {
                let facts = self.read_facts(&mut link)?;
                if facts.tls_required {
                    let client = match &reach.tls {
                        Some(client) => client.clone(),
                        None => TlsClient::new(&TlsWishes::default())
                            .map_err(|error| failed(Cause::TlsSetup(error.to_string())))?,
                    };
                    let tls = client.target(host).map_err(|fault| failed(Cause::Tls(fault)))?;
                    self.tls = Some(tls);
                    waits_for_tls = true;
                }
                self.facts = facts;
            }
        }
        if let Some(tls) = self.tls.as_ref().filter(|_| waits_for_tls) {
            if self.facts.tls_verify && !tls.has_certificate() {
                return Err(failed(Cause::NoCertificate));
            }
            link.secure(tls).map_err(|error| LinkError::of_socket(&self.place, error))?;
        }
        self.greet(&mut link, b"", self.facts.nonce.as_deref())?;
        self.await_pong(&mut link)?;
        Ok((self, link))
    }

    fn dial(&self) -> Result<Link, LinkError> {
        let mut link = Link::dial(&self.address).map_err(|error| LinkError {
            place: self.place.clone(),
            cause: Cause::Connect(error),
        })?;
        if let Some(host) = &self.framed {
            let framed = self.tls.as_ref().map_or(Ok(()), |tls| link.secure(tls));
            let framed = framed.and_then(|()| link.frame(host));
            framed.map_err(|error| LinkError::of_socket(&self.place, error))?;
        }
        Ok(link)
    }

    /// Says CONNECT on a fresh connection, over TLS if the first one did.
    fn introduce(&self, link: &mut Link, setup: &[u8]) -> Result<(), LinkError> {
        if !self.needs_info() {
            return self.greet(link, setup, None);
        }
        let secure = |link: &mut Link, tls: &TlsTarget| {
            link.secure(tls).map_err(|error| LinkError::of_socket(&self.place, error))
        };
        let facts = match self.own_tls() {
            Some(tls) if tls.begin() == Begin::AtOnce => {
                secure(link, tls)?;
                self.read_facts(link)?
            }
            Some(tls) => {
                let facts = self.read_facts(link)?;
                secure(link, tls)?;
                facts
            }
            None => self.read_facts(link)?,
        };
        self.greet(link, setup, facts.nonce.as_deref())
    }

    fn greet(&self, link: &mut Link, setup: &[u8], nonce: Option<&str>) -> Result<(), LinkError> {
        let mut bytes = self.connect_line(nonce);
        bytes.extend_from_slice(setup);
        bytes.extend_from_slice(self.wire.ping());
        match link.send(&bytes) {
            // A server that has refused us already may have said why; that is read next.
            Err(error) if is_cut(&error) => Ok(()),
            sent => sent.map_err(|error| LinkError::of_socket(&self.place, error)),
        }
    }

    fn read_facts(&self, link: &mut Link) -> Result<ServerFacts, LinkError> {
        let mut facts = None;
        let read = link.read_until(self.wire, |op| match op {
            ServerOp::Info(json) => {
                facts = ServerFacts::of(json);
                true
            }
            _ => false,
        });
        read.map_err(|missing| match missing {
            Missing::Closed => {
                LinkError { place: self.place.clone(), cause: Cause::ClosedBeforeInfo }
            }
            missing => self.missed(missing),
        })?;
        facts.ok_or_else(|| self.missed(Missing::Garbled))
    }

    fn await_pong(&self, link: &mut Link) -> Result<(), LinkError> {
        link.read_until(self.wire, |op| op == ServerOp::Pong)
            .map_err(|missing| self.missed(missing))
    }

    fn missed(&self, missing: Missing) -> LinkError {
        let cause = match missing {
            Missing::Socket(error) => return LinkError::of_socket(&self.place, error),
            Missing::Told(text) => return self.told(text),
            Missing::Closed => Cause::Closed,
            Missing::Garbled => Cause::Foreign(self.wire),
        };
        LinkError { place: self.place.clone(), cause }
    }
}

impl ServerFacts {
    /// Reads an INFO's JSON.
    pub fn of(json: &[u8]) -> Option<Self> {
        let info: Value = serde_json::from_slice(json).ok()?;
        let text = |key: &str| info.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let flag = |key: &str| info.get(key).and_then(Value::as_bool).unwrap_or(false);
        Some(Self {
            name: text("server_name"),
            version: text("version"),
            max_payload: info.get("max_payload").and_then(Value::as_u64),
            tls_required: flag("tls_required"),
            tls_available: flag("tls_available"),
            tls_verify: flag("tls_verify"),
            nonce: Some(text("nonce")).filter(|nonce| !nonce.is_empty()),
            text: info.to_string(),
        })
    }
}

fn is_cut(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

/// The operation that asks for a PONG.
pub const PING: &[u8] = b"PING\r\n";
/// The answer to the server's PING.
pub const PONG: &[u8] = b"PONG\r\n";

/// Few enough for every server's queue of connections that wait to be accepted.
const OPENED_TOGETHER: usize = 64;
/// Few enough to be through with all of them in a fraction of the shortest time that is usual, two
/// seconds.
const INTRODUCED_TOGETHER: usize = 16;
