//! TLS, between a socket and the core: certificates and policy, handshakes, records.
//!
//! Absent: the protocol inside, and whose certificate is whose (`core::auth`). Everything of rustls
//! is named in this room alone. It keeps no buffer for a connection that has nothing under way:
//! bytes are opened and sealed in rooms that all connections of a shard share.

mod acceptor;
mod certificates;
mod names;
mod outgoing;
mod session;

use std::fmt;
use std::io;

use super::errno;

pub(crate) use acceptor::Acceptor;
pub(crate) use outgoing::Outgoing;
pub(super) use session::{Rooms, Session, Shake, ShakeError};

/// Why TLS cannot be spoken as it is configured.
#[derive(Debug)]
pub enum TlsError {
    /// A file cannot be read.
    Unreadable(Box<str>, io::Error),
    /// A file is not what it should be.
    File {
        /// Which one.
        file: Box<str>,
        /// What is wrong with it.
        why: String,
    },
    /// There is no certificate at all.
    NoCertificate,
    /// The system has no authorities for client certificates.
    NoAuthorities,
    /// A cipher suite that nobody knows.
    UnknownCipher(Box<str>),
    /// A cipher suite that exists elsewhere.
    MissingCipher(Box<str>),
    /// A curve that nobody knows.
    UnknownCurve(Box<str>),
    /// A curve that exists elsewhere.
    MissingCurve(Box<str>),
    /// A pinned certificate that is no SHA-256 in hex.
    Pin(Box<str>),
    /// What was chosen does not go together.
    Choice(String),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(file, error) => {
                write!(f, "error reading {file}: {}", errno::plain(error))
            }
            Self::File { file, why } => write!(f, "error in {file}: {why}"),
            Self::NoCertificate => f.write_str("TLS needs a certificate and its key"),
            Self::NoAuthorities => {
                f.write_str("the system has no certificate authorities; name some with ca_file")
            }
            Self::UnknownCipher(name) => write!(f, "unrecognized cipher {name}"),
            Self::MissingCipher(name) => write!(
                f,
                "cipher {name} is not supported: only suites with forward secrecy and \
                 authenticated encryption are (TLS_ECDHE_…_GCM_… and …_CHACHA20_POLY1305)"
            ),
            Self::UnknownCurve(name) => write!(f, "unrecognized curve preference {name}"),
            Self::MissingCurve(name) => {
                write!(f, "curve {name} is not supported: X25519, CurveP256 and CurveP384 are")
            }
            Self::Pin(pin) => {
                write!(f, "pinned certificate {pin} is no SHA-256 in lower case hex")
            }
            Self::Choice(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for TlsError {}
