//! Protocol lines as trace mode shows them, with secrets redacted.
//!
//! Absent: the log they end up in. The buffer is bounded; lines that do not fit are counted and
//! dropped. Nothing here runs unless tracing is on.

use std::collections::VecDeque;
use std::fmt::Write as _;

use fanfare_protocol::op::ClientOp;

use super::ids::ClientNumber;

/// Which way a line went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client.
    In,
    /// To the client.
    Out,
}

/// One traced line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceLine {
    /// `ip:port` of the client.
    pub peer: Box<str>,
    /// The client's number.
    pub number: ClientNumber,
    /// Which way it went.
    pub direction: Direction,
    /// The line, in brackets where it is a control line.
    pub text: String,
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Trace {
    pub(crate) enabled: bool,
    message_max: usize,
    lines: VecDeque<TraceLine>,
    /// Bytes of all of them.
    bytes: usize,
    dropped: u64,
}

impl Trace {
    pub(crate) fn new(enabled: bool, message_max: usize) -> Self {
        Self { enabled, message_max, lines: VecDeque::new(), bytes: 0, dropped: 0 }
    }

    /// Switches tracing on or off.
    pub(crate) fn set(&mut self, enabled: bool, message_max: usize) {
        (self.enabled, self.message_max) = (enabled, message_max);
    }

    /// The oldest line that was not fetched.
    pub(crate) fn poll(&mut self) -> Option<TraceLine> {
        let line = self.lines.pop_front()?;
        self.bytes -= line.text.len();
        Some(line)
    }

    /// Lines that found the buffer full.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(crate) fn push(
        &mut self,
        peer: &str,
        number: ClientNumber,
        direction: Direction,
        text: String,
    ) {
        if self.lines.len() >= LINES_MAX || self.bytes >= BYTES_MAX {
            self.dropped += 1;
            return;
        }
        self.bytes += text.len();
        self.lines.push_back(TraceLine { peer: peer.into(), number, direction, text });
    }

    /// Traces one operation of a client.
    pub(crate) fn operation(&mut self, peer: &str, number: ClientNumber, op: &ClientOp<'_>) {
        self.push(peer, number, Direction::In, format!("[{}]", describe(op)));
        if let ClientOp::Publish(publish) = op {
            let payload = &publish.framed[..publish.framed.len().saturating_sub(2)];
            self.payload(peer, number, payload);
        }
    }

    fn payload(&mut self, peer: &str, number: ClientNumber, payload: &[u8]) {
        let shown = if self.message_max == 0 { payload.len() } else { self.message_max };
        let text = match payload.get(..shown).filter(|shown| shown.len() < payload.len()) {
            Some(shown) => format!("MSG_PAYLOAD: [\"{}...\"]", shown.escape_ascii()),
            None => format!("MSG_PAYLOAD: [\"{}\"]", payload.escape_ascii()),
        };
        self.push(peer, number, Direction::In, text);
    }
}

fn describe(op: &ClientOp<'_>) -> String {
    let mut text = String::new();
    let mut words = |words: &[&[u8]]| {
        for (n, word) in words.iter().filter(|word| !word.is_empty()).enumerate() {
            let blank = if n == 0 { "" } else { " " };
            // Writing to a string cannot fail.
            let _ = write!(text, "{blank}{}", String::from_utf8_lossy(word));
        }
    };
    match op {
        ClientOp::Connect(json) => words(&[b"CONNECT", &redacted(json)]),
        ClientOp::Publish(publish) => {
            let line = &publish.line;
            let total = line.total_len.to_string();
            match line.header_len {
                None => words(&[b"PUB", line.subject, line.reply, total.as_bytes()]),
                Some(length) => {
                    let length = length.to_string();
                    let sizes = [length.as_bytes(), total.as_bytes()];
                    words(&[b"HPUB", line.subject, line.reply, sizes[0], sizes[1]]);
                }
            }
        }
        ClientOp::Subscribe { filter, queue, sid } => {
            words(&[b"SUB", filter, queue.unwrap_or(b""), sid]);
        }
        ClientOp::Unsubscribe { sid, max } => {
            let max = max.map(|max| max.to_string()).unwrap_or_default();
            words(&[b"UNSUB", sid, max.as_bytes()]);
        }
        ClientOp::Ping => words(&[b"PING"]),
        ClientOp::Pong => words(&[b"PONG"]),
        ClientOp::Ignored => words(&[b"INFO"]),
    }
    text
}

/// CONNECT's JSON with the values of its secrets replaced, keys in any case.
fn redacted(json: &[u8]) -> Vec<u8> {
    let Ok(serde_json::Value::Object(mut options)) = serde_json::from_slice(json) else {
        return b"[REDACTED]".to_vec();
    };
    for (key, value) in &mut options {
        if SECRETS.contains(&key.to_ascii_lowercase().as_str()) {
            *value = "[REDACTED]".into();
        }
    }
    serde_json::Value::Object(options).to_string().into_bytes()
}

/// Keys of CONNECT whose values never appear in a log.
const SECRETS: [&str; 6] = ["pass", "auth_token", "jwt", "sig", "nkey", "proxy_sig"];
/// Lines kept until somebody fetches them.
const LINES_MAX: usize = 4096;
/// Bytes of lines kept, and one line more: a traced message may be long.
const BYTES_MAX: usize = 8 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn traced(op: &ClientOp<'_>, message_max: usize) -> Vec<String> {
        let mut trace = Trace::new(true, message_max);
        trace.operation("127.0.0.1:1", ClientNumber(1), op);
        std::iter::from_fn(|| trace.poll()).map(|line| line.text).collect()
    }

    #[test]
    fn secrets_are_redacted_whatever_the_keys_case() {
        let json = br#"{"user":"u","Pass":"p1","AUTH_TOKEN":"p2","jwt":"p3","name":"n"}"#;
        let lines = traced(&ClientOp::Connect(json), 0);
        assert!(lines[0].contains("\"user\":\"u\"") && lines[0].contains("\"name\":\"n\""));
        assert!(["p1", "p2", "p3"].iter().all(|secret| !lines[0].contains(secret)));
        assert!(!traced(&ClientOp::Connect(b"{\"pass\":\"p1\""), 0)[0].contains("p1"));
    }

    #[test]
    fn lines_look_as_they_do_on_the_wire() {
        let subscribe = ClientOp::Subscribe { filter: b"a.*", queue: None, sid: b"7" };
        assert_eq!(traced(&subscribe, 0), ["[SUB a.* 7]"]);
        let unsubscribe = ClientOp::Unsubscribe { sid: b"7", max: Some(3) };
        assert_eq!(traced(&unsubscribe, 0), ["[UNSUB 7 3]"]);
    }

    #[test]
    fn a_full_buffer_drops_and_counts() {
        let mut trace = Trace::new(true, 0);
        for _ in 0..LINES_MAX + 10 {
            trace.operation("127.0.0.1:1", ClientNumber(1), &ClientOp::Ping);
        }
        assert_eq!(trace.dropped(), 10);
    }

    #[test]
    fn long_lines_are_bounded_by_their_bytes_until_they_are_fetched() {
        let mut trace = Trace::new(true, 0);
        let long = "x".repeat(BYTES_MAX / 2);
        for _ in 0..5 {
            trace.push("127.0.0.1:1", ClientNumber(1), Direction::In, long.clone());
        }
        assert_eq!((trace.lines.len(), trace.dropped()), (2, 3));
        while trace.poll().is_some() {}
        trace.push("127.0.0.1:1", ClientNumber(1), Direction::In, long);
        assert_eq!((trace.lines.len(), trace.dropped()), (1, 3));
    }
}
