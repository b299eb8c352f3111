//! The one publisher: a connection of its own, which blocks.
//!
//! Absent: subscriptions. What comes to it is INFO, PING and PONG.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::failure::Failure;
use crate::pause::Pause;

/// A publisher.
pub(crate) struct Speaker {
    stream: BufReader<TcpStream>,
    line: Vec<u8>,
}

impl Speaker {
    /// Connects as soon as somebody listens.
    pub(crate) fn open(port: u16, pause: &mut Pause) -> Result<Self, Failure> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut tries = 0;
        let stream = loop {
            match TcpStream::connect(address) {
                Err(error) if error.kind() == ErrorKind::ConnectionRefused && tries < TRIES_MAX => {
                    tries += 1;
                    pause.wait(BETWEEN_TRIES).map_err(Failure::of("wait"))?;
                }
                other => break other.map_err(Failure::of("connect to the server"))?,
            }
        };
        stream.set_nodelay(true).map_err(Failure::of("set TCP_NODELAY"))?;
        let mut speaker = Self { stream: BufReader::new(stream), line: Vec::new() };
        speaker.say(b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\n")?;
        speaker.sync()?;
        Ok(speaker)
    }

    /// Publishes a number to a subject.
    pub(crate) fn publish(&mut self, subject: &str, number: u32) -> Result<(), Failure> {
        self.line.clear();
        let written = write!(self.line, "PUB {subject} 16\r\n{number:016}\r\n");
        written.map_err(Failure::of("format a message"))?;
        self.stream.get_ref().write_all(&self.line).map_err(Failure::of("publish"))
    }

    /// Returns when the server has taken all that was said, and answers its PINGs on the way.
    pub(crate) fn sync(&mut self) -> Result<(), Failure> {
        self.say(b"PING\r\n")?;
        let mut line = String::new();
        loop {
            line.clear();
            self.stream.read_line(&mut line).map_err(Failure::of("read as the publisher"))?;
            match line.as_bytes() {
                [] => return Err(Failure::Protocol("nothing more to the publisher".to_owned())),
                b"PONG\r\n" => return Ok(()),
                b"PING\r\n" => self.say(b"PONG\r\n")?,
                [b'I', b'N', b'F', b'O', ..] => {}
                _ => return Err(Failure::Protocol(format!("to the publisher: {line:?}"))),
            }
        }
    }

    fn say(&self, bytes: &[u8]) -> Result<(), Failure> {
        self.stream.get_ref().write_all(bytes).map_err(Failure::of("write as the publisher"))
    }
}

const BETWEEN_TRIES: Duration = Duration::from_millis(50);
const TRIES_MAX: u32 = 1200;
