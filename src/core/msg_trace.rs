//! Messages whose headers ask to be told where they go: what they ask, and the text that tells.
//!
//! Absent: whether the asker may, and the way of the message (`tracing`). Names and rules of
//! headers are nats-server's: `Nats-Trace-Dest` is compared as it is written, `traceparent` in any
//! case.

use std::collections::BTreeMap;

use fanfare_protocol::json::Object;

use super::event_text::date;

/// What a message's headers ask for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// All headers; a name may have several values.
    pub(crate) headers: BTreeMap<String, Vec<String>>,
    /// Where the trace goes; `None` where a tracing system asks, and the account says where.
    pub(crate) dest: Option<Box<[u8]>>,
    /// The message is not to be delivered.
    pub(crate) only: bool,
}

/// Reads a block of headers; `None` if nobody asks for a trace.
pub(crate) fn read(block: &[u8]) -> Option<Asked> {
    let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut dest, mut parent, mut only) = (None, false, false);
    let mut rest = block.strip_prefix(b"NATS/1.0\r\n")?;
    while let Some(colon) = memchr::memchr(b':', rest) {
        let (name, behind) = rest.split_at(colon);
        let behind = &behind[1..];
        let Some(end) = memchr::memmem::find(behind, b"\r\n") else { break };
        let value = trim(&behind[..end]);
        rest = &behind[end + 2..];
        if name.is_empty() || value.is_empty() {
            continue;
        }
        if name == DEST && value == DISABLED {
            return None;
        }
        let first = |name: &[u8]| !headers.contains_key(&*String::from_utf8_lossy(name));
        if name == DEST && first(name) {
            dest = Some(Box::from(value));
        } else if name == ONLY && first(name) {
            let value = value.to_ascii_lowercase();
            only = matches!(&value[..], b"1" | b"true" | b"on");
        } else if name.eq_ignore_ascii_case(PARENT) {
            parent |= is_sampled(value);
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        headers.entry(text(name)).or_default().push(text(value));
    }
    if dest.is_none() && !parent {
        return None;
    }
    let only = only && dest.is_some();
    Some(Asked { headers, dest, only })
}

/// Whether a block may hold the header of a tracing system.
pub(crate) fn may_have_parent(block: &[u8]) -> bool {
    block
        .split(|byte| *byte == b'\n')
        .any(|line| line.get(..PARENT.len()).is_some_and(|name| name.eq_ignore_ascii_case(PARENT)))
}

/// Whether a tracing system wants this message to be traced: the last bit of its fourth part.
fn is_sampled(value: &[u8]) -> bool {
    let mut parts = value.split(|byte| *byte == b'-').skip(3);
    let (Some(flags), None) = (parts.next(), parts.next()) else { return false };
    let digits = <[u8; 2]>::try_from(flags).ok().map(|digits| digits.map(char::from));
    // As in nats-server, 80 and more are no numbers of eight bits with a sign.
    let is_small = digits.is_some_and(|[high, _]| high.to_digit(16).is_some_and(|high| high < 8));
    let low = digits.and_then(|[_, low]| low.to_digit(16));
    is_small && low.is_some_and(|low| low & 1 == 1)
}

fn trim(value: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let from = value.iter().position(|byte| !is_blank(byte)).unwrap_or(value.len());
    let to = value.iter().rposition(|byte| !is_blank(byte)).map_or(from, |last| last + 1);
    value.get(from..to).unwrap_or(&[])
}

/// A block of headers in which nobody asks for a trace any more, and how long it is.
pub(crate) fn silenced(block: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(block.len() + 16);
    let mut rest = block.strip_suffix(b"\r\n").unwrap_or(block);
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let (line, behind) = rest.split_at(end + 1);
        let name = line.split(|byte| *byte == b':').next().unwrap_or(line);
        if name != DEST {
            out.extend_from_slice(line);
        }
        rest = behind;
    }
    for part in [DEST, b": ", DISABLED, b"\r\n\r\n"] {
        out.extend_from_slice(part);
    }
    out
}

