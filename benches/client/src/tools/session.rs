//! A person's conversation with a server over one blocking connection.
//!
//! Absent: load, threads, reconnecting.

use std::io;
use std::time::{Duration, Instant};

use fanfare_protocol::server_op::{self, Message, ServerOp, ServerStep};

use crate::cli::tool::ToolOptions;
use crate::failure::Failure;
use crate::link::Link;
use crate::target::{PING, PONG, Target};

/// An open conversation.
#[derive(Debug)]
pub struct Session {
    target: Target,
    link: Link,
    trace: bool,
}

/// Something that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A message.
    Message(OwnedMessage),
    /// The answer to a PING of ours.
    Pong,
}

/// A message that outlives the buffer it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedMessage {
    /// The subject it was published to.
    pub subject: Vec<u8>,
    /// Where an answer is awaited; empty when nowhere.
    pub reply: Vec<u8>,
    /// The header block.
    pub headers: Option<Vec<u8>>,
    /// The payload.
    pub payload: Vec<u8>,
}

impl Session {
    /// Connects to the server that the options name.
    pub fn open(options: &ToolOptions, name: &str) -> Result<Self, Failure> {
        let reach = options.server.reach()?;
        let (target, link) = Target::find(&reach, name)?;
        let session = Self { target, link, trace: options.trace };
        if session.trace {
            eprintln!("<- INFO {}", session.target.facts.text);
            if let Some(tls) = session.target.tls() {
                eprintln!("-- TLS, {}", tls.begin());
            }
            eprintln!("-> {}", session.target.shown_connect_line().trim_end());
            eprintln!("-> PING\n<- PONG");
        }
        Ok(session)
    }

    /// `host:port` of the server.
    pub fn place(&self) -> &str {
        &self.target.place
    }

    /// Refuses a message that the server would answer by closing the connection.
    pub fn check_size(&self, bytes: usize) -> Result<(), Failure> {
        match self.target.facts.max_payload {
            Some(max) if u64::try_from(bytes).is_ok_and(|bytes| bytes > max) => Err(Failure::Run(
                format!("the message has {bytes} bytes and the server takes at most {max}"),
            )),
            _ => Ok(()),
        }
    }

    /// Sends operations.
    pub fn send(&mut self, operations: &[u8]) -> Result<(), Failure> {
        if self.trace {
            trace("->", operations);
        }
        self.link.send(operations).map_err(|error| self.broken(&error))
    }

    /// Waits until the server has read everything that was sent; messages that come meanwhile are
    /// not wanted any more.
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.send(PING)?;
        let deadline = Instant::now() + FLUSH_TIMEOUT;
        loop {
            match self.next(Some(deadline))? {
                Some(Received::Pong) => return Ok(()),
                Some(Received::Message(_)) => {}
                None => {
                    return Err(Failure::Run(format!(
                        "{} has not confirmed within {} s that it has the message",
                        self.place(),
                        FLUSH_TIMEOUT.as_secs()
                    )));
                }
            }
        }
    }

    /// The next message or PONG; nothing when the deadline passes first.
    pub fn next(&mut self, deadline: Option<Instant>) -> Result<Option<Received>, Failure> {
        loop {
            let garbled = |_| Failure::Run(format!("{} does not speak NATS", self.target.place));
            let (op, len) = match server_op::next(&self.link.input).map_err(garbled)? {
                ServerStep::Op(op, len) => (op, len),
                ServerStep::Message { .. } | ServerStep::More => {
                    if !self.fill(deadline)? {
                        return Ok(None);
                    }
                    continue;
                }
            };
            let is_ping = op == ServerOp::Ping;
            let received = self.received(op)?;
            if self.trace {
                trace("<-", self.link.input.get(..len).unwrap_or(&[]));
            }
            self.link.input.drain(..len);
            if is_ping {
                self.send(PONG)?;
            }
            if received.is_some() {
                return Ok(received);
            }
        }
    }

    fn received(&self, op: ServerOp<'_>) -> Result<Option<Received>, Failure> {
        Ok(match op {
            ServerOp::Message(message) => Some(Received::Message(OwnedMessage::of(&message))),
            ServerOp::Pong => Some(Received::Pong),
            ServerOp::Info(_) | ServerOp::Ping | ServerOp::Ok => None,
            ServerOp::Error(text) => {
                let text = String::from_utf8_lossy(text).into_owned();
                return Err(self.target.told(text).into());
            }
        })
    }

    /// Reads more; says whether something came before the deadline.
    fn fill(&mut self, deadline: Option<Instant>) -> Result<bool, Failure> {
        let rest = match deadline {
            None => None,
            Some(deadline) => {
                let rest = deadline.saturating_duration_since(Instant::now());
                if rest.is_zero() {
                    return Ok(false);
                }
                Some(rest)
            }
        };
        self.link.set_read_timeout(rest).map_err(|error| self.broken(&error))?;
        match self.link.fill() {
            Ok(0) => Err(Failure::Run(format!("{} closed the connection", self.target.place))),
            Ok(_) => Ok(true),
            Err(error) if is_timeout(&error) => Ok(false),
            Err(error) => Err(self.broken(&error)),
        }
    }

    fn broken(&self, error: &io::Error) -> Failure {
        Failure::Run(format!("the connection to {} broke: {error}", self.target.place))
    }
}

impl OwnedMessage {
    fn of(message: &Message<'_>) -> Self {
        Self {
            subject: message.subject.to_vec(),
            reply: message.reply.to_vec(),
            headers: message.headers.map(<[u8]>::to_vec),
            payload: message.payload.to_vec(),
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Shows operations on stderr, line by line.
fn trace(arrow: &str, operations: &[u8]) {
    let text = String::from_utf8_lossy(operations);
    for line in text.strip_suffix("\r\n").unwrap_or(&text).split("\r\n") {
        eprintln!("{arrow} {line}");
    }
}

const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);
