//! Certificate and key files, and which certificate a client gets to see.
//!
//! Absent: what certificates of clients mean. Every error names its file.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, SignatureScheme};
use webpki::EndEntityCert;

use super::TlsError;
use crate::config::listen::Certificate;

/// Certificates in the order of the configuration.
pub(super) struct Certificates(Vec<Arc<CertifiedKey>>);

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificates").field(&self.0.len()).finish()
    }
}

impl Certificates {
    /// Reads all of them.
    pub(super) fn load(files: &[Certificate], provider: &CryptoProvider) -> Result<Self, TlsError> {
        if files.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        let keys = files.iter().map(|files| load(files, provider).map(Arc::new));
        keys.collect::<Result<_, _>>().map(Self)
    }
}

impl ResolvesServerCert for Certificates {
    /// As Go chooses: the only one; or the first that the client can check and that has the name
    /// it asks for; or the first that it can check; or the first.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let first = self.0.first()?;
        if self.0.len() == 1 {
            return Some(Arc::clone(first));
        }
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let can_check =
            |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        let named = |key: &&Arc<CertifiedKey>| name.as_ref().is_some_and(|name| names(key, name));
        let usable = || self.0.iter().filter(can_check);
        let chosen = usable().find(named).or_else(|| usable().next()).unwrap_or(first);
        Some(Arc::clone(chosen))
    }
}

impl ResolvesClientCert for Certificates {
    /// The first that the server can check.
    fn resolve(&self, _hints: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let mut keys = self.0.iter();
        keys.find(|key| key.key.choose_scheme(schemes).is_some()).cloned()
    }
    fn has_certs(&self) -> bool {
        !self.0.is_empty()
    }
}

fn names(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let certificate = key.cert.first().and_then(|der| EndEntityCert::try_from(der).ok());
    certificate
        .is_some_and(|certificate| certificate.verify_is_valid_for_subject_name(name).is_ok())
}

fn load(files: &Certificate, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let chain = read_chain(&files.cert_file)?;
    let key = PrivateKeyDer::from_pem_file(&*files.key_file)
        .map_err(|error| unreadable(&files.key_file, error, "no private key"))?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| {
        let why = match error {
            rustls::Error::InconsistentKeys(_) => {
                format!("it is not the key of the certificate in {}", files.cert_file)
            }
            other => format!("the certificate in {} or this key: {other}", files.cert_file),
        };
        TlsError::File { file: files.key_file.clone(), why }
    })
}

fn read_chain(file: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let chain: Vec<_> = read.map_err(|error| unreadable(file, error, NO_CERTIFICATE))?;
    let Some(first) = chain.first() else {
        return Err(TlsError::File { file: file.into(), why: NO_CERTIFICATE.to_owned() });
    };
    match EndEntityCert::try_from(first) {
        Ok(_) => Ok(chain),
        Err(error) => {
            let why = format!("the first certificate: {error}");
            Err(TlsError::File { file: file.into(), why })
        }
    }
}

/// The authorities in a file, or those of the system.
pub(super) fn authorities(file: Option<&str>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let Some(file) = file else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return if roots.is_empty() { Err(TlsError::NoAuthorities) } else { Ok(roots) };
    };
    for certificate in read_chain(file)? {
        roots.add(certificate).map_err(|error| TlsError::File {
            file: file.into(),
            why: format!("a certificate in it: {error}"),
        })?;
    }
    Ok(roots)
}

fn unreadable(file: &str, error: pem::Error, nothing: &str) -> TlsError {
    match error {
        pem::Error::Io(error) => TlsError::Unreadable(file.into(), strip(error)),
        pem::Error::NoItemsFound => TlsError::File { file: file.into(), why: nothing.to_owned() },
        other => TlsError::File { file: file.into(), why: other.to_string() },
    }
}

/// An error of the system without what a library has wrapped around it.
fn strip(error: io::Error) -> io::Error {
    error.raw_os_error().map_or(error, io::Error::from_raw_os_error)
}

const NO_CERTIFICATE: &str = "no certificate";
