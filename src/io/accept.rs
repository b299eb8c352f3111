//! A listening socket, TCP or Unix: accepts in bursts, and waits quietly when the system has no
//! descriptors left.
//!
//! Absent: which shard gets a connection (`core::placement`) and the limits of connections.

use std::fs::{self, Permissions};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mio::event::Source;
use mio::net::{TcpListener, UnixListener};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::stream::Stream;
use crate::config::listen::Address;

/// What one look at the listener brought.
#[derive(Debug)]
pub(crate) enum Accepted {
    /// A connection, and what to call its peer.
    Stream(Stream, Box<str>),
    /// Nobody is waiting.
    Nobody,
    /// The system refuses for now, for instance for want of descriptors: look again later.
    Later(io::Error),
}

/// A bound socket that accepts. A Unix socket's file goes with it.
#[derive(Debug)]
pub(crate) enum Listener {
    /// On a port.
    Tcp {
        socket: TcpListener,
        /// The address with the real port.
        address: SocketAddr,
    },
    /// At a path.
    Unix {
        socket: UnixListener,
        path: PathBuf,
        /// Whether the path goes with it.
        is_ours: bool,
    },
}

impl Listener {
    /// Begins to listen.
    pub(crate) fn open(address: &Address) -> io::Result<Self> {
        match address {
            Address::Tcp { host, port } => Self::bind(host, *port),
            Address::Unix { path, mode } => bind_path(Path::new(&**path), *mode),
        }
    }

    /// Goes on with a socket that listens at this address already, for another process, which
    /// keeps it too until this one says [`Listener::own`].
    pub(crate) fn adopt(socket: OwnedFd, address: &Address) -> io::Result<Self> {
        match address {
            Address::Tcp { .. } => {
                let socket = TcpListener::from_std(socket.into());
                let address = socket.local_addr()?;
                Ok(Self::Tcp { socket, address })
            }
            Address::Unix { path, .. } => {
                let socket = UnixListener::from_std(socket.into());
                Ok(Self::Unix { socket, path: PathBuf::from(&**path), is_ours: false })
            }
        }
    }

    /// The descriptor, to be lent to another process.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp { socket, .. } => socket.as_fd(),
            Self::Unix { socket, .. } => socket.as_fd(),
        }
    }

    /// From here on its path goes with it.
    pub(crate) fn own(&mut self) {
        if let Self::Unix { is_ours, .. } = self {
            *is_ours = true;
        }
    }

    /// Another process listens there from here on.
    pub(crate) fn leave(&mut self) {
        if let Self::Unix { is_ours, .. } = self {
            *is_ours = false;
        }
    }

    /// Binds the first address that `host` and `port` stand for.
    ///
    /// A second broker on the same port is refused: addresses are reused after a restart, ports
    /// are not shared.
    fn bind(host: &str, port: u16) -> io::Result<Self> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in (host, port).to_socket_addrs()? {
            match bind(address) {
                Ok(listener) => return Ok(listener),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The address with the real port; `None` for a Unix socket.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp { address, .. } => Some(*address),
            Self::Unix { .. } => None,
        }
    }

    /// What a poller watches.
    pub(crate) fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Tcp { socket, .. } => socket,
            Self::Unix { socket, .. } => socket,
        }
    }

    pub(crate) fn accept(&self) -> Accepted {
        loop {
            return match self.try_accept() {
                Ok((stream, peer)) => Accepted::Stream(stream, peer),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Accepted::Nobody,
                // A connection that its peer has given up meanwhile is nobody's loss.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted
                    ) =>
                {
                    continue;
                }
                Err(error) => Accepted::Later(error),
            };
        }
    }

    fn try_accept(&self) -> io::Result<(Stream, Box<str>)> {
        match self {
            Self::Tcp { socket, .. } => {
                let (stream, peer) = socket.accept()?;
                // An IPv4 client of a socket for both families is shown as what it is.
                let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                Ok((Stream::from(OwnedFd::from(stream)), peer.to_string().into()))
            }
            Self::Unix { socket, .. } => {
                let (stream, _) = socket.accept()?;
                Ok((Stream::from(OwnedFd::from(stream)), UNIX_PEER.into()))
            }
        }
    }

    /// How long to leave the listener alone after [`Accepted::Later`].
    pub(crate) const PAUSE: Duration = Duration::from_millis(100);
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix { path, is_ours: true, .. } = self {
            // If it is gone already, somebody else has done it.
            let _ = fs::remove_file(path);
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<Listener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    // Accepted sockets inherit it, so that a connection costs one system call less.
    socket.set_tcp_nodelay(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let socket = TcpListener::from_std(socket.into());
    let address = socket.local_addr()?;
    Ok(Listener::Tcp { socket, address })
}

fn bind_path(path: &Path, mode: Option<u32>) -> io::Result<Listener> {
    remove_stale(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    if let Some(mode) = mode {
        // Before anybody can connect, which listening allows.
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    socket.listen(BACKLOG)?;
    let socket = UnixListener::from_std(socket.into());
    Ok(Listener::Unix { socket, path: path.to_owned(), is_ours: true })
}

/// Removes the file of a socket that nobody listens at, as a killed broker leaves one behind.
/// Anything else at the path is left alone, and binding will complain.
fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    if !is_socket {
        return Ok(());
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Somebody who listens and accepts nobody is not to be waited for.
    probe.set_nonblocking(true)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// What a peer is called that has no address.
const UNIX_PEER: &str = "unix";
/// Connections that the system holds until they are accepted; it may cut this down.
const BACKLOG: i32 = 65_535;
