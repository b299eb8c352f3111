//! The header that tells a service whose request it is that came from another account.
//!
//! Absent: trust in what the requester wrote: a header of this name that it sent is taken out, so
//! that nobody can pass for somebody else. Text and order are nats-server's `ClientInfo`.

use bytes::Bytes;
use fanfare_protocol::json::Object;
use fanfare_protocol::op::PublishLine;

use super::message::Body;
use super::msg_trace;

/// Who asks, as far as a service is told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Requester<'a> {
    /// Its account.
    pub(crate) account: &'a str,
    /// Its round trip time in nanoseconds; 0 when it is not known.
    pub(crate) rtt_ns: u64,
    /// The rest, where the importing account shares it.
    pub(crate) shared: Option<Shared<'a>>,
}

/// What an importing account may share of a requester.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shared<'a> {
    /// Its address.
    pub(crate) host: &'a str,
    /// Its number.
    pub(crate) number: u64,
    /// Its user.
    pub(crate) user: &'a str,
    /// Its name.
    pub(crate) name: &'a str,
    /// Its language.
    pub(crate) lang: &'a str,
    /// Its library's version.
    pub(crate) version: &'a str,
    /// The server's name.
    pub(crate) server: &'a str,
}

/// A message with the header, as it goes to services.
#[derive(Debug)]
pub(crate) struct Marked {
    /// Header block, payload, and the CR LF behind them.
    pub(crate) body: Bytes,
    pub(crate) header_len: u32,
    pub(crate) total_len: u32,
}

impl Marked {
    /// The same for a service that traces do not tell of: nobody behind it is asked for one.
    pub(crate) fn silenced(&self) -> Self {
        let (block, payload) = self.body.split_at(self.header_len as usize);
        let mut body = msg_trace::silenced(block);
        // INVARIANT: as in `mark`.
        let header_len = u32::try_from(body.len()).unwrap_or(u32::MAX);
        body.extend_from_slice(payload);
        let total_len = u32::try_from(body.len().saturating_sub(2)).unwrap_or(u32::MAX);
        Self { body: Bytes::from(body), header_len, total_len }
    }
}

/// Adds the header to a message, and takes out what pretends to be it.
pub(crate) fn mark(line: &PublishLine<'_>, body: Body<'_>, requester: &Requester<'_>) -> Marked {
    let framed = body.bytes();
    let header_len = line.header_len.unwrap_or(0) as usize;
    let (block, payload) = framed.split_at(header_len.min(framed.len()));
    let mut marked = Vec::with_capacity(framed.len() + 256);
    let mut rest = block.strip_suffix(b"\r\n").unwrap_or(block);
    if rest.is_empty() {
        marked.extend_from_slice(b"NATS/1.0\r\n");
    }
    // At a lone LF, too: there are readers that end lines at it.
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let (header, behind) = rest.split_at(end + 1);
        if !is_ours(header) {
            marked.extend_from_slice(header);
        }
        rest = behind;
    }
    if !is_ours(rest) {
        marked.extend_from_slice(rest);
    }
    marked.extend_from_slice(NAME);
    marked.extend_from_slice(b": ");
    write_json(&mut marked, requester);
    marked.extend_from_slice(b"\r\n\r\n");
    // INVARIANT: a block is part of a message below `PAYLOAD_CEILING`, and what is added is short.
    let header_len = u32::try_from(marked.len()).unwrap_or(u32::MAX);
    marked.extend_from_slice(payload);
    let total_len = u32::try_from(marked.len().saturating_sub(2)).unwrap_or(u32::MAX);
    Marked { body: Bytes::from(marked), header_len, total_len }
}

fn is_ours(header: &[u8]) -> bool {
    let name = header.split(|byte| *byte == b':').next().unwrap_or(header);
    name.trim_ascii().eq_ignore_ascii_case(NAME)
}

/// What a service is told of a requester.
pub(crate) fn write_json(out: &mut Vec<u8>, requester: &Requester<'_>) {
    let mut object = Object::begin(out);
    if let Some(shared) = &requester.shared {
        object.text_if("host", shared.host);
        object.number("id", shared.number);
    }
    object.text("acc", requester.account);
    if let Some(shared) = &requester.shared {
        object.text_if("user", shared.user);
        object.text_if("name", shared.name);
        object.text_if("lang", shared.lang);
        object.text_if("ver", shared.version);
    }
    object.number_if("rtt", requester.rtt_ns);
    if let Some(shared) = &requester.shared {
        object.text_if("server", shared.server);
    }
    object.end();
}

/// The header's name.
const NAME: &[u8] = b"Nats-Request-Info";

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(header_len: Option<u32>, framed: &[u8]) -> (String, u32, u32) {
        let total_len = u32::try_from(framed.len() - 2).expect("short");
        let line = PublishLine { subject: b"s", reply: b"r", header_len, total_len };
        let requester = Requester { account: "B", rtt_ns: 7, shared: None };
        let marked = mark(&line, Body::Copied(framed), &requester);
        let text = String::from_utf8(marked.body.to_vec()).expect("text");
        (text, marked.header_len, marked.total_len)
    }

    #[test]
    fn a_message_without_headers_gets_a_block() {
        let (text, header_len, total_len) = marked(None, b"hi\r\n");
        let block = "NATS/1.0\r\nNats-Request-Info: {\"acc\":\"B\",\"rtt\":7}\r\n\r\n";
        assert_eq!(text, format!("{block}hi\r\n"));
        assert_eq!((header_len as usize, total_len as usize), (block.len(), block.len() + 2));
    }

    #[test]
    fn what_the_requester_pretended_is_gone() {
        let block = "NATS/1.0\r\nA: b\r\nnats-request-info : {\"acc\":\"SYS\"}\r\n\r\n";
        let length = u32::try_from(block.len()).expect("short");
        let (text, ..) = marked(Some(length), format!("{block}hi\r\n").as_bytes());
        let expected =
            "NATS/1.0\r\nA: b\r\nNats-Request-Info: {\"acc\":\"B\",\"rtt\":7}\r\n\r\nhi\r\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn garbage_for_headers_is_carried_along() {
        let forged = "NATS/1.0\r\nA: b\nNats-Request-Info: {\"acc\":\"SYS\"}\r\n\r\n";
        let length = u32::try_from(forged.len()).expect("short");
        let (text, ..) = marked(Some(length), format!("{forged}hi\r\n").as_bytes());
        assert!(!text.contains("SYS"), "{text}");
        for block in ["", "x", "\r\n", "NATS/1.0", "NATS/1.0\r\nA", "\r\n\r\n\r\n"] {
            let length = u32::try_from(block.len()).expect("short");
            let (text, ..) = marked(Some(length), format!("{block}hi\r\n").as_bytes());
            assert!(
                text.ends_with("\r\n\r\nhi\r\n") && text.contains("Nats-Request-Info"),
                "{text}"
            );
        }
    }
}
