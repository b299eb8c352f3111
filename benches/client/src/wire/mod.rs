//! What a connection speaks: NATS, Redis' publish/subscribe or MQTT, behind the same few questions.
//!
//! Absent: sockets, and whatever only one of them knows (queue groups, requests, wildcards), which
//! scenarios refuse for the others. Operations of every dialect are told in NATS' words, so that an
//! event loop that was written for one of them serves all; a message of one kind as it arrives
//! again and again is recognised by its [`Wire::delivery_head`], without a dialect's reader.

mod mqtt;
mod redis;

use std::fmt;

use clap::ValueEnum;
use fanfare_protocol::client_encode;
use fanfare_protocol::server_op::{self, ServerError, ServerStep};

/// What a server speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Wire {
    /// The NATS client protocol.
    #[default]
    Nats,
    /// Redis' publish/subscribe, in RESP2.
    Redis,
    /// MQTT 3.1.1 with QoS 0.
    Mqtt,
}

impl Wire {
    /// The dialect of a URL's scheme, where it is not one of NATS' own.
    pub fn of_scheme(scheme: &str) -> Option<Self> {
        match scheme {
            "redis" => Some(Self::Redis),
            "mqtt" => Some(Self::Mqtt),
            _ => None,
        }
    }

    /// The port that its servers have by default.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Nats => crate::url::DEFAULT_PORT,
            Self::Redis => 6379,
            Self::Mqtt => 1883,
        }
    }

    /// Whether the server says something before it is spoken to.
    pub fn is_greeted(self) -> bool {
        self == Self::Nats
    }

    /// What opens a conversation with a server that says nothing first.
    pub fn hello(self) -> &'static [u8] {
        match self {
            Self::Nats | Self::Redis => b"",
            Self::Mqtt => mqtt::CONNECT,
        }
    }

    /// Asks for an answer that comes after everything that was asked before.
    #[inline]
    pub fn ping(self) -> &'static [u8] {
        match self {
            Self::Nats | Self::Redis => crate::target::PING,
            Self::Mqtt => mqtt::PING,
        }
    }

    /// Appends a publish.
    #[inline]
    pub fn publish(self, out: &mut Vec<u8>, subject: &[u8], payload: &[u8]) {
        match self {
            Self::Nats => client_encode::publish(out, subject, b"", payload),
            Self::Redis => redis::publish(out, subject, payload),
            Self::Mqtt => mqtt::publish(out, subject, payload),
        }
    }

    /// A subscription to a literal subject.
    pub fn subscription(self, subject: &str, sid: &str) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Nats => {
                client_encode::subscribe(&mut out, subject.as_bytes(), None, sid.as_bytes());
            }
            Self::Redis => redis::subscribe(&mut out, subject.as_bytes()),
            Self::Mqtt => mqtt::subscribe(&mut out, subject.as_bytes()),
        }
        out
    }

    /// What a delivered message of a subject and a size usually begins with; its payload and
    /// [`Wire::tail`] follow.
    pub fn delivery_head(self, subject: &[u8], sid: &[u8], size: usize) -> Vec<u8> {
        match self {
            Self::Nats => {
                let mut head = b"MSG ".to_vec();
                head.extend_from_slice(subject);
                head.push(b' ');
                head.extend_from_slice(sid);
                head.extend_from_slice(format!(" {size}\r\n").as_bytes());
                head
            }
            Self::Redis => redis::delivery_head(subject, size),
            Self::Mqtt => mqtt::publish_head(subject, size),
        }
    }

    /// What follows a payload.
    #[inline]
    pub fn tail(self) -> &'static [u8] {
        match self {
            Self::Nats | Self::Redis => b"\r\n",
            Self::Mqtt => b"",
        }
    }

    /// Reads the operation at the start of what a server sent.
    #[inline]
    pub fn next(self, input: &[u8]) -> Result<ServerStep<'_>, ServerError> {
        match self {
            Self::Nats => server_op::next(input),
            Self::Redis => redis::next(input),
            Self::Mqtt => mqtt::next(input),
        }
    }
}

impl fmt::Display for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nats => "NATS",
            Self::Redis => "Redis",
            Self::Mqtt => "MQTT",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::mixed;
    use fanfare_protocol::server_op::ServerOp;

    const ALL: [Wire; 3] = [Wire::Nats, Wire::Redis, Wire::Mqtt];

    #[test]
    fn the_head_the_payload_and_the_tail_are_a_message_to_every_reader() {
        for wire in ALL {
            for size in [0, 1, 100, 127, 128, 16_384, 70_000] {
                let mut bytes = wire.delivery_head(b"a.b", b"1", size);
                bytes.resize(bytes.len() + size, b'x');
                bytes.extend_from_slice(wire.tail());
                let ServerStep::Op(ServerOp::Message(message), len) = wire.next(&bytes).unwrap()
                else {
                    panic!("{wire} {size}")
                };
                assert_eq!((message.subject, message.payload.len()), (&b"a.b"[..], size));
                assert_eq!(len, bytes.len());
            }
        }
    }

    /// Bytes of real operations in which some are changed, by a number.
    fn spoiled(wire: Wire, number: u64) -> Vec<u8> {
        let mut bytes = wire.delivery_head(b"a.b", b"1", 5);
        bytes.extend_from_slice(b"hello");
        bytes.extend_from_slice(wire.tail());
        wire.publish(&mut bytes, b"a.b", b"hello");
        bytes.extend_from_slice(
            b"*2\r\n$4\r\npong\r\n$0\r\n\r\n-ERR no\r\n:1\r\n\xD0\x00\x20\x02\x00\x05",
        );
        for round in 0..number % 4 {
            let word = mixed(number ^ (round << 32));
            let place = usize::try_from(word >> 32).unwrap() % bytes.len();
            bytes[place] = word.to_le_bytes()[0];
        }
        bytes.drain(..usize::try_from(mixed(number)).unwrap_or(0) % 8);
        bytes
    }

    #[test]
    fn no_bytes_make_a_reader_stand_still_or_read_too_far() {
        for wire in ALL {
            for number in 0..20_000 {
                let bytes = spoiled(wire, number);
                let mut rest = &bytes[..];
                while let Ok(ServerStep::Op(_, len)) = wire.next(rest) {
                    assert!(len > 0 && len <= rest.len(), "{wire} {number}");
                    rest = &rest[len..];
                }
            }
        }
    }

    #[test]
    fn nothing_is_read_from_less_than_a_whole_operation() {
        for wire in ALL {
            let mut bytes = wire.delivery_head(b"a.b", b"1", 200);
            bytes.resize(bytes.len() + 200, b'\n');
            bytes.extend_from_slice(wire.tail());
            for cut in 0..bytes.len() {
                let step = wire.next(&bytes[..cut]).unwrap();
                assert!(!matches!(step, ServerStep::Op(..)), "{wire} {cut}: {step:?}");
            }
        }
    }
}
