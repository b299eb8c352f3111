//! The heads of requests and answers.
//!
//! Absent: bodies of requests, which nobody needs who only looks. What is refused is refused for
//! the whole connection, for nobody knows where the next request would begin.

use httparse::{EMPTY_HEADER, Status};

use crate::config::Secret;

/// What may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    /// Anything else.
    Other,
}

/// A request's head.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// The path, escapes undone.
    pub(crate) path: String,
    /// Names and values behind the question mark, escapes undone, in their order.
    pub(crate) query: Vec<(String, String)>,
    /// What the asker shows.
    pub(crate) authorization: Option<Secret>,
    /// Whether it takes the exposition format of OpenMetrics.
    pub(crate) takes_openmetrics: bool,
    pub(super) keeps_alive: bool,
    /// Whether the answer has to say so, as HTTP/1.0 wants it.
    pub(super) names_staying: bool,
}

/// What the beginning of some bytes is.
#[derive(Debug)]
pub(super) enum Parsed {
    /// Not a whole head yet.
    Partial,
    /// No head that this server reads.
    Malformed,
    /// A head of so many bytes.
    Request(Request, usize),
}

/// Reads the head at the beginning of some bytes.
pub(super) fn parse(input: &[u8]) -> Parsed {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(input) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Parsed::Partial,
        Err(_) => return Parsed::Malformed,
    };
    let (Some(method), Some(target)) = (request.method, request.path) else {
        return Parsed::Malformed;
    };
    let is_current = request.version == Some(1);
    let mut keeps_alive = is_current;
    let (mut authorization, mut takes_openmetrics, mut hosts) = (None, false, 0);
    for header in request.headers.iter() {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        hosts += usize::from(is("host"));
        let Ok(value) = std::str::from_utf8(header.value) else {
            if UNDERSTOOD.iter().any(|name| is(name)) {
                return Parsed::Malformed;
            }
            continue;
        };
        if is("content-length") && value.trim() != "0" || is("transfer-encoding") {
            return Parsed::Malformed;
        } else if is("connection") {
            let says =
                |word: &str| value.split(',').any(|token| token.trim().eq_ignore_ascii_case(word));
            keeps_alive = !says("close") && (keeps_alive || says("keep-alive"));
        } else if is("authorization") {
            authorization = Some(Secret::new(value.trim()));
        } else if is("accept") {
            takes_openmetrics = value.contains("application/openmetrics-text");
        }
    }
    if hosts > 1 || is_current && hosts == 0 {
        return Parsed::Malformed;
    }
    let (path, query) = without_place(target);
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (unescape(name, Plus::IsBlank), unescape(value, Plus::IsBlank))
    });
    let request = Request {
        method: match method {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            _ => Method::Other,
        },
        path: unescape(path, Plus::IsPlus),
        query: pairs.collect(),
        authorization,
        takes_openmetrics,
        keeps_alive,
        names_staying: keeps_alive && !is_current,
    };
    Parsed::Request(request, length)
}

