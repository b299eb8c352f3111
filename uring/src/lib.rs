//! Many sends in one system call, by Linux's io_uring.
//!
//! Absent: reading, waiting for readiness, and who is sent what. A ring has no request under way
//! between two calls: [`Ring::send`] gives its requests to the kernel and takes all their results
//! before it returns. That is what makes it a safe function although the kernel reads the caller's
//! bytes by their addresses, and it costs nothing, because no request may wait for a socket.

#![deny(unsafe_code)]

#[path = "linux.rs"]
mod ring;

use std::io;
use std::os::fd::BorrowedFd;

pub use ring::Ring;

/// Bytes for a stream socket.
#[derive(Debug, Clone, Copy)]
pub struct Send<'a> {
    /// The socket.
    pub socket: BorrowedFd<'a>,
    /// What it is sent.
    pub bytes: &'a [u8],
}

/// What came of each of several sends, in their order: how many bytes the socket took, or why it
/// took none. [`io::ErrorKind::Interrupted`] says that it was not tried and nothing was sent.
pub type Outcomes = Vec<io::Result<usize>>;
