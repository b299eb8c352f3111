//! A connected socket, TCP or Unix: four bytes, and the system calls that a connection needs.
//!
//! Absent: what the bytes mean, and when to read or write them (`reactor`). Nothing here waits: the
//! sockets were made non-blocking when they were accepted.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Stream(OwnedFd);

impl From<OwnedFd> for Stream {
    fn from(socket: OwnedFd) -> Self {
        Self(socket)
    }
}

impl Stream {
    /// Begins to watch it.
    pub(super) fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut SourceFd(&self.0.as_raw_fd()), token, BOTH_WAYS)
    }

    /// Watches it under another name; what it is ready for is reported again.
    pub(super) fn rename(&self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.reregister(&mut SourceFd(&self.0.as_raw_fd()), token, BOTH_WAYS)
    }

    /// Watches it no more. Another process that has it too would go on causing events here.
    pub(super) fn deregister(&self, registry: &Registry) -> io::Result<()> {
        registry.deregister(&mut SourceFd(&self.0.as_raw_fd()))
    }

    /// The descriptor, to be lent to another process.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Reads once; nothing is the end.
    pub(super) fn read(&self, room: &mut [u8]) -> io::Result<usize> {
        retry(|| rustix::io::read(&self.0, &mut *room))
    }

    /// Looks at the next bytes and leaves them; nothing is the end.
    pub(super) fn peek(&self, room: &mut [u8]) -> io::Result<usize> {
        retry(|| rustix::net::recv(&self.0, &mut *room, RecvFlags::PEEK).map(|(seen, _)| seen))
    }

    /// Writes what the socket takes of one piece.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        retry(|| rustix::net::send(&self.0, bytes, SendFlags::NOSIGNAL))
    }

    /// Writes what the socket takes of several pieces.
    pub(super) fn write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        retry(|| rustix::io::writev(&self.0, pieces))
    }

    /// Sends no more.
    pub(super) fn end_writing(&self) -> io::Result<()> {
        Ok(rustix::net::shutdown(&self.0, Shutdown::Write)?)
    }
}

fn retry(mut call: impl FnMut() -> Result<usize, Errno>) -> io::Result<usize> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}

/// Whether an error only says that nothing can be done now.
pub(super) fn would_block(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

const BOTH_WAYS: Interest = Interest::READABLE.add(Interest::WRITABLE);