/// The events of a trace, as the members of a JSON list.
#[derive(Debug, Default)]
pub(crate) struct Events {
    json: Vec<u8>,
    /// Receivers that there was no room to tell of.
    untold: u64,
}

/// A receiver as an event tells of it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Egress<'a> {
    pub(crate) number: u64,
    pub(crate) name: &'a str,
    /// Its account, where that is not the publisher's.
    pub(crate) account: &'a str,
    pub(crate) filter: &'a str,
    pub(crate) queue: &'a str,
    /// Why it does not get the message; empty if it does.
    pub(crate) error: &'a str,
}

impl Events {
    /// A receiver.
    pub(crate) fn egress(&mut self, egress: &Egress<'_>, wall_ms: u64) {
        if self.json.len() >= EVENTS_BYTES_MAX {
            self.untold += 1;
            return;
        }
        let mut object = self.begin("eg", wall_ms);
        object.number("kind", 0);
        object.number("cid", egress.number);
        object.text_if("name", egress.name);
        object.text_if("acc", egress.account);
        object.text_if("sub", egress.filter);
        object.text_if("queue", egress.queue);
        object.text_if("error", egress.error);
        object.end();
    }

    /// The subject was mapped.
    pub(crate) fn mapping(&mut self, to: &str, wall_ms: u64) {
        let mut object = self.begin("sm", wall_ms);
        object.text("to", to);
        object.end();
    }

    /// The message went to another account as a stream.
    pub(crate) fn stream(&mut self, account: &str, to: &str, wall_ms: u64) {
        let mut object = self.begin("se", wall_ms);
        object.text("acc", account);
        object.text("to", to);
        object.end();
    }

    /// The message went to another account as a request.
    pub(crate) fn service(&mut self, account: &str, from: &str, to: &str, wall_ms: u64) {
        let mut object = self.begin("si", wall_ms);
        object.text("acc", account);
        object.text("from", from);
        object.text("to", to);
        object.end();
    }

    /// What another shard has to tell.
    pub(crate) fn add(&mut self, other: &Self) {
        self.untold += other.untold;
        if !other.json.is_empty() {
            if !self.json.is_empty() {
                self.json.push(b',');
            }
            self.json.extend_from_slice(&other.json);
        }
    }

    fn begin(&mut self, kind: &str, wall_ms: u64) -> Object<'_> {
        if !self.json.is_empty() {
            self.json.push(b',');
        }
        let mut object = Object::begin(&mut self.json);
        object.text("type", kind);
        object.text("ts", &date(wall_ms));
        object
    }
}

/// How a message came.
#[derive(Debug, Default)]
pub(crate) struct Ingress {
    pub(crate) number: u64,
    pub(crate) name: String,
    pub(crate) account: String,
    pub(crate) subject: String,
    /// Why it went nowhere; empty if it went on.
    pub(crate) error: String,
    pub(crate) wall_ms: u64,
}

/// The text of a trace.
pub(crate) fn render(
    server: &[u8],
    headers: &BTreeMap<String, Vec<String>>,
    size: usize,
    ingress: &Ingress,
    events: &Events,
) -> Vec<u8> {
    let (mut out, mut block, mut request) = (Vec::new(), Vec::new(), Vec::new());
    let mut object = Object::begin(&mut block);
    for (name, values) in headers {
        object.list_if(name, values);
    }
    object.end();
    let mut object = Object::begin(&mut request);
    object.raw("header", &block);
    object.number("msgsize", size as u64);
    object.end();
    let mut all = Events::default();
    let mut object = all.begin("in", ingress.wall_ms);
    object.number("kind", 0);
    object.number("cid", ingress.number);
    object.text_if("name", &ingress.name);
    object.text("acc", &ingress.account);
    object.text("subj", &ingress.subject);
    object.text_if("error", &ingress.error);
    object.end();
    all.add(events);
    let mut object = Object::begin(&mut out);
    object.raw("server", server);
    object.raw("request", &request);
    all.json.insert(0, b'[');
    all.json.push(b']');
    object.raw("events", &all.json);
    // Ours: receivers that there was no room for.
    object.number_if("untold", all.untold);
    object.end();
    out
}

