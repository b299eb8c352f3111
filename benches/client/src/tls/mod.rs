//! What a client needs to talk TLS: whom it trusts, who it is, and what it does when a server is
//! not the one it says.
//!
//! Absent: the conversation (`session`) and the socket (`channel`). Sessions are not resumed: each
//! connection stands for a client of its own, which has never been here before.

pub mod fault;
pub mod session;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::failure::Failure;
use crate::named_file::{self, FileError};
use crate::tls::fault::TlsFault;

/// What a person said about TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsWishes {
    /// A file with the authorities to trust; without one, those of the system are trusted.
    pub ca: Option<PathBuf>,
    /// Files with the client's certificate and with its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// When the handshake takes place.
    pub begin: Begin,
    /// Whether the server's certificate is looked at.
    pub check: Check,
}

/// When the handshake takes place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Begin {
    /// After the server's INFO, which comes in clear.
    #[default]
    AfterInfo,
    /// Before anything else.
    AtOnce,
}

/// Whether the server's certificate is looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Check {
    /// It has to be valid, and for the name that we connect to.
    #[default]
    Full,
    /// Anybody may answer.
    Nothing,
}

/// Everything that the connections to all servers share.
#[derive(Clone)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    begin: Begin,
    has_certificate: bool,
}

/// The same for one server.
#[derive(Clone)]
pub struct TlsTarget {
    client: TlsClient,
    name: ServerName<'static>,
}

impl TlsClient {
    /// Reads the files that the wishes name.
    pub fn new(wishes: &TlsWishes) -> Result<Self, Failure> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::Run(format!("cannot set up TLS: {error}")))?;
        let builder = match (wishes.check, &wishes.ca) {
            (Check::Nothing, _) => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(NoVerifier { provider })),
            (Check::Full, Some(path)) => builder.with_root_certificates(authorities(path)?),
            (Check::Full, None) => builder.with_root_certificates(system_authorities()?),
        };
        let mut config = match &wishes.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(CERT, certificate)?;
                let key_der = private_key(key)?;
                builder.with_client_auth_cert(chain, key_der).map_err(|error| {
                    let reason = match error {
                        rustls::Error::InconsistentKeys(_) => {
                            format!("it is not the key of {}", certificate.display())
                        }
                        error => format!("it cannot be used with its certificate: {error}"),
                    };
                    FileError::new(KEY, key, reason)
                })?
            }
        };
        config.resumption = Resumption::disabled();
        Ok(Self {
            config: Arc::new(config),
            begin: wishes.begin,
            has_certificate: wishes.identity.is_some(),
        })
    }

    /// The part for one server; the host is what its certificate has to be for.
    pub fn target(&self, host: &str) -> Result<TlsTarget, TlsFault> {
        // A name with a dot at its end is the same name; certificates are written without.
        let host = host.strip_suffix('.').unwrap_or(host);
        let name = ServerName::try_from(host.to_owned()).map_err(|_| TlsFault::Name)?;
        Ok(TlsTarget { client: self.clone(), name })
    }
}

impl fmt::Display for Begin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AfterInfo => "begun after INFO",
            Self::AtOnce => "begun before INFO",
        })
    }
}

impl TlsTarget {
    /// When the handshake takes place.
    pub fn begin(&self) -> Begin {
        self.client.begin
    }

    /// Whether we are able to show a certificate.
    pub fn has_certificate(&self) -> bool {
        self.client.has_certificate
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the configuration, which knows the key.
        f.debug_struct("TlsClient").field("begin", &self.begin).finish_non_exhaustive()
    }
}

impl fmt::Debug for TlsTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsTarget").field("name", &self.name).finish_non_exhaustive()
    }
}

fn authorities(path: &Path) -> Result<RootCertStore, FileError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(CA, path)? {
        roots.add(certificate).map_err(|error| {
            FileError::new(CA, path, format!("a certificate of it makes no sense: {error}"))
        })?;
    }
    Ok(roots)
}

fn system_authorities() -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    // A system's collection may hold certificates that nobody understands any more.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(Failure::Run(
            "this system has no collection of certificate authorities; give the one to trust \
             with --tlsca"
                .to_owned(),
        ));
    }
    Ok(roots)
}

fn certificates(
    option: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let bytes = named_file::read(option, path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let certificates = certificates
        .map_err(|_| FileError::new(option, path, "it is not a PEM file, or broken"))?;
    if certificates.is_empty() {
        let reason = "there is no certificate in it (-----BEGIN CERTIFICATE-----)";
        return Err(FileError::new(option, path, reason));
    }
    Ok(certificates)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, FileError> {
    let bytes = named_file::read(KEY, path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| {
        let is_encrypted = bytes.windows(ENCRYPTED.len()).any(|window| window == ENCRYPTED);
        let reason = match error {
            pem::Error::NoItemsFound if is_encrypted => {
                "the key in it is encrypted; decrypt it first, for instance with `openssl pkey`"
            }
            pem::Error::NoItemsFound => "there is no private key in it",
            _ => "it is not a PEM file, or broken",
        };
        FileError::new(KEY, path, reason)
    })
}

/// Takes any certificate, for `--tls-insecure`. What the server signs is still checked, so that it
/// has the key to the certificate that it shows.
#[derive(Debug)]
struct NoVerifier {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for NoVerifier {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

const CA: &str = "--tlsca";
const CERT: &str = "--tlscert";
const KEY: &str = "--tlskey";
const ENCRYPTED: &[u8] = b"ENCRYPTED";

#[cfg(test)]
pub(crate) mod tests;
