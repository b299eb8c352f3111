//! Opening connections the simple way: one blocking socket each, from the server's INFO to the PONG
//! that says that the subscriptions are in place.
//!
//! Absent: what happens on a connection afterwards, reconnecting, TLS.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use fanfare_protocol::client_encode;
use fanfare_protocol::connect::ConnectOptions;
use fanfare_protocol::server_op::{self, ServerOp, ServerStep};
use serde_json::Value;

use crate::url::{Credentials, ServerUrl};

/// A server that has answered, and what to say to it on every further connection.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where it is.
    pub address: SocketAddr,
    /// The same as a person wrote it.
    pub place: String,
    /// The CONNECT line.
    pub connect_line: Vec<u8>,
    /// What it says about itself.
    pub facts: ServerFacts,
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
    /// All of it, as it came.
    pub text: String,
}

/// An open connection.
#[derive(Debug)]
pub struct Link {
    /// The socket.
    pub stream: TcpStream,
    /// What was read and not yet used.
    pub input: Vec<u8>,
}

impl Target {
    /// Tries the servers in turn and returns the first that lets us in. `name` is what the server
    /// shows for the connections.
    pub fn find(urls: &[ServerUrl], name: &str) -> Result<(Self, Link), LinkError> {
        let mut last = None;
        for url in urls {
            match Self::try_url(url, name) {
                Ok(found) => return Ok(found),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| LinkError::Unknown { place: "(no server given)".to_owned() }))
    }

    /// The CONNECT line without what must not be shown.
    pub fn shown_connect_line(&self) -> String {
        let line = String::from_utf8_lossy(&self.connect_line);
        let Some(Value::Object(mut fields)) =
            line.strip_prefix("CONNECT ").and_then(|json| serde_json::from_str(json).ok())
        else {
            return "CONNECT".to_owned();
        };
        for secret in ["pass", "auth_token"] {
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
        self.greet(&mut link, setup)?;
        self.await_pong(&mut link)?;
        Ok(link)
    }

    /// Opens one connection for each setup, in the same order. They are confirmed together, so
    /// that a thousand connections do not take a thousand round trips.
    pub fn open_all(&self, setups: &[Vec<u8>]) -> Result<Vec<Link>, LinkError> {
        let mut links = Vec::with_capacity(setups.len());
        for chunk in setups.chunks(OPENED_TOGETHER) {
            let start = links.len();
            for _ in chunk {
                links.push(self.dial()?);
            }
            let fresh = links.get_mut(start..).unwrap_or_default();
            for (link, setup) in fresh.iter_mut().zip(chunk) {
                self.greet(link, setup)?;
            }
            for link in fresh {
                self.await_pong(link)?;
            }
        }
        Ok(links)
    }

    fn try_url(url: &ServerUrl, name: &str) -> Result<(Self, Link), LinkError> {
        let place = url.place();
        let unknown = || LinkError::Unknown { place: place.clone() };
        let addresses = (url.host.as_str(), url.port).to_socket_addrs().map_err(|_| unknown())?;
        let mut last = unknown();
        for address in addresses {
            let mut target = Self {
                address,
                place: place.clone(),
                connect_line: connect_line(name, &url.credentials),
                facts: ServerFacts::default(),
            };
            let mut link = match target.dial() {
                Ok(link) => link,
                Err(error) => {
                    last = error;
                    continue;
                }
            };
            target.facts = target.read_facts(&mut link)?;
            if target.facts.tls_required {
                return Err(LinkError::TlsRequired { place });
            }
            target.greet(&mut link, b"")?;
            target.await_pong(&mut link)?;
            return Ok((target, link));
        }
        Err(last)
    }

    fn dial(&self) -> Result<Link, LinkError> {
        let refused = |error| LinkError::Connect { place: self.place.clone(), error };
        let stream = TcpStream::connect_timeout(&self.address, ANSWER_TIMEOUT).map_err(refused)?;
        let ready = stream
            .set_nodelay(true)
            .and_then(|()| stream.set_read_timeout(Some(ANSWER_TIMEOUT)))
            .and_then(|()| stream.set_write_timeout(Some(ANSWER_TIMEOUT)));
        ready.map_err(|error| self.broken(error))?;
        Ok(Link { stream, input: Vec::new() })
    }

    fn greet(&self, link: &mut Link, setup: &[u8]) -> Result<(), LinkError> {
        let mut bytes = self.connect_line.clone();
        bytes.extend_from_slice(setup);
        bytes.extend_from_slice(PING);
        link.stream.write_all(&bytes).map_err(|error| self.broken(error))
    }

    fn read_facts(&self, link: &mut Link) -> Result<ServerFacts, LinkError> {
        let mut facts = None;
        self.read_until(link, |op| match op {
            ServerOp::Info(json) => {
                facts = serde_json::from_slice(json).ok().map(|value| ServerFacts::of(&value));
                true
            }
            _ => false,
        })?;
        facts.ok_or_else(|| LinkError::NotNats { place: self.place.clone() })
    }

    fn await_pong(&self, link: &mut Link) -> Result<(), LinkError> {
        self.read_until(link, |op| op == ServerOp::Pong)
    }

    /// Reads operations until `is_last` says so of one; an error that the server reports ends it.
    fn read_until(
        &self,
        link: &mut Link,
        mut is_last: impl FnMut(ServerOp<'_>) -> bool,
    ) -> Result<(), LinkError> {
        loop {
            loop {
                let not_nats = |_| LinkError::NotNats { place: self.place.clone() };
                let (last, len) = match server_op::next(&link.input).map_err(not_nats)? {
                    ServerStep::Op(ServerOp::Error(text), _) => return Err(self.told(text)),
                    ServerStep::Op(op, len) => (is_last(op), len),
                    ServerStep::Message { .. } | ServerStep::More => break,
                };
                link.input.drain(..len);
                if last {
                    return Ok(());
                }
            }
            if link.fill().map_err(|error| self.broken(error))? == 0 {
                return Err(LinkError::Closed { place: self.place.clone() });
            }
        }
    }

    fn broken(&self, error: io::Error) -> LinkError {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                LinkError::Silent { place: self.place.clone() }
            }
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                LinkError::Closed { place: self.place.clone() }
            }
            _ => LinkError::Broken { place: self.place.clone(), error },
        }
    }

    fn told(&self, text: &[u8]) -> LinkError {
        let text = String::from_utf8_lossy(text).into_owned();
        LinkError::Told { place: self.place.clone(), text }
    }
}