/// Where a trace goes.
pub(crate) const DEST: &[u8] = b"Nats-Trace-Dest";
const ONLY: &[u8] = b"Nats-Trace-Only";
const PARENT: &[u8] = b"traceparent";
/// No subject, and the word for no trace.
const DISABLED: &[u8] = b"trace disabled";
/// Text of one shard's receivers in one trace.
const EVENTS_BYTES_MAX: usize = 512 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(headers: &str) -> Option<(Option<String>, bool)> {
        let block = format!("NATS/1.0\r\n{headers}\r\n\r\n");
        let text = |dest: Box<[u8]>| String::from_utf8_lossy(&dest).into_owned();
        read(block.as_bytes()).map(|asked| (asked.dest.map(text), asked.only))
    }

    #[test]
    fn a_destination_asks_and_a_tracing_system_does_if_it_samples() {
        let to = |dest: &str, only| Some((Some(dest.to_owned()), only));
        for (headers, expected) in [
            ("Nats-Trace-Dest: a.b", to("a.b", false)),
            ("Nats-Trace-Dest:\t a.b \t", to("a.b", false)),
            ("X: y\r\nNats-Trace-Dest: a\r\nNats-Trace-Only: TRUE", to("a", true)),
            ("Nats-Trace-Only: on\r\nNats-Trace-Dest: a\r\nNats-Trace-Dest: b", to("a", true)),
            ("Nats-Trace-Dest: a\r\nNats-Trace-Only: no", to("a", false)),
            ("Nats-Trace-Only: true", None),
            ("nats-trace-dest: a", None),
            ("Nats-Trace-Dest:", None),
            ("Nats-Trace-Dest: trace disabled", None),
            ("TraceParent: 00-4bf9-00f0-01", Some((None, false))),
            ("traceparent: 00-4bf9-00f0-01\r\nNats-Trace-Only: true", Some((None, false))),
            ("traceparent: 00-4bf9-00f0-00", None),
            ("traceparent: 00-4bf9-00f0-81", None),
            ("traceparent: 00-4bf9-00f0-1", None),
            ("traceparent: 00-4bf9-01", None),
            ("traceparent: \u{e9}\u{e9}-\u{e9}-\u{e9}-\u{e9}", None),
        ] {
            assert_eq!(asked(headers), expected, "{headers}");
        }
        for block in [&b""[..], b"x", b"NATS/1.0\r\n", b"NATS/1.0\r\n:\r\n", b"NATS/1.0\r\na:"] {
            assert_eq!(read(block), None);
        }
    }

    #[test]
    fn silenced_headers_ask_for_nothing() {
        let block = b"NATS/1.0\r\nA: b\r\nNats-Trace-Dest: x\r\nC: d\r\n\r\n";
        let silent = silenced(block);
        assert_eq!(silent, b"NATS/1.0\r\nA: b\r\nC: d\r\nNats-Trace-Dest: trace disabled\r\n\r\n");
        assert_eq!(read(&silent), None);
    }

    #[test]
    fn a_trace_is_one_json_text() {
        let mut events = Events::default();
        events.mapping("m", 1);
        events.stream("B", "b.x", 1);
        events.service("C", "x", "y", 1);
        events.egress(&Egress { number: 7, filter: "x.>", ..Egress::default() }, 1);
        let asked = read(b"NATS/1.0\r\nNats-Trace-Dest: a\r\nX: 1\r\nX: \"2\"\r\n\r\n");
        let headers = asked.expect("it asks").headers;
        let ingress = Ingress { number: 3, account: "A".to_owned(), ..Ingress::default() };
        let text = render(b"{}", &headers, 9, &ingress, &events);
        let json: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        let kinds: Vec<_> = json["events"].as_array().into_iter().flatten().collect();
        let kinds: Vec<_> = kinds.iter().map(|event| event["type"].as_str()).collect();
        assert_eq!(kinds, ["in", "sm", "se", "si", "eg"].map(Some));
        assert_eq!(json["request"]["header"]["X"], serde_json::json!(["1", "\"2\""]));
        assert_eq!(json["events"][4]["sub"], "x.>");
    }
}
