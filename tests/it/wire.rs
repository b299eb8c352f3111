//! One raw client connection: bytes out, bytes in, one deadline.
//!
//! Absent: knowledge of the protocol beyond lines and fences. Nothing here waits for time to pass;
//! that nothing more arrives is shown by a PING and its PONG.

use std::io::{ErrorKind, Read, Write};
use std::mem;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// How long any single wait of a test may take before the test has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A connected socket and the bytes that came and are not yet expected by anyone.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    pending: Vec<u8>,
    ended: bool,
}

impl Connection {
    /// Connects.
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the broker accepts");
        Self::adopt(stream)
    }

    /// Takes over a socket that a test prepared itself.
    pub(crate) fn adopt(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a TCP socket");
        stream.set_read_timeout(Some(DEADLINE)).expect("a positive timeout");
        stream.set_write_timeout(Some(DEADLINE)).expect("a positive timeout");
        Self { stream, pending: Vec::new(), ended: false }
    }

    /// Sends bytes; that the peer has closed meanwhile is for the reader to find out.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        match self.stream.write_all(bytes.as_ref()) {
            Ok(()) => {}
            Err(error) if is_end(error.kind()) => {}
            Err(error) => panic!("cannot send: {error}"),
        }
    }

    /// Closes the sending half.
    pub(crate) fn finish(&mut self) {
        // A peer that has already reset the connection makes this fail, which changes nothing.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// What came and was not consumed.
    pub(crate) fn pending(&self) -> &[u8] {
        &self.pending
    }

    /// Whether the peer has closed.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    /// Waits for more bytes; false when the peer has closed.
    #[track_caller]
    pub(crate) fn fill(&mut self) -> bool {
        self.try_fill().unwrap_or_else(|why| panic!("{why}"))
    }

    /// Waits for more bytes, up to the deadline.
    pub(crate) fn try_fill(&mut self) -> Result<bool, String> {
        let mut chunk = [0; 16384];
        match self.stream.read(&mut chunk) {
            Ok(0) => self.ended = true,
            Ok(count) => self.pending.extend_from_slice(&chunk[..count]),
            Err(error) if is_end(error.kind()) => self.ended = true,
            Err(error) => {
                return Err(format!("nothing arrives ({error}); unread: {}", shown(&self.pending)));
            }
        }
        Ok(!self.ended)
    }

    /// Removes the first bytes that came.
    pub(crate) fn consume(&mut self, count: usize) -> Vec<u8> {
        self.pending.drain(..count).collect()
    }

    /// The next line, without its CR LF.
    pub(crate) fn line(&mut self) -> String {
        let end = loop {
            if let Some(end) = self.pending.windows(2).position(|pair| pair == b"\r\n") {
                break end;
            }
            assert!(self.fill(), "closed in a line; unread: {}", shown(&self.pending));
        };
        let line = self.consume(end + 2);
        String::from_utf8_lossy(&line[..end]).into_owned()
    }

    /// Exactly these bytes must come next. A PING of the broker's own between two messages is
    /// passed over, unless a PING is what is expected: the broker sends one when it likes.
    #[track_caller]
    pub(crate) fn expect(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        let mut same = 0;
        while same < bytes.len() {
            let fresh = bytes[same..].iter().zip(&self.pending[same..]);
            same += fresh.take_while(|(expected, got)| expected == got).count();
            if same == bytes.len() {
                break;
            }
            if same == self.pending.len() {
                assert!(self.fill(), "closed before {}", shown(&bytes[same..]));
                continue;
            }
            // A PING can begin where the line with the first difference does.
            let line_ends = bytes[..same].windows(2).rposition(|pair| pair == b"\r\n");
            let line = line_ends.map_or(0, |end| end + 2);
            let came = &self.pending[line..];
            if came.starts_with(b"PING\r\n") {
                self.pending.drain(line..line + 6);
                same = line;
            } else if b"PING\r\n".starts_with(came) {
                assert!(self.fill(), "closed before {}", shown(&bytes[same..]));
            } else {
                let (expected, got) = (shown(&bytes[same..]), shown(&self.pending[same..]));
                panic!("after {same} bytes, expected {expected}\n     got {got}");
            }
        }
        self.consume(bytes.len());
    }

    /// Shows that everything sent so far was executed and that nothing but `bytes` came of it.
    #[track_caller]
    pub(crate) fn fence(&mut self, bytes: impl AsRef<[u8]>) {
        self.send("PING\r\n");
        let mut expected = bytes.as_ref().to_vec();
        expected.extend_from_slice(b"PONG\r\n");
        self.expect(expected);
    }

    /// Everything until the peer closes.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.fill() {}
        mem::take(&mut self.pending)
    }

    /// Gives up the connection with a reset instead of an orderly end.
    pub(crate) fn reset(self) {
        let linger = Some(Duration::ZERO);
        socket2::SockRef::from(&self.stream).set_linger(linger).expect("a TCP socket");
    }
}

/// How a socket reports that its peer is gone.
fn is_end(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted
    )
}

/// Bytes as a person can read them, cut when they are many.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let cut = bytes.len().min(600);
    let more =
        if cut < bytes.len() { format!("… ({} bytes)", bytes.len()) } else { String::new() };
    format!("\"{}\"{more}", bytes[..cut].escape_ascii())
}
