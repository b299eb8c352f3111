//! Why a broker cannot start or go on, in words for its operator.
//!
//! Absent: what to do about it; whoever runs the broker ends with it.

use std::fmt;
use std::io;

use crate::core::auth::operator::OperatorError;
use crate::core::policy::PolicyError;
use crate::io::errno;
use crate::io::log_sink::SinkError;
use crate::io::tls::TlsError;

/// Why a broker could not start, or had to end.
#[derive(Debug)]
pub enum RunError {
    /// The log cannot be opened.
    Log(SinkError),
    /// The address cannot be listened on.
    Listen(String, io::Error),
    /// The path cannot be listened at.
    ListenAt(String, io::Error),
    /// More listeners than there may be.
    Listeners(usize),
    /// The TLS of the listener with this name is not in order.
    Tls(String, TlsError),
    /// The monitoring port cannot be listened on.
    MonitorPort(io::Error),
    /// The file for the process id cannot be written.
    PidFile(String, io::Error),
    /// The system refused something else that a start needs.
    System(&'static str, io::Error),
    /// Operator mode is not in order.
    Operator(OperatorError),
    /// The directory of account JWTs cannot be read.
    AccountFiles(Box<str>, io::Error),
    /// The web server that accounts come from cannot be asked.
    Resolver(String),
    /// The configuration contradicts itself.
    Policy(PolicyError),
    /// Clients of another process cannot be taken over, or that process goes on with them.
    TakingOver(String),
    /// A shard ended though nobody stopped it.
    ShardEnded,
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(error) => error.fmt(f),
            Self::Listen(address, error) => {
                let error = errno::plain(error);
                write!(f, "Error listening on port: {address}, \"listen tcp {address}: {error}\"")
            }
            Self::ListenAt(path, error) => {
                let error = errno::plain(error);
                write!(f, "Error listening at path: {path}, \"listen unix {path}: {error}\"")
            }
            Self::Listeners(most) => write!(f, "there may be {most} listeners at most"),
            Self::Tls(listener, error) => write!(f, "TLS of listener {listener}: {error}"),
            Self::MonitorPort(error) => {
                write!(f, "can't listen to the monitor port: {}", errno::plain(error))
            }
            Self::PidFile(path, error) => {
                write!(f, "Could not write pidfile: open {path}: {}", errno::plain(error))
            }
            Self::System(what, error) => write!(f, "error {what}: {error}"),
            Self::Operator(error) => error.fmt(f),
            Self::AccountFiles(directory, error) => {
                write!(f, "account resolver: open {directory}: {}", errno::plain(error))
            }
            Self::Resolver(why) => write!(f, "account resolver: {why}"),
            Self::Policy(error) => error.fmt(f),
            Self::TakingOver(why) => write!(f, "taking over from another process: {why}"),
            Self::ShardEnded => f.write_str("a shard ended unexpectedly"),
        }
    }
}

impl std::error::Error for RunError {}
