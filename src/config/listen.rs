//! Where clients connect: addresses, TLS, and what stands before the first protocol line.
//!
//! Absent: sockets and certificates themselves (`io`); files are named here, not read.

use super::access::ConnectionType;
use super::websocket::WebSocket;

/// One place to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Its name in the log; the classic keys make the one named `default`.
    pub name: Box<str>,
    /// Where it is.
    pub address: Address,
    /// The address to tell clients (`client_advertise`), `host:port`.
    pub advertise: Option<Box<str>>,
    /// TLS, when it is spoken here.
    pub tls: Option<Tls>,
    /// Connections begin with a PROXY protocol header, version 1 or 2.
    pub proxy_protocol: bool,
    /// What its connections count as for `allowed_connection_types`.
    pub connection_type: ConnectionType,
    /// Connections through this listener; `None` for any number.
    pub connections_max: Option<u32>,
    /// Its clients speak WebSocket, after a request of HTTP.
    pub websocket: Option<Box<WebSocket>>,
}

impl Listener {
    /// The listener of the classic keys.
    pub fn classic(host: &str, port: u16) -> Self {
        Self {
            name: "default".into(),
            address: Address::Tcp { host: host.into(), port },
            advertise: None,
            tls: None,
            proxy_protocol: false,
            connection_type: ConnectionType::Standard,
            connections_max: None,
            websocket: None,
        }
    }
}

/// Where a listener is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A name or IP address, and a port; port 0 asks the system for any free one.
    Tcp {
        /// Name or IP address.
        host: Box<str>,
        /// Port.
        port: u16,
    },
    /// A Unix domain socket.
    Unix {
        /// Its path.
        path: Box<str>,
        /// Its permission bits; the process's default when absent.
        mode: Option<u32>,
    },
}

/// TLS of one listener, or of the broker as somebody's client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificates with their keys, PEM files; the first is for clients that name no host.
    pub certificates: Vec<Certificate>,
    /// PEM file of the authorities that client certificates come from; the system's when absent.
    pub ca_file: Option<Box<str>>,
    /// Clients must show a certificate.
    pub verify: bool,
    /// The certificate says who the user is.
    pub verify_and_map: bool,
    /// Time for a handshake, in nanoseconds.
    pub timeout_ns: u64,
    /// When the handshake begins.
    pub handshake_first: HandshakeFirst,
    /// Clients may also speak without TLS.
    pub allow_non_tls: bool,
    /// SHA-256 of the public keys (SPKI, lower case hex) of the only certificates that are let in;
    /// empty for all.
    pub pinned_certs: Vec<Box<str>>,
    /// The oldest version; 1.2 when absent.
    pub min_version: Option<TlsVersion>,
    /// Names of cipher suites as Go spells them; empty for the default ones.
    pub cipher_suites: Vec<Box<str>>,
    /// Names of curves as Go spells them; empty for the default ones.
    pub curve_preferences: Vec<Box<str>>,
    /// Handshakes a second that are begun; `None` for any number (`connection_rate_limit`).
    pub connection_rate_limit: Option<u64>,
}

/// One certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// PEM file of the certificate chain.
    pub cert_file: Box<str>,
    /// PEM file of the private key.
    pub key_file: Box<str>,
}

/// TLS versions that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    /// 1.2.
    V12,
    /// 1.3.
    V13,
}

/// When the TLS handshake begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HandshakeFirst {
    /// After the INFO, as NATS has always done.
    #[default]
    No,
    /// At once; there is no INFO before it.
    Yes,
    /// At once if the client begins within this time (`auto` is 50 ms), in nanoseconds; after the
    /// INFO otherwise.
    Auto(u64),
}

impl Tls {
    /// Time for a handshake unless the file says otherwise, in nanoseconds.
    pub const TIMEOUT_NS: u64 = 2_000_000_000;
    /// How long `handshake_first: auto` waits, in nanoseconds.
    pub const AUTO_NS: u64 = 50_000_000;
}
