//! The listener: accepts in bursts, and waits quietly when the system has no descriptors left.
//!
//! Absent: which shard gets a connection (`core::placement`) and the limit of connections.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use socket2::{Domain, Protocol, Socket, Type};

/// What one look at the listener brought.
#[derive(Debug)]
pub(crate) enum Accepted {
    /// A connection.
    Stream(TcpStream, SocketAddr),
    /// Nobody is waiting.
    Nobody,
    /// The system refuses for now, for instance for want of descriptors: look again later.
    Later(io::Error),
}

/// A bound socket that accepts.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) socket: TcpListener,
    /// The address with the real port.
    pub(crate) address: SocketAddr,
}

impl Listener {
    /// Binds the first address that `host` and `port` stand for.
    ///
    /// A second broker on the same port is refused: addresses are reused after a restart, ports
    /// are not shared.
    pub(crate) fn bind(host: &str, port: u16) -> io::Result<Self> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in (host, port).to_socket_addrs()? {
            match bind(address) {
                Ok(listener) => return Ok(listener),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    pub(crate) fn accept(&self) -> Accepted {
        loop {
            return match self.socket.accept() {
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

    /// How long to leave the listener alone after [`Accepted::Later`].
    pub(crate) const PAUSE: Duration = Duration::from_millis(100);
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
    Ok(Listener { socket, address })
}

/// Connections that the system holds until they are accepted; it may cut this down.
const BACKLOG: i32 = 65_535;
