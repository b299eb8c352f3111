//! A raw WebSocket client: a request as the test wants it, frames as the test wants them.
//!
//! Absent: rules. It is written without the broker's own frames, so that a mistake in those shows.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use crate::broker::Broker;
use crate::secure::{Offer, Secure, configured, opened};

/// A WebSocket block on any port, in clear.
pub(super) fn block(more: &str) -> String {
    format!("websocket {{ listen: \"127.0.0.1:-1\", no_tls: true, {more} }}\n")
}

/// A broker with a WebSocket block.
pub(super) fn broker(more: &str) -> Broker {
    configured(&block(more)).start()
}

/// Where a broker listens for WebSocket clients.
pub(super) fn address(broker: &Broker) -> SocketAddr {
    let line = broker.log().find("Listening for websocket clients on ").expect("a listener");
    let (_, address) = line.rsplit_once("://").expect("a URL");
    address.parse().expect("an address")
}

/// A request, line by line.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) start: String,
    fields: Vec<(String, String)>,
}

impl Default for Request {
    fn default() -> Self {
        let fields = [
            ("Host", "127.0.0.1"),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Sec-WebSocket-Version", "13"),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { start: "GET / HTTP/1.1".to_owned(), fields: fields.into() }
    }
}

impl Request {
    /// Another start.
    pub(super) fn start(mut self, start: &str) -> Self {
        start.clone_into(&mut self.start);
        self
    }

    /// Sets a field.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self = self.without(name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Leaves a field out.
    pub(super) fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(other, _)| other != name);
        self
    }

    /// Offers to pack messages.
    pub(super) fn packing(self) -> Self {
        let offer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        self.with("Sec-WebSocket-Extensions", offer)
    }

    pub(super) fn text(&self) -> String {
        let fields = self.fields.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        format!("{}\r\n{}\r\n", self.start, fields.collect::<String>())
    }

    /// Asks; gives the head of the answer, and the connection.
    pub(super) fn ask(&self, address: SocketAddr) -> (String, Web) {
        Web::open(Box::new(opened(address)), &self.text())
    }

    /// The same over TLS.
    pub(super) fn ask_securely(&self, address: SocketAddr) -> (String, Web) {
        let offer = Offer::default();
        let secure = Secure::shake(opened(address), offer.config(), "localhost");
        let secure = secure.expect("a handshake");
        Web::open(Box::new(*secure.stream), &self.text())
    }

    /// A connection that was granted, before its greeting is read.
    #[track_caller]
    pub(super) fn connect(&self, broker: &Broker) -> Web {
        let (head, web) = self.ask(address(broker));
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        web
    }
}

/// A stream of bytes both ways.
pub(super) trait Wire: Read + Write {}
impl Wire for TcpStream {}
impl<T: Wire> Wire for rustls::StreamOwned<rustls::ClientConnection, T> {}

/// One frame that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) first: u8,
    pub(super) payload: Vec<u8>,
}

/// See the module's head.
pub(super) struct Web {
    wire: Box<dyn Wire>,
    /// What came and is not a whole frame yet.
    raw: Vec<u8>,
    /// What frames of data held.
    data: Vec<u8>,
    /// Control frames that came.
    pub(super) controls: Vec<Frame>,
    /// Frames of data that came packed.
    pub(super) packed: usize,
    is_ended: bool,
}

impl Web {
    fn open(wire: Box<dyn Wire>, request: &str) -> (String, Self) {
        let mut web = Self {
            wire,
            raw: Vec::new(),
            data: Vec::new(),
            controls: Vec::new(),
            packed: 0,
            is_ended: false,
        };
        web.send_raw(request.as_bytes());
        let head = web.head();
        (head, web)
    }

    /// The head of an answer of HTTP; all that came if none did.
    pub(super) fn head(&mut self) -> String {
        let end = loop {
            if let Some(end) = self.raw.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if !self.fill() {
                break self.raw.len();
            }
        };
        let head: Vec<u8> = self.raw.drain(..end).collect();
        String::from_utf8(head).expect("text")
    }

