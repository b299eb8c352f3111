//! Why a conversation over TLS did not come about or broke, as the end of a sentence that says what
//! to do.
//!
//! Absent: keys and certificates; a fault can be shown to anybody.

use std::fmt;
use std::io;

use rustls::{AlertDescription, CertificateError, InvalidMessage};

use crate::credentials::rough_length;
use crate::tls::Begin;

/// Why a conversation over TLS did not come about or broke.
#[derive(Debug, Clone, PartialEq)]
pub enum TlsFault {
    /// The host is neither a name nor an address that a certificate can be for.
    Name,
    /// The server said more in clear than it should have.
    ClearText,
    /// The server closed before the handshake was over.
    Closed,
    /// The server sent more than a handshake ever has.
    Flood,
    /// The TLS library says so.
    Library {
        /// What it says.
        error: rustls::Error,
        /// When our handshake began.
        begin: Begin,
        /// Whether we have a certificate to show.
        has_certificate: bool,
    },
}

impl TlsFault {
    /// The fault that a socket's error stands for, if it does.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<TlsFault> for io::Error {
    fn from(fault: TlsFault) -> Self {
        Self::new(io::ErrorKind::InvalidData, fault)
    }
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("no certificate can be for this host's name"),
            Self::ClearText => f.write_str(
                "the server went on in clear where TLS has to begin; somebody may have put words \
                 into its mouth",
            ),
            Self::Closed => {
                f.write_str("the server closed during the handshake; its log may say why")
            }
            Self::Flood => f.write_str("the server sends what no handshake has"),
            Self::Library { error, begin, has_certificate } => match error {
                rustls::Error::InvalidCertificate(error) => certificate(f, error),
                rustls::Error::AlertReceived(alert) => alerted(f, *alert, *has_certificate, error),
                rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
                    f.write_str(match begin {
                        Begin::AtOnce => "the server does not begin with TLS; leave --tlsfirst out",
                        Begin::AfterInfo => "what the server sends is not TLS",
                    })
                }
                rustls::Error::PeerIncompatible(reason) => write!(
                    f,
                    "the server has no TLS version or cipher suite in common with us, which is \
                     TLS 1.2 and 1.3 ({reason:?})"
                ),
                error => write!(f, "{error}"),
            },
        }
    }
}

impl std::error::Error for TlsFault {}

/// The server's certificate is not to be trusted.
fn certificate(f: &mut fmt::Formatter<'_>, error: &CertificateError) -> fmt::Result {
    match error {
        // The latter is said of an authority with the name, but not the key, of a trusted one.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => f.write_str(
            "the server's certificate is not signed by an authority that is trusted here; give \
             the right one with --tlsca",
        ),
        CertificateError::ExpiredContext { time, not_after } => {
            let ago = time.as_secs().saturating_sub(not_after.as_secs());
            write!(f, "the server's certificate has expired {} ago", rough_length(ago))
        }
        CertificateError::Expired => f.write_str("the server's certificate has expired"),
        CertificateError::NotValidYetContext { time, not_before } => {
            let rest = not_before.as_secs().saturating_sub(time.as_secs());
            write!(
                f,
                "the server's certificate becomes valid in {}; check this machine's clock",
                rough_length(rest)
            )
        }
        CertificateError::NotValidYet => {
            f.write_str("the server's certificate is not valid yet; check this machine's clock")
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names: Vec<&str> = presented.iter().map(|name| bare(name)).collect();
            let names = if names.is_empty() { "no name at all".into() } else { names.join(", ") };
            write!(f, "the server's certificate is for {names}, and not for {}", expected.to_str())
        }
        CertificateError::NotValidForName => {
            f.write_str("the server's certificate is for another name")
        }
        CertificateError::Revoked => f.write_str("the server's certificate has been revoked"),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            f.write_str("the server's certificate is not made for a server")
        }
        // The only trace of this very common mistake is the library's text.
        error if format!("{error:?}").contains("CaUsedAsEndEntity") => f.write_str(
            "the server shows the certificate of an authority (CA:TRUE) as its own; make it one \
             for servers, signed by that authority",
        ),
        error => write!(f, "the server's certificate is not to be trusted: {error}"),
    }
}

/// The server has refused.
fn alerted(
    f: &mut fmt::Formatter<'_>,
    alert: AlertDescription,
    has_certificate: bool,
    error: &rustls::Error,
) -> fmt::Result {
    match alert {
        AlertDescription::CertificateRequired => f.write_str(DEMANDED),
        // What TLS 1.2 servers say to those who show nothing.
        AlertDescription::BadCertificate | AlertDescription::HandshakeFailure
            if !has_certificate =>
        {
            write!(f, "the server refused ({alert:?}); perhaps {DEMANDED}")
        }
        AlertDescription::CertificateExpired => {
            f.write_str("the server says that our certificate (--tlscert) has expired")
        }
        AlertDescription::BadCertificate
        | AlertDescription::DecryptError
        | AlertDescription::UnknownCA
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateRevoked
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::AccessDenied => write!(
            f,
            "the server does not accept our certificate (--tlscert): {alert:?}; is it signed by \
             the authority that the server trusts?"
        ),
        AlertDescription::ProtocolVersion => {
            f.write_str("the server takes neither TLS 1.2 nor TLS 1.3")
        }
        AlertDescription::HandshakeFailure => {
            f.write_str("the server has no cipher suite or curve in common with us")
        }
        AlertDescription::UnrecognisedName => {
            f.write_str("the server has no certificate for the name that we ask for")
        }
        _ => write!(f, "{error}"),
    }
}

/// `DnsName("example.org")` as `example.org`.
fn bare(name: &str) -> &str {
    let inside = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inside.unwrap_or(name).trim_matches('"')
}

/// What a server that verifies its clients wants.
pub const DEMANDED: &str =
    "the server demands a certificate of its clients; give --tlscert and --tlskey";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presented_names_are_shown_bare() {
        assert_eq!(bare("DnsName(\"a.example\")"), "a.example");
        assert_eq!(bare("IpAddress(127.0.0.1)"), "127.0.0.1");
        assert_eq!(bare("x"), "x");
    }

    #[test]
    fn a_fault_survives_being_a_socket_error() {
        let error = io::Error::from(TlsFault::Closed);
        assert_eq!(TlsFault::of(&error), Some(&TlsFault::Closed));
        assert_eq!(TlsFault::of(&io::Error::from(io::ErrorKind::NotFound)), None);
    }
}
