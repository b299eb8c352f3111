//! The other end of TLS for tests: the library's own server.
//!
//! Absent: sockets, and certificates that anybody would check.

use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, SupportedProtocolVersion};

use super::{Check, TlsClient, TlsTarget, TlsWishes};

/// A server that speaks these versions, and what a client needs to talk to it.
pub(crate) fn new(versions: &[&'static SupportedProtocolVersion]) -> (ServerConnection, TlsTarget) {
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
