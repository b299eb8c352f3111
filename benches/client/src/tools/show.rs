//! How a message looks on a terminal.
//!
//! Absent: guesses about the payload's encoding: it is printed as it is.

use fanfare_protocol::header::Headers;

use super::session::OwnedMessage;

/// What is shown of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parts {
    /// Number, subject, headers and payload.
    All,
    /// Number, subject and headers.
    HeadersOnly,
    /// The payload.
    Raw,
}

/// The bytes to print for a message.
pub fn message(number: u64, message: &OwnedMessage, parts: Parts) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(message.payload.len() + 64);
    if parts == Parts::Raw {
        bytes.extend_from_slice(&message.payload);
        bytes.push(b'\n');
        return bytes;
    }
    bytes.extend_from_slice(format!("[{number}] ").as_bytes());
    bytes.extend_from_slice(&message.subject);
    if !message.reply.is_empty() {
        bytes.extend_from_slice(b" (reply to ");
        bytes.extend_from_slice(&message.reply);
        bytes.push(b')');
    }
    bytes.push(b'\n');
    if let Some(block) = &message.headers {
        let headers = Headers::new(block);
        if let Some(status) = headers.status() {
            let text = String::from_utf8_lossy(headers.description().unwrap_or_default());
            bytes.extend_from_slice(format!("status {status} {text}").trim_end().as_bytes());
            bytes.push(b'\n');
        }
        for (key, value) in headers.iter() {
            bytes.extend_from_slice(key);
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.push(b'\n');
        }
    }
    if parts == Parts::All {
        if message.headers.is_some() {
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(&message.payload);
        bytes.extend_from_slice(b"\n\n");
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> OwnedMessage {
        OwnedMessage {
            subject: b"a.b".to_vec(),
            reply: b"r".to_vec(),
            headers: Some(b"NATS/1.0\r\nKey: value\r\n\r\n".to_vec()),
            payload: b"hello".to_vec(),
        }
    }

    #[test]
    fn each_choice_shows_its_parts() {
        let shown = |parts| String::from_utf8(message(3, &sample(), parts)).unwrap();
        assert_eq!(shown(Parts::Raw), "hello\n");
        assert_eq!(shown(Parts::HeadersOnly), "[3] a.b (reply to r)\nKey: value\n");
        assert_eq!(shown(Parts::All), "[3] a.b (reply to r)\nKey: value\n\nhello\n\n");
    }

    #[test]
    fn a_status_is_shown() {
        let status = OwnedMessage {
            headers: Some(b"NATS/1.0 503\r\n\r\n".to_vec()),
            reply: Vec::new(),
            ..sample()
        };
        let shown = String::from_utf8(message(1, &status, Parts::HeadersOnly)).unwrap();
        assert_eq!(shown, "[1] a.b\nstatus 503\n");
    }
}
