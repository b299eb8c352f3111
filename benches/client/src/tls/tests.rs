//! What a client makes of servers with good and bad certificates, over real sockets, and of files
//! that hold something else than they should.
//!
//! Absent: NATS; the server of these tests is TLS with an echo behind it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};

use super::*;
use crate::link::Link;

/// An authority, and the names of the files that it is written to.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    folder: PathBuf,
}

/// A certificate with its key.
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

impl Authority {
    fn new(test: &str) -> Self {
        Self::named(test, test)
    }

    /// An authority with a name that may be another one's, too.
    fn named(test: &str, name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("fanfare-tls-{}-{test}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(folder.join("ca.pem"), certificate.pem()).unwrap();
        let der = certificate.der().clone();
        Self { issuer: Issuer::new(params, key), certificate: der, folder }
    }

    /// The path of a file with the certificate of this authority.
    fn file(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    fn identity(&self, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity { chain: vec![certificate.der().clone()], key }
    }

    /// Writes a client's identity into files.
    fn written(&self, name: &str) -> (PathBuf, PathBuf) {
        let identity = self.identity(|params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        });
        let (cert, key) = (format!("{name}.pem"), format!("{name}.key"));
        let paths = (self.folder.join(cert), self.folder.join(key));
        let pem = pem_of(&identity.chain[0]);
        std::fs::write(&paths.0, pem).unwrap();
        std::fs::write(&paths.1, identity.key.serialize_pem()).unwrap();
        paths
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn pem_of(certificate: &CertificateDer<'_>) -> String {
    let text = data_encoding::BASE64.encode(certificate);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

/// Whether the server asks for a certificate.
enum Ask<'a> {
    Nobody,
    Everybody(&'a Authority),
}

/// Serves one connection and sends back what comes, until the client closes.
fn serve(identity: Identity, ask: Ask<'_>) -> (SocketAddr, JoinHandle<()>) {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match ask {
        Ask::Nobody => builder.with_no_client_auth(),
        Ask::Everybody(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.certificate.clone()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
    };
    let key = PrivatePkcs8KeyDer::from(identity.key.serialize_der());
    let config = Arc::new(builder.with_single_cert(identity.chain, key.into()).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), socket);
        let mut piece = vec![0; 100_000];
        // A client that refuses us ends the conversation, which is what some tests are about.
        while let Ok(count @ 1..) = stream.read(&mut piece) {
            if stream.write_all(&piece[..count]).and_then(|()| stream.flush()).is_err() {
                break;
            }
        }
        // Closing with bytes unread would reset the connection, and the alert could be lost.
        let _ = std::io::copy(&mut stream.sock, &mut std::io::sink());
    });
    (address, thread)
}

/// Sends bytes to a server and waits for them to come back.
fn echo(client: &TlsClient, host: &str, address: &SocketAddr, bytes: &[u8]) -> Result<(), String> {
    let shown = |error: std::io::Error| match TlsFault::of(&error) {
        Some(fault) => fault.to_string(),
        None => panic!("{error}"),
    };
    let mut link = Link::dial(address).unwrap();
    link.secure(&client.target(host).unwrap()).map_err(shown)?;
    // In pieces that the server is able to send back before the next one comes.
    for piece in bytes.chunks(50_000) {
        link.send(piece).map_err(shown)?;
        while link.input.len() < piece.len() {
            assert!(link.fill().map_err(shown)? > 0);
        }
        assert_eq!(link.input, piece);
        link.input.clear();
    }
    Ok(())
}

/// The outcome of a conversation with a server that has this identity.
fn meet(wishes: &TlsWishes, host: &str, identity: Identity, ask: Ask<'_>) -> Result<(), String> {
    let client = TlsClient::new(wishes).unwrap();
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let (address, thread) = serve(identity, ask);
    let outcome = echo(&client, host, &address, &bytes);
    thread.join().unwrap();
    outcome
}

fn trusting(authority: &Authority) -> TlsWishes {
    TlsWishes { ca: Some(authority.file()), ..TlsWishes::default() }
}

#[test]
fn bytes_go_through_in_both_directions() {
    let authority = Authority::new("echo");
    for host in ["localhost", "127.0.0.1", "localhost."] {
        let identity = authority.identity(|_| {});
        assert_eq!(meet(&trusting(&authority), host, identity, Ask::Nobody), Ok(()), "{host}");
    }
}

#[test]
fn a_server_that_is_not_to_be_trusted_is_refused_with_the_reason() {
    let (authority, other) = (Authority::new("good"), Authority::new("other"));
    let impostor = Authority::named("impostor", "good");
    let refused = |wishes: &TlsWishes, host, identity| {
        meet(wishes, host, identity, Ask::Nobody).expect_err("an untrusted server was accepted")
    };
    let wishes = trusting(&authority);
    for foreign in [&other, &impostor] {
        let error = refused(&wishes, "localhost", foreign.identity(|_| {}));
        assert!(error.contains("not signed by an authority that is trusted"), "{error}");
    }
    let error = refused(&wishes, "nats.example", authority.identity(|_| {}));
    assert!(error.contains("is for localhost, 127.0.0.1, and not for nats.example"), "{error}");
    let old = authority.identity(|params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    let error = refused(&wishes, "localhost", old);
    assert!(error.contains("has expired") && error.contains("days ago"), "{error}");
    let early = authority.identity(|params| params.not_before = rcgen::date_time_ymd(4000, 1, 1));
    let error = refused(&wishes, "localhost", early);
    assert!(error.contains("becomes valid in"), "{error}");
    let client_only = authority.identity(|params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let error = refused(&wishes, "localhost", client_only);
    assert!(error.contains("not made for a server"), "{error}");
    let ca = authority.identity(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    let error = refused(&wishes, "localhost", ca);
    assert!(error.contains("certificate of an authority"), "{error}");
}

#[test]
fn without_a_check_anybody_is_taken() {
    let authority = Authority::new("unchecked");
    let wishes = TlsWishes { check: Check::Nothing, ..TlsWishes::default() };
    let old = authority.identity(|params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    assert_eq!(meet(&wishes, "nats.example", old, Ask::Nobody), Ok(()));
}

#[test]
fn a_server_that_asks_gets_our_certificate_or_the_reason_is_told() {
    let (authority, other) = (Authority::new("asked"), Authority::new("stranger"));
    let impostor = Authority::named("mask", "asked");
    let server = || authority.identity(|_| {});
    let mut wishes = trusting(&authority);
    let error = meet(&wishes, "localhost", server(), Ask::Everybody(&authority)).unwrap_err();
    assert!(error.contains("demands a certificate of its clients"), "{error}");
    wishes.identity = Some(authority.written("client"));
    assert_eq!(meet(&wishes, "localhost", server(), Ask::Everybody(&authority)), Ok(()));
    for foreign in [&other, &impostor] {
        wishes.identity = Some(foreign.written("client"));
        let error = meet(&wishes, "localhost", server(), Ask::Everybody(&authority)).unwrap_err();
        assert!(error.contains("does not accept our certificate"), "{error}");
    }
}

#[test]
fn a_server_in_clear_is_no_tls_server() {
    let authority = Authority::new("clear");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.write_all(b"INFO {\"server_id\":\"x\"} \r\n").unwrap();
        // What the client makes of it comes back as an alert.
        let mut alert = Vec::new();
        socket.read_to_end(&mut alert).unwrap();
        assert!(alert.len() > 7);
    });
    let wishes = TlsWishes { begin: Begin::AtOnce, ..trusting(&authority) };
    let client = TlsClient::new(&wishes).unwrap();
    let error = echo(&client, "localhost", &address, b"x").unwrap_err();
    assert!(error.contains("leave --tlsfirst out"), "{error}");
    thread.join().unwrap();
}

#[test]
fn words_behind_info_are_not_taken_for_the_servers_own() {
    let authority = Authority::new("injected");
    let client = TlsClient::new(&trusting(&authority)).unwrap();
    let (address, thread) = serve(authority.identity(|_| {}), Ask::Nobody);
    let mut link = Link::dial(&address).unwrap();
    link.input.extend_from_slice(b"MSG a 1 0\r\n\r\n");
    let error = link.secure(&client.target("localhost").unwrap()).unwrap_err();
    assert_eq!(TlsFault::of(&error), Some(&TlsFault::ClearText));
    drop(link);
    thread.join().unwrap();
}

#[test]
fn files_that_hold_something_else_are_refused_by_name() {
    let authority = Authority::new("files");
    let (certificate, key) = authority.written("client");
    let (_, foreign_key) = authority.written("foreign");
    let junk = authority.folder.join("junk.pem");
    std::fs::write(&junk, "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n").unwrap();
    let empty = authority.folder.join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let locked = authority.folder.join("locked.key");
    let text = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    std::fs::write(&locked, text).unwrap();
    let with_ca = |path: &Path| TlsWishes { ca: Some(path.into()), ..TlsWishes::default() };
    let with_identity = |certificate: &Path, key: &Path| TlsWishes {
        identity: Some((certificate.into(), key.into())),
        ..trusting(&authority)
    };
    let cases = [
        (with_ca(&junk), "--tlsca", "broken"),
        (with_ca(&empty), "--tlsca", "no certificate in it"),
        (with_ca(&key), "--tlsca", "no certificate in it"),
        (with_ca(Path::new("/nowhere")), "--tlsca", "no such file"),
        (with_identity(&certificate, &foreign_key), "--tlskey", "not the key of"),
        (with_identity(&certificate, &certificate), "--tlskey", "no private key in it"),
        (with_identity(&certificate, &locked), "--tlskey", "encrypted"),
        (with_identity(&empty, &key), "--tlscert", "no certificate in it"),
    ];
    for (wishes, option, expected) in cases {
        let error = TlsClient::new(&wishes).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with(option) && text.contains(expected), "{text}");
        assert_eq!(error.exit_code(), 2);
    }
    let good = TlsClient::new(&with_identity(&certificate, &key)).unwrap();
    assert!(!format!("{good:?}").contains("key"));
}

/// A server without a socket that speaks these versions, and what a client needs to talk to it. Its
/// certificate is good for nothing and not looked at.
pub(crate) fn peer(
    versions: &[&'static SupportedProtocolVersion],
) -> (ServerConnection, TlsTarget) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.into())
        .unwrap();
    let wishes = TlsWishes { check: Check::Nothing, ..TlsWishes::default() };
    let target = TlsClient::new(&wishes).unwrap().target("localhost").unwrap();
    (ServerConnection::new(Arc::new(config)).unwrap(), target)
}