/// The path and the query of a target, whether it names the host or not.
fn without_place(target: &str) -> (&str, &str) {
    let after = |scheme: &str| {
        let (front, rest) = target.split_at_checked(scheme.len())?;
        front.eq_ignore_ascii_case(scheme).then_some(rest)
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let Some(rest) = after("http://").or_else(|| after("https://")) else {
        return (path, query);
    };
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    // INVARIANT: where a slash is, a character begins.
    (place.find('/').map_or("/", |slash| &place[slash..]), query)
}

impl Request {
    /// The first value of a name; empty when there is none, as Go has it.
    pub(crate) fn value(&self, name: &str) -> &str {
        self.query.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// What a plus stands for.
#[derive(Clone, Copy, PartialEq)]
enum Plus {
    IsBlank,
    IsPlus,
}

/// Undoes `%41`; what is no escape stays, and what is no UTF-8 is replaced.
fn unescape(text: &str, plus: Plus) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, later)) = rest.split_first() {
        rest = later;
        match (first, later) {
            (b'%', [high, low, after @ ..]) => {
                let digit = |byte: u8| char::from(byte).to_digit(16).map(|n| n.to_le_bytes()[0]);
                if let (Some(high), Some(low)) = (digit(*high), digit(*low)) {
                    bytes.push(high << 4 | low);
                    rest = after;
                } else {
                    bytes.push(first);
                }
            }
            (b'+', _) if plus == Plus::IsBlank => bytes.push(b' '),
            _ => bytes.push(first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether the connection stays after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Staying {
    No,
    Yes,
    /// It does, and the asker must be told.
    Named,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
    /// Further header lines, each with its end.
    pub(crate) headers: &'static str,
}

impl Response {
    /// A text for people.
    pub(crate) fn plain(status: u16, text: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            body: text.into(),
            headers: "X-Content-Type-Options: nosniff\r\n",
        }
    }

    /// Appends the answer; only its head where that was asked for.
    pub(super) fn write(&self, out: &mut Vec<u8>, method: Method, staying: Staying) {
        let reason = match self.status {
            200 => "OK",
            400 => "Bad Request",
            401 => "Unauthorized",
            404 => "Not Found",
            405 => "Method Not Allowed",
            413 => "Content Too Large",
            500 => "Internal Server Error",
            503 => "Service Unavailable",
            _ => "Status",
        };
        let date = chrono::Utc::now().format("%a, %d %b %Y %H:%M:%S GMT");
        let connection = match staying {
            Staying::No => "Connection: close\r\n",
            Staying::Yes => "",
            Staying::Named => "Connection: keep-alive\r\n",
        };
        let head = format!(
            "HTTP/1.1 {} {reason}\r\nContent-Type: {}\r\n{}Date: {date}\r\n\
             Content-Length: {}\r\n{connection}\r\n",
            self.status,
            self.content_type,
            self.headers,
            self.body.len(),
        );
        out.extend_from_slice(head.as_bytes());
        if method != Method::Head {
            out.extend_from_slice(&self.body);
        }
    }
}

/// Bytes of a request's head.
pub(super) const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Header lines of a request.
const HEADERS_MAX: usize = 64;
/// Header lines that mean something here.
const UNDERSTOOD: [&str; 6] =
    ["accept", "authorization", "connection", "content-length", "host", "transfer-encoding"];

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Request {
        match parse(text.as_bytes()) {
            Parsed::Request(request, length) if length == text.len() => request,
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn a_head_is_taken_apart() {
        let read = request(
            "GET /a%20b+c?sort=in%5Fmsgs&test=a+b&=&x HTTP/1.1\r\nHost: h\r\n\
             Authorization: Bearer abc\r\n\r\n",
        );
        assert_eq!((read.method, &*read.path), (Method::Get, "/a b+c"));
        assert_eq!(read.value("sort"), "in_msgs");
        assert_eq!(read.value("test"), "a b");
        assert_eq!((read.value("x"), read.value("nothing")), ("", ""));
        let shown = read.authorization.as_ref().map(Secret::expose);
        assert_eq!(shown, Some("Bearer abc"));
        assert!(!format!("{read:?}").contains("abc"));
    }

    #[test]
    fn who_says_how_long_the_connection_lives_is_heard() {
        for (text, lives, named) in [
            ("GET / HTTP/1.1\r\nHost: h\r\n\r\n", true, false),
            ("GET / HTTP/1.1\r\nHost: h\r\nConnection: x, Close\r\n\r\n", false, false),
            ("GET / HTTP/1.0\r\n\r\n", false, false),
            ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true, true),
        ] {
            let request = request(text);
            assert_eq!((request.keeps_alive, request.names_staying), (lives, named), "{text:?}");
        }
    }

    #[test]
    fn a_target_may_name_its_host() {
        for (target, path) in [
            ("http://h:1/varz", "/varz"),
            ("HTTPS://h/a/b", "/a/b"),
            ("http://h", "/"),
            ("/http://h/", "/http://h/"),
        ] {
            let read = request(&format!("GET {target}?x=/1 HTTP/1.1\r\nHost: h\r\n\r\n"));
            assert_eq!((&*read.path, read.value("x")), (path, "/1"), "{target}");
        }
    }

    #[test]
    fn a_host_is_named_once_and_what_matters_is_a_text() {
        let read = |head: &[u8]| parse(&[b"GET / HTTP/1.1\r\n", head, b"\r\n"].concat());
        for head in [
            &b""[..],
            b"Host: a\r\nHost: a\r\n",
            b"Host: a\r\nContent-Length: \xff5\r\n",
            b"Host: a\r\nTransfer-Encoding: \xff\r\n",
            b"Host: a\r\nAuthorization: Bearer \xff\r\n",
            b"Host: \xff\r\n",
        ] {
            assert!(matches!(read(head), Parsed::Malformed), "{head:?}");
        }
        let other = read(b"Host: a\r\nUser-Agent: caf\xe9\r\n");
        assert!(matches!(other, Parsed::Request(..)));
    }

    #[test]
    fn what_has_a_body_or_is_no_request_is_refused() {
        for text in [
            "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
            "GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET / HTTP/3.9\r\n\r\n",
            "\u{1}\u{2}\r\n\r\n",
            "GET\r\n\r\n",
        ] {
            assert!(matches!(parse(text.as_bytes()), Parsed::Malformed), "{text:?}");
        }
        assert!(matches!(parse(b"GET / HTT"), Parsed::Partial));
        let request = request("DELETE /varz HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(request.method, Method::Other);
    }

    #[test]
    fn escapes_that_are_none_stay() {
        for (text, meant) in
            [("%", "%"), ("%4", "%4"), ("%zz", "%zz"), ("%2525", "%25"), ("%C3%BC", "ü")]
        {
            assert_eq!(unescape(text, Plus::IsBlank), meant, "{text}");
        }
        assert_eq!(unescape("%ff", Plus::IsBlank), "\u{fffd}");
    }

    #[test]
    fn a_head_may_be_asked_for_without_its_body() {
        let (mut whole, mut head) = (Vec::new(), Vec::new());
        let response = Response::plain(200, "hello");
        response.write(&mut whole, Method::Get, Staying::Yes);
        response.write(&mut head, Method::Head, Staying::Named);
        assert!(whole.ends_with(b"\r\n\r\nhello"));
        assert!(head.ends_with(b"\r\n\r\n"));
        let head = String::from_utf8_lossy(&head);
        assert!(head.contains("Content-Length: 5\r\nConnection: keep-alive\r\n"), "{head}");
    }

    proptest::proptest! {
        /// Any bytes are a request, the beginning of one, or refused.
        #[test]
        fn no_bytes_are_too_odd(
            path in "[ -~]{0,40}",
            rest in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..80),
        ) {
            let first = format!("GET /{path} HTTP/1.1\r\nHost: h\r\n");
            let request = [first.as_bytes(), &rest[..]].concat();
            for end in 0..=request.len() {
                let _ = parse(&request[..end]);
            }
            if let Parsed::Request(request, length) = parse(&[&request[..], b"\r\n\r\n"].concat()) {
                proptest::prop_assert!(request.path.starts_with('/') && length > 0);
            }
        }
    }
}
