//! What every kind of connection does with operations that are not messages, and how a connection
//! can end a run.
//!
//! Absent: messages.

use std::fmt;
use std::io;

use fanfare_protocol::server_op::{ServerError, ServerOp};

use crate::denied::Denied;
use crate::target::PONG;
use crate::tls::fault::TlsFault;

/// What a role made of the bytes that came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// Bytes used; the rest is an operation that has not arrived whole.
    pub bytes: usize,
    /// Messages or replies that count as received.
    pub messages: u64,
    /// PONGs.
    pub pongs: u64,
}

impl Taken {
    /// Uses an operation that is no message: answers a PING, counts a PONG.
    #[inline]
    pub fn note_control(&mut self, op: ServerOp<'_>, answers: &mut Vec<u8>) -> Result<(), Fault> {
        match op {
            ServerOp::Ping => answers.extend_from_slice(PONG),
            ServerOp::Pong => self.pongs += 1,
            ServerOp::Error(text) => {
                return Err(Fault::Told(String::from_utf8_lossy(text).into_owned()));
            }
            ServerOp::Info(_) | ServerOp::Ok | ServerOp::Message(_) => {}
        }
        Ok(())
    }
}

/// Why a connection cannot go on.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// The server reported an error.
    Told(String),
    /// The server sent something that is not the protocol.
    Garbled,
    /// The server closed the connection.
    Closed,
    /// The socket broke.
    Broken(String),
    /// TLS did not come about, or broke.
    Tls(TlsFault),
    /// A request met nobody who answers.
    NoResponders,
}

impl From<ServerError> for Fault {
    fn from(_: ServerError) -> Self {
        Self::Garbled
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match (TlsFault::of(&error), error.kind()) {
            (Some(fault), _) => Self::Tls(fault.clone()),
            (None, io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => Self::Closed,
            (None, _) => Self::Broken(error.to_string()),
        }
    }
}

impl From<TlsFault> for Fault {
    fn from(fault: TlsFault) -> Self {
        Self::Tls(fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Told(text) => match Denied::parse(text) {
                Some(denied) => write!(f, "the server does not permit us to {denied}"),
                None => write!(f, "the server reported an error: {text}"),
            },
            Self::Garbled => f.write_str("the server sent bytes that are not its protocol"),
            Self::Closed => f.write_str(
                "the server closed the connection; if it cut a slow consumer, give a smaller \
                 --window",
            ),
            Self::Tls(fault) => write!(f, "no TLS: {fault}"),
            Self::Broken(error) => write!(f, "the connection broke: {error}"),
            Self::NoResponders => {
                f.write_str("the server says that nobody answers requests on this subject")
            }
        }
    }
}
