//! Why there is no connection, as one line that says what to do.
//!
//! Absent: credentials; what is said about them comes ready from `credentials`.

use std::fmt;
use std::io;

use crate::link::ANSWER_TIMEOUT;
use crate::tls::fault::{DEMANDED, TlsFault};
use crate::wire::Wire;

/// Where it happened and what.
#[derive(Debug)]
pub struct LinkError {
    /// `host:port`.
    pub place: String,
    /// What.
    pub cause: Cause,
}

/// Why there is no connection.
#[derive(Debug)]
pub enum Cause {
    /// The name has no address.
    Unknown,
    /// The connection was refused or did not come about.
    Connect(io::Error),
    /// No answer in time.
    Silent,
    /// The server closed without a word.
    Closed,
    /// The server closed before it introduced itself.
    ClosedBeforeInfo,
    /// The server refused the credentials.
    NotLetIn {
        /// What it said.
        text: String,
        /// What to look at.
        advice: String,
    },
    /// The server has waited for TLS.
    WantsTls(String),
    /// The server does not permit what we want to do.
    Denied(String),
    /// The server refused with another `-ERR`.
    Told(String),
    /// What answered does not speak the protocol.
    Foreign(Wire),
    /// The server offers no TLS, and TLS was asked for.
    NoTls,
    /// The server wants a client certificate and there is none.
    NoCertificate,
    /// TLS did not come about.
    Tls(TlsFault),
    /// TLS cannot be set up here.
    TlsSetup(String),
    /// The connection broke.
    Broken(io::Error),
}

impl LinkError {
    /// The error for what a socket says.
    pub fn of_socket(place: &str, error: io::Error) -> Self {
        let cause = match (TlsFault::of(&error), error.kind()) {
            (Some(fault), _) => Cause::Tls(fault.clone()),
            (None, io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Cause::Silent,
            (None, io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => Cause::Closed,
            (None, _) => Cause::Broken(error),
        };
        Self { place: place.to_owned(), cause }
    }
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = &self.place;
        match &self.cause {
            Cause::Unknown => {
                write!(f, "{place} has no address; check the name, or give another with --server")
            }
            Cause::Connect(error) => connect(f, place, error),
            Cause::Silent => write!(
                f,
                "{place} took the connection and then said nothing for {} s; is it a NATS server?",
                ANSWER_TIMEOUT.as_secs()
            ),
            Cause::Closed => {
                write!(f, "{place} closed the connection without a word; its log may say why")
            }
            Cause::ClosedBeforeInfo => write!(
                f,
                "{place} closed the connection without a word; its log may say why; if it wants \
                 TLS at once, give --tlsfirst"
            ),
            Cause::NotLetIn { text, advice } => {
                write!(f, "{place} does not let us in ({text}): {advice}")
            }
            Cause::WantsTls(text) => write!(
                f,
                "{place} waited for TLS in vain ({text}); if it wants TLS at once, give --tlsfirst"
            ),
            Cause::Denied(deed) => write!(f, "{place} does not permit us to {deed}"),
            Cause::Told(text) => write!(f, "{place} refused: {text}"),
            Cause::Foreign(wire) => write!(f, "what answers on {place} does not speak {wire}"),
            Cause::NoTls => write!(
                f,
                "{place} does not speak TLS, and nothing is sent in clear because TLS was asked for"
            ),
            Cause::NoCertificate => write!(f, "no TLS with {place}: {DEMANDED}"),
            Cause::Tls(fault) => write!(f, "no TLS with {place}: {fault}"),
            Cause::TlsSetup(sentence) => write!(f, "{place} demands TLS: {sentence}"),
            Cause::Broken(error) => write!(f, "the connection to {place} broke: {error}"),
        }
    }
}

impl std::error::Error for LinkError {}

fn connect(f: &mut fmt::Formatter<'_>, place: &str, error: &io::Error) -> fmt::Result {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            write!(f, "nothing listens on {place}; start a broker with `fanfare`")
        }
        io::ErrorKind::TimedOut => {
            write!(f, "{place} does not answer; check the address, and firewalls between")
        }
        _ => match error.raw_os_error() {
            Some(EMFILE) => f.write_str(
                "this process may not open more connections; raise the limit with `ulimit -n`",
            ),
            _ => write!(f, "cannot connect to {place}: {error}"),
        },
    }
}

/// The system's number for "too many open files".
const EMFILE: i32 = 24;
