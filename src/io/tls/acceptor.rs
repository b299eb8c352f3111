//! TLS of one listener, ready for handshakes: certificates, who may come, and how fast.
//!
//! Absent: connections. An acceptor never changes: a reload makes another one, and connections that
//! come after it meet that.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::crypto::ring::{self, Ticketer};
use rustls::pki_types::CertificateDer;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};
use sha2::{Digest, Sha256};
use webpki::EndEntityCert;

use super::certificates::{Certificates, authorities};
use super::{TlsError, names};
use crate::config::listen::{HandshakeFirst, Tls, TlsVersion};
use crate::core::time::Instant;

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Acceptor {
    pub(super) config: Arc<ServerConfig>,
    pins: Vec<[u8; SHA256_BYTES]>,
    pub(crate) handshake_first: HandshakeFirst,
    pub(crate) allow_non_tls: bool,
    pub(crate) timeout_ns: u64,
    pace: Option<Pace>,
}

impl Acceptor {
    /// Reads every file that a configuration names.
    pub(crate) fn load(tls: &Tls) -> Result<Self, TlsError> {
        let mut provider = ring::default_provider();
        if !tls.cipher_suites.is_empty() {
            provider.cipher_suites = names::cipher_suites(&tls.cipher_suites)?;
        }
        if !tls.curve_preferences.is_empty() {
            provider.kx_groups = names::curves(&tls.curve_preferences)?;
        }
        let certificates = Certificates::load(&tls.certificates, &provider)?;
        let provider = Arc::new(provider);
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions(tls.min_version))
            .map_err(choice)?;
        let builder = if tls.verify || tls.verify_and_map {
            let roots = Arc::new(authorities(tls.ca_file.as_deref())?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider)
                .build()
                .map_err(|error| TlsError::Choice(error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder.with_cert_resolver(Arc::new(certificates));
        // Tickets carry their session, so that nothing is kept here for clients that have left.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = Ticketer::new().map_err(choice)?;
        config.send_tls13_tickets = 1;
        let pins = tls.pinned_certs.iter().map(|pin| parse_pin(pin)).collect::<Result<_, _>>()?;
        Ok(Self {
            config: Arc::new(config),
            pins,
            handshake_first: tls.handshake_first,
            allow_non_tls: tls.allow_non_tls,
            timeout_ns: tls.timeout_ns,
            pace: tls.connection_rate_limit.map(Pace::new),
        })
    }

    /// Whether one more handshake may begin now.
    pub(crate) fn admits(&self, now: Instant) -> bool {
        self.pace.as_ref().is_none_or(|pace| pace.admits(now))
    }

    /// Whether a client with this certificate may come in, as far as pins are concerned.
    pub(super) fn is_pinned(&self, certificate: Option<&CertificateDer<'_>>) -> bool {
        if self.pins.is_empty() {
            return true;
        }
        let certificate = certificate.and_then(|der| EndEntityCert::try_from(der).ok());
        certificate.is_some_and(|certificate| {
            let key = certificate.subject_public_key_info();
            let digest = Sha256::digest(&key);
            self.pins.iter().any(|pin| digest[..] == pin[..])
        })
    }
}

fn versions(oldest: Option<TlsVersion>) -> &'static [&'static SupportedProtocolVersion] {
    match oldest {
        None | Some(TlsVersion::V12) => ALL_VERSIONS,
        Some(TlsVersion::V13) => NEWEST_VERSION,
    }
}

fn choice(error: rustls::Error) -> TlsError {
    TlsError::Choice(error.to_string())
}

fn parse_pin(text: &str) -> Result<[u8; SHA256_BYTES], TlsError> {
    let wrong = || TlsError::Pin(text.into());
    let mut pin = [0; SHA256_BYTES];
    if text.len() != 2 * SHA256_BYTES || !text.is_ascii() {
        return Err(wrong());
    }
    for (byte, digits) in pin.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digits = std::str::from_utf8(digits).map_err(|_| wrong())?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
    }
    Ok(pin)
}

/// At most so many in a second, counted in windows of one second as nats-server does. Shards ask
/// it once a handshake, so that its lock is nobody's burden.
#[derive(Debug)]
struct Pace {
    most: u64,
    window: Mutex<Window>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Window {
    ends: Instant,
    begun: u64,
}

impl Pace {
    fn new(most: u64) -> Self {
        Self { most, window: Mutex::default() }
    }

    fn admits(&self, now: Instant) -> bool {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if now >= window.ends {
            *window = Window { ends: now.after_ns(SECOND_NS), begun: 0 };
        }
        window.begun += 1;
        window.begun <= self.most
    }
}

const ALL_VERSIONS: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
const NEWEST_VERSION: &[&SupportedProtocolVersion] = &[&TLS13];
const SHA256_BYTES: usize = 32;
const SECOND_NS: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_a_bounded_number_of_handshakes() {
        let pace = Pace::new(2);
        let at = |ms: u64| Instant::from_ns(ms * 1_000_000);
        let admitted = [0, 1, 2, 999, 1_000, 1_001, 1_002].map(|ms| pace.admits(at(ms)));
        assert_eq!(admitted, [true, true, false, false, true, true, false]);
    }

    #[test]
    fn a_pin_is_a_digest_in_hex() {
        let pin = parse_pin(&"0f".repeat(32)).expect("a good pin");
        assert_eq!(pin, [0x0f; 32]);
        for wrong in ["", "0f", &"0g".repeat(32), &"0f".repeat(33), &"é".repeat(32)] {
            assert!(parse_pin(wrong).is_err(), "{wrong}");
        }
    }
}
