//! A connection the simple way: a blocking socket, in clear or over TLS, and the operations that
//! are waited for one after the other.
//!
//! Absent: what is said (`target`), and what happens on a connection once it is open.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use fanfare_protocol::server_op::{ServerOp, ServerStep};

use crate::channel::{Channel, Got};
use crate::conn::Conn;
use crate::tls::TlsTarget;
use crate::tls::fault::TlsFault;
use crate::wire::Wire;

/// An open connection.
#[derive(Debug)]
pub struct Link {
    channel: Channel<TcpStream>,
    /// What was read and not yet used.
    pub input: Vec<u8>,
}

/// Why an operation that was waited for did not come.
#[derive(Debug)]
pub enum Missing {
    /// The socket broke or was silent for too long.
    Socket(io::Error),
    /// The server closed.
    Closed,
    /// The server reported an error.
    Told(String),
    /// The server does not speak the protocol.
    Garbled,
}

impl Link {
    /// Connects.
    pub fn dial(address: &SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(address, ANSWER_TIMEOUT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        Ok(Self { channel: Channel::plain(stream), input: Vec::new() })
    }

    /// Goes over to TLS, and returns when the handshake is done.
    pub fn secure(&mut self, target: &TlsTarget) -> io::Result<()> {
        if !self.input.is_empty() {
            // Somebody on the way could have added it; nobody could tell it from the server's
            // own words once they come over TLS.
            return Err(TlsFault::ClearText.into());
        }
        self.channel.secure(target)?;
        self.finish_writing()?;
        while !self.channel.is_open() {
            if self.read()? == Got::Closed {
                return Err(TlsFault::Closed.into());
            }
        }
        Ok(())
    }

    /// Goes over to WebSocket, and returns when the server has granted that.
    pub fn frame(&mut self, host: &str) -> io::Result<()> {
        self.channel.frame(host);
        self.finish_writing()?;
        while !self.channel.is_open() {
            if self.read()? == Got::Closed {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
        }
        Ok(())
    }

    /// Sends all of the bytes.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut sent = 0;
        while let Some(rest) = bytes.get(sent..).filter(|rest| !rest.is_empty()) {
            let count = self.channel.write(rest)?.count;
            if count == 0 {
                return Err(io::ErrorKind::TimedOut.into());
            }
            sent += count;
        }
        self.finish_writing()
    }

    /// Reads some bytes, behind what is there; returns how many came, 0 at the end.
    pub fn fill(&mut self) -> io::Result<usize> {
        loop {
            match self.read()? {
                Got::Closed => return Ok(0),
                // A record may hold something else than bytes for us.
                Got::Bytes { count: 0, .. } => {}
                Got::Bytes { count, .. } => return Ok(count),
            }
        }
    }

    /// Reads operations of a dialect until `is_last` says so of one; an error that the server
    /// reports ends it.
    pub fn read_until(
        &mut self,
        wire: Wire,
        mut is_last: impl FnMut(ServerOp<'_>) -> bool,
    ) -> Result<(), Missing> {
        loop {
            loop {
                let step = wire.next(&self.input).map_err(|_| Missing::Garbled)?;
                let (last, len) = match step {
                    ServerStep::Op(ServerOp::Error(text), _) => {
                        return Err(Missing::Told(String::from_utf8_lossy(text).into_owned()));
                    }
                    ServerStep::Op(op, len) => (is_last(op), len),
                    ServerStep::Message { .. } | ServerStep::More => break,
                };
                self.input.drain(..len);
                if last {
                    return Ok(());
                }
            }
            if self.fill().map_err(Missing::Socket)? == 0 {
                return Err(Missing::Closed);
            }
        }
    }

    /// How long to wait for bytes; nothing for as long as it takes.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.channel.socket().set_read_timeout(timeout)
    }

    /// The same connection, on which this is spoken, for an event loop.
    pub fn into_conn(self, wire: Wire) -> io::Result<Conn> {
        self.channel.socket().set_nonblocking(true)?;
        Ok(Conn::new(wire, self.channel.map(mio::net::TcpStream::from_std), self.input))
    }

    fn read(&mut self) -> io::Result<Got> {
        let at = self.input.len();
        self.input.resize(at + READ_LEN, 0);
        let got = self.channel.read(&mut self.input, at);
        let count = match got {
            Ok(Got::Bytes { count, .. }) => count,
            Ok(Got::Closed) | Err(_) => 0,
        };
        self.input.truncate(at + count);
        got
    }

    fn finish_writing(&mut self) -> io::Result<()> {
        // A socket that blocks has no room only when its time is up.
        if self.channel.flush()? { Ok(()) } else { Err(io::ErrorKind::TimedOut.into()) }
    }
}

/// How long to wait for what a server has to answer at once.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

const READ_LEN: usize = 16 * 1024;