    /// Sends bytes as they are; that the peer has closed is for the reader to find out.
    pub(super) fn send_raw(&mut self, bytes: &[u8]) {
        match self.wire.write_all(bytes).and_then(|()| self.wire.flush()) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("nothing is taken"),
            Ok(()) | Err(_) => {}
        }
    }

    fn fill(&mut self) -> bool {
        let mut chunk = [0; 16384];
        match self.wire.read(&mut chunk) {
            Ok(0) => self.is_ended = true,
            Ok(count) => self.raw.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                panic!("nothing arrives; unread: {}", self.data.escape_ascii())
            }
            Err(_) => self.is_ended = true,
        }
        !self.is_ended
    }

    /// Sends one masked frame.
    pub(super) fn send_frame(&mut self, first: u8, payload: &[u8]) {
        self.send_raw(&masked(first, payload));
    }

    /// Sends a message of bytes.
    pub(super) fn send(&mut self, payload: impl AsRef<[u8]>) {
        self.send_frame(0x82, payload.as_ref());
    }

    /// Sends a packed message of bytes.
    pub(super) fn send_packed(&mut self, payload: impl AsRef<[u8]>) {
        self.send_frame(0xc2, &pack(payload.as_ref()));
    }

    /// The next frame; `None` when the peer has closed.
    pub(super) fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, length)) = whole(&self.raw) {
                self.raw.drain(..length);
                return Some(frame);
            }
            if !self.fill() {
                assert!(self.raw.is_empty(), "closed in a frame: {}", self.raw.escape_ascii());
                return None;
            }
        }
    }

    /// Takes in one more frame; false when the peer has closed.
    fn take(&mut self) -> bool {
        let Some(frame) = self.frame() else { return false };
        match frame.first {
            0x82 => self.data.extend_from_slice(&frame.payload),
            0xc2 => {
                self.packed += 1;
                self.data.extend(unpack(&frame.payload));
            }
            0x88..=0x8a => self.controls.push(frame),
            first => panic!("a frame that begins with {first:#x}"),
        }
        true
    }

    /// The next line, without its CR LF.
    #[track_caller]
    pub(super) fn line(&mut self) -> String {
        let end = loop {
            if let Some(end) = self.data.windows(2).position(|pair| pair == b"\r\n") {
                break end;
            }
            let data = self.data.escape_ascii().to_string();
            assert!(self.take(), "closed in a line: {data}, {:?}", self.controls);
        };
        let line = self.bytes(end + 2);
        String::from_utf8_lossy(&line[..end]).into_owned()
    }

    /// The same, but for the broker's own PINGs, which come when it likes.
    #[track_caller]
    pub(super) fn news(&mut self) -> String {
        loop {
            match self.line() {
                line if line == "PING" => {}
                line => return line,
            }
        }
    }

    /// The next bytes of the stream inside.
    #[track_caller]
    pub(super) fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.data.len() < count {
            assert!(self.take(), "closed: {}, {:?}", self.data.escape_ascii(), self.controls);
        }
        self.data.drain(..count).collect()
    }

    /// Reads the greeting and says CONNECT; gives the greeting.
    #[track_caller]
    pub(super) fn enter(&mut self) -> String {
        let greeting = self.line();
        assert!(greeting.starts_with("INFO {"), "{greeting}");
        self.send("CONNECT {\"verbose\":false,\"pedantic\":false}\r\n");
        self.fence();
        greeting
    }

    /// Everything that was sent has been executed; gives the lines that came of it.
    #[track_caller]
    pub(super) fn fence(&mut self) -> Vec<String> {
        self.send("PING\r\n");
        let mut lines = Vec::new();
        loop {
            match self.line() {
                line if line == "PONG" => return lines,
                line if line == "PING" => {}
                line => lines.push(line),
            }
        }
    }

    /// The next control frame.
    #[track_caller]
    pub(super) fn control(&mut self) -> Frame {
        while self.controls.is_empty() {
            assert!(self.take(), "closed");
        }
        self.controls.remove(0)
    }

    /// Everything until the peer has closed: the code of its close frame, if it sent one, and the
    /// data before it.
    #[track_caller]
    pub(super) fn rest(&mut self) -> (Option<u16>, String) {
        while self.take() {}
        let data = String::from_utf8_lossy(&std::mem::take(&mut self.data)).into_owned();
        let close = self.controls.iter().find(|frame| frame.first == 0x88);
        let code = close.map(|close| match close.payload[..] {
            [high, low, ..] => u16::from_be_bytes([high, low]),
            _ => 0,
        });
        (code, data)
    }
}

/// A frame with a mask.
pub(super) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | u8::try_from(length).expect("short")),
        length @ 126..65_536 => {
            frame.push(0xfe);
            frame.extend_from_slice(&u16::try_from(length).expect("medium").to_be_bytes());
        }
        length => {
            frame.push(0xff);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&KEY);
    frame.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// A frame at the beginning of some bytes, which must have no mask, and its length.
fn whole(bytes: &[u8]) -> Option<(Frame, usize)> {
    let [first, second, ..] = *bytes else { return None };
    let (length, start) = match second {
        0..126 => (usize::from(second), 2),
        126 => (usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
        127 => {
            let length = u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?);
            (usize::try_from(length).expect("64 bits"), 10)
        }
        _ => panic!("a server must not mask"),
    };
    let payload = bytes.get(start..start + length)?.to_vec();
    Some((Frame { first, payload }, start + length))
}

/// Packs a message.
pub(super) fn pack(plain: &[u8]) -> Vec<u8> {
    let mut packer = Compress::new(Compression::default(), false);
    let mut packed = Vec::with_capacity(plain.len() + 1024);
    packer.compress_vec(plain, &mut packed, FlushCompress::Sync).expect("packed");
    assert_eq!(packer.total_in(), plain.len() as u64);
    packed.strip_suffix(&[0, 0, 0xff, 0xff]).expect("a flushed end").to_vec()
}

fn unpack(packed: &[u8]) -> Vec<u8> {
    let mut unpacker = Decompress::new(false);
    let mut plain = Vec::with_capacity(4 * 1024 * 1024);
    let whole = [packed, &[0, 0, 0xff, 0xff]].concat();
    unpacker.decompress_vec(&whole, &mut plain, FlushDecompress::Sync).expect("unpacked");
    assert_eq!(unpacker.total_in(), whole.len() as u64);
    plain
}
