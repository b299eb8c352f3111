//! A raw client with TLS: the handshake where the test wants it, then bytes.
//!
//! Absent: the protocol beyond lines and fences.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};

use crate::broker::{Settings, scratch};
use crate::parity::Certificates;
use crate::wire::{Connection, DEADLINE};

/// A path of one of the certificates' files, ready to stand in a configuration.
pub(crate) fn file(name: &str) -> String {
    Certificates::get().file(name).to_str().expect("a plain path").to_owned()
}

/// A `tls` block with the server's certificate and what else is wanted.
pub(crate) fn tls(more: &str) -> String {
    let (cert, key) = (file("server.pem"), file("server.key"));
    format!("tls {{ cert_file: \"{cert}\", key_file: \"{key}\", {more} }}\n")
}

/// Settings with a configuration file.
pub(crate) fn configured(text: &str) -> Settings {
    Settings::default().arguments(&["-c", &written(text)])
}

/// A configuration file.
pub(crate) fn written(text: &str) -> String {
    let path: PathBuf = scratch("server.conf");
    std::fs::write(&path, text).expect("the scratch directory");
    path.to_str().expect("a plain path").to_owned()
}

/// What a client offers and shows.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    /// Its versions.
    pub(crate) versions: &'static [&'static SupportedProtocolVersion],
    /// The name of its certificate.
    pub(crate) certificate: Option<&'static str>,
    /// The host it asks for.
    pub(crate) host: &'static str,
}

impl Default for Offer {
    fn default() -> Self {
        Self { versions: rustls::ALL_VERSIONS, certificate: None, host: "localhost" }
    }
}

impl Offer {
    /// A configuration that remembers sessions, as long as it lives.
    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_file(file("ca.pem")).expect("an authority");
        roots.add(authority).expect("an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(self.versions)
            .expect("versions")
            .with_root_certificates(roots);
        let Some(name) = self.certificate else {
            return Arc::new(builder.with_no_client_auth());
        };
        let certificate = file(&format!("{name}.pem"));
        let chain = vec![CertificateDer::from_pem_file(certificate).expect("a certificate")];
        let key = PrivateKeyDer::from_pem_file(file(&format!("{name}.key"))).expect("a key");
        Arc::new(builder.with_client_auth_cert(chain, key).expect("a pair"))
    }

    /// Connects to a listener that greets first, and shakes hands.
    pub(crate) fn connect(&self, address: SocketAddr) -> Result<Secure, String> {
        let (stream, greeting) = greeted(address);
        assert!(greeting.contains("\"tls_"), "greeted with {greeting}");
        Secure::shake(stream, self.config(), self.host)
    }
}

/// A socket that has been greeted, and the greeting.
pub(crate) fn greeted(address: SocketAddr) -> (TcpStream, String) {
    let stream = opened(address);
    let mut connection = Connection::adopt(stream.try_clone().expect("a descriptor"));
    let greeting = connection.line();
    assert!(greeting.starts_with("INFO {"), "greeted with {greeting:?}");
    assert_eq!(connection.pending(), b"", "nothing follows the greeting in clear");
    (stream, greeting)
}

/// A socket.
pub(crate) fn opened(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the broker accepts");
    stream.set_nodelay(true).expect("a TCP socket");
    stream.set_read_timeout(Some(DEADLINE)).expect("a positive timeout");
    stream.set_write_timeout(Some(DEADLINE)).expect("a positive timeout");
    stream
}

/// A connection with TLS.
pub(crate) struct Secure {
    pub(crate) stream: Box<StreamOwned<ClientConnection, TcpStream>>,
    pending: Vec<u8>,
}

impl std::fmt::Debug for Secure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secure").finish_non_exhaustive()
    }
}

impl Secure {
    /// Shakes hands on a socket.
    pub(crate) fn shake(
        stream: TcpStream,
        config: Arc<ClientConfig>,
        host: &'static str,
    ) -> Result<Self, String> {
        let name = ServerName::try_from(host).expect("a name");
        let session = ClientConnection::new(config, name).map_err(|why| why.to_string())?;
        let mut stream = Box::new(StreamOwned::new(session, stream));
        while stream.conn.is_handshaking() {
            if let Err(error) = stream.conn.complete_io(&mut stream.sock) {
                assert!(error.kind() != ErrorKind::WouldBlock, "the handshake does not end");
                return Err(error.to_string());
            }
        }
        Ok(Self { stream, pending: Vec::new() })
    }

    /// Sends bytes.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).and_then(|()| self.stream.flush()).expect("sent");
    }

    /// Waits for more bytes; false when the peer has closed, or refused what was sent.
    pub(crate) fn fill(&mut self) -> bool {
        let mut chunk = [0; 16384];
        match self.stream.read(&mut chunk) {
            Ok(0) => false,
            Ok(count) => {
                self.pending.extend_from_slice(&chunk[..count]);
                true
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("nothing arrives"),
            Err(_) => false,
        }
    }

    /// The next line, without its CR LF.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        let end = loop {
            if let Some(end) = self.pending.windows(2).position(|pair| pair == b"\r\n") {
                break end;
            }
            assert!(self.fill(), "closed in a line: {}", self.pending.escape_ascii());
        };
        let line = self.bytes(end + 2);
        String::from_utf8_lossy(&line[..end]).into_owned()
    }

    /// The next bytes.
    #[track_caller]
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.pending.len() < count {
            assert!(self.fill(), "closed: {}", self.pending.escape_ascii());
        }
        self.pending.drain(..count).collect()
    }

    /// Says CONNECT, and that everything is done up to here.
    pub(crate) fn connect(&mut self) {
        self.send("CONNECT {\"verbose\":false,\"pedantic\":false}\r\n");
        self.fence();
    }

    /// Everything that was sent has been executed.
    #[track_caller]
    pub(crate) fn fence(&mut self) {
        self.send("PING\r\n");
        while self.line() != "PONG" {}
    }

    /// Everything until the peer closes.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.pending)
    }
}
