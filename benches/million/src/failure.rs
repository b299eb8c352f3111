//! Why a run ended before its time.
//!
//! Absent: recovery. A run that failed is worth nothing; it says why and ends.

use std::{fmt, io};

/// What went wrong.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A system call, and what it was for.
    System(&'static str, io::Error),
    /// The server does not speak the protocol, or says something out of turn.
    Protocol(String),
    /// The server closed a connection.
    Closed(u32),
    /// A phase did not end in its time: what is missing.
    Late(&'static str, u32),
    /// Something was delivered twice, to the wrong client, or not at all.
    Delivery(String),
    /// The kernel does not say what is asked of it.
    Unreadable(String),
}

impl Failure {
    /// Puts a purpose to an error of the system.
    pub(crate) fn of(purpose: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::System(purpose, error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(purpose, error) => write!(f, "{purpose}: {error}"),
            Self::Protocol(what) => write!(f, "the server said {what}"),
            Self::Closed(seat) => write!(f, "the server closed connection {seat}"),
            Self::Late(phase, missing) => write!(f, "{phase}: {missing} missing after its time"),
            Self::Delivery(what) => write!(f, "delivery: {what}"),
            Self::Unreadable(path) => write!(f, "{path} has not what is looked for"),
        }
    }
}

impl std::error::Error for Failure {}