impl Link {
    /// Reads once, behind what is there; returns how many bytes came, 0 at the end.
    pub fn fill(&mut self) -> io::Result<usize> {
        let mut piece = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut piece) {
                Ok(count) => {
                    self.input.extend_from_slice(piece.get(..count).unwrap_or(&[]));
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl ServerFacts {
    fn of(info: &Value) -> Self {
        let text = |key: &str| info.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            name: text("server_name"),
            version: text("version"),
            max_payload: info.get("max_payload").and_then(Value::as_u64),
            tls_required: info.get("tls_required").and_then(Value::as_bool).unwrap_or(false),
            text: info.to_string(),
        }
    }
}

/// Why there is no connection, as a sentence that says what to do.
#[derive(Debug)]
pub enum LinkError {
    /// The name has no address.
    Unknown {
        /// `host:port`.
        place: String,
    },
    /// The connection was refused or did not come about.
    Connect {
        /// `host:port`.
        place: String,
        /// Why.
        error: io::Error,
    },
    /// No answer in time.
    Silent {
        /// `host:port`.
        place: String,
    },
    /// The server closed without a word.
    Closed {
        /// `host:port`.
        place: String,
    },
    /// The server refused with an `-ERR`.
    Told {
        /// `host:port`.
        place: String,
        /// The text.
        text: String,
    },
    /// What answered does not speak the protocol.
    NotNats {
        /// `host:port`.
        place: String,
    },
    /// The server demands TLS.
    TlsRequired {
        /// `host:port`.
        place: String,
    },
    /// The connection broke.
    Broken {
        /// `host:port`.
        place: String,
        /// Why.
        error: io::Error,
    },
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { place } => {
                write!(f, "{place} has no address; check the name, or give another with --server")
            }
            Self::Connect { place, error } => match error.kind() {
                io::ErrorKind::ConnectionRefused => {
                    write!(f, "nothing listens on {place}; start a broker with `fanfare`")
                }
                io::ErrorKind::TimedOut => {
                    write!(f, "{place} does not answer; check the address, and firewalls between")
                }
                _ => match error.raw_os_error() {
                    Some(EMFILE) => f.write_str(
                        "this process may not open more connections; raise the limit with \
                         `ulimit -n`",
                    ),
                    _ => write!(f, "cannot connect to {place}: {error}"),
                },
            },
            Self::Silent { place } => {
                write!(
                    f,
                    "{place} took the connection and then said nothing for {} s; is it a \
                    NATS server?",
                    ANSWER_TIMEOUT.as_secs()
                )
            }
            Self::Closed { place } => {
                write!(f, "{place} closed the connection without a word; its log may say why")
            }
            Self::Told { place, text } if is_authorization(text) => write!(
                f,
                "{place} does not let us in ({text}); give --user and --password, or --token"
            ),
            Self::Told { place, text } => write!(f, "{place} refused: {text}"),
            Self::NotNats { place } => {
                write!(f, "what answers on {place} is not a NATS server")
            }
            Self::TlsRequired { place } => {
                write!(f, "{place} demands TLS, which this tool does not speak yet")
            }
            Self::Broken { place, error } => {
                write!(f, "the connection to {place} broke: {error}")
            }
        }
    }
}

impl std::error::Error for LinkError {}

/// The operation that asks for a PONG.
pub const PING: &[u8] = b"PING\r\n";
/// The answer to the server's PING.
pub const PONG: &[u8] = b"PONG\r\n";

const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Few enough for every server's queue of connections that wait to be accepted.
const OPENED_TOGETHER: usize = 64;

/// The system's number for "too many open files".
const EMFILE: i32 = 24;

fn is_authorization(text: &str) -> bool {
    text.to_ascii_lowercase().starts_with("authorization violation")
}

fn connect_line(name: &str, credentials: &Credentials) -> Vec<u8> {
    let mut options = ConnectOptions {
        verbose: false,
        pedantic: false,
        echo: true,
        headers: true,
        no_responders: true,
        protocol: 1,
        name: Some(name.into()),
        lang: Some("rust".into()),
        version: Some(env!("CARGO_PKG_VERSION").into()),
        ..ConnectOptions::default()
    };
    match credentials {
        Credentials::None => {}
        Credentials::Token(token) => options.auth_token = Some(token.as_str().into()),
        Credentials::User { name, password } => {
            options.user = Some(name.as_str().into());
            options.pass = Some(password.as_str().into());
        }
    }
    let mut line = Vec::new();
    client_encode::connect(&mut line, &options);
    line
}
