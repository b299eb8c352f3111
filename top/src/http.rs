//! One question to a monitoring port: a GET with a bound on its answer's size and time.
//!
//! Absent: connections that are kept, redirects and compression, none of which such a port has.

use std::fmt;
use std::io;
use std::net::ToSocketAddrs;
use std::time::{Duration, Instant};

use fanfare_bench::link::Link;
use fanfare_bench::tls::TlsClient;

use crate::site::Site;

/// Why a question got no answer.
#[derive(Debug)]
pub enum Trouble {
    /// The system, or the network.
    System(io::Error),
    /// The server says no.
    Status(u16),
    /// The server speaks TLS there, and the URL says otherwise.
    WantsTls,
    /// It is the port of NATS clients.
    ClientPort,
    /// It is no answer of a web server, or not what was asked for.
    Malformed,
    /// It is longer than any answer may be.
    TooLong,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => f.write_str("nobody listens there"),
                io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                    f.write_str("no answer in time")
                }
                io::ErrorKind::UnexpectedEof => f.write_str("the server closed without an answer"),
                _ => write!(f, "{error}"),
            },
            Self::Status(401 | 403) => {
                f.write_str("the server wants credentials: --user and --pass, or --token")
            }
            Self::Status(404) => f.write_str(
                "the server knows no /varz there (404); does it have an http_base_path, which \
                 belongs to the URL?",
            ),
            Self::Status(status) => write!(f, "the server answers with status {status}"),
            Self::WantsTls => f.write_str("the server speaks TLS there: write https://"),
            Self::ClientPort => {
                f.write_str("this is the port for NATS clients, not the one for monitoring")
            }
            Self::Malformed => f.write_str("this is not the answer of a monitoring port"),
            Self::TooLong => f.write_str("the answer is too long"),
        }
    }
}

impl std::error::Error for Trouble {}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// Asks for a path such as `/varz`.
pub fn get(site: &Site, tls: Option<&TlsClient>, path: &str) -> Result<Vec<u8>, Trouble> {
    let deadline = Instant::now() + PATIENCE;
    let mut link = connect(site)?;
    if site.is_secure {
        let tls = tls.ok_or_else(|| io::Error::other("TLS is not set up"))?;
        let target = tls.target(&site.host).map_err(io::Error::from)?;
        link.secure(&target)?;
    }
    link.send(&request(site, path))?;
    loop {
        match answer(&link.input, End::Open)? {
            Some(body) => return Ok(body),
            None if link.input.len() > ANSWER_BYTES_MAX => return Err(Trouble::TooLong),
            None => {}
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::from(io::ErrorKind::TimedOut).into());
        }
        link.set_read_timeout(Some(left))?;
        if link.fill()? == 0 {
            let end = answer(&link.input, End::Closed)?;
            return end.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
}

fn connect(site: &Site) -> Result<Link, Trouble> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "no such host");
    for address in (site.host.as_str(), site.port).to_socket_addrs()?.take(ADDRESSES_MAX) {
        match Link::dial(&address) {
            Ok(link) => return Ok(link),
            Err(error) => last = error,
        }
    }
    Err(last.into())
}

fn request(site: &Site, path: &str) -> Vec<u8> {
    let authorization = site.authorization.as_ref();
    let authorization = authorization.map(|text| format!("Authorization: {}\r\n", text.expose()));
    format!(
        "GET {}{path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: fanfare-top/{}\r\n\
         Accept: application/json\r\n{}Connection: close\r\n\r\n",
        site.base,
        site.place(),
        env!("CARGO_PKG_VERSION"),
        authorization.unwrap_or_default(),
    )
    .into_bytes()
}

/// Whether more bytes can come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Closed,
}

/// The answer's body, once it is there.
fn answer(bytes: &[u8], end: End) -> Result<Option<Vec<u8>>, Trouble> {
    if bytes.starts_with(b"INFO {") {
        return Err(Trouble::ClientPort);
    }
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let head = match response.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Trouble::Malformed),
    };
    let body = bytes.get(head..).unwrap_or_default();
    match response.code {
        Some(200) => {}
        Some(400) if is_plea_for_tls(body) => return Err(Trouble::WantsTls),
        Some(400) if end == End::Open => return Ok(None),
        Some(status) => return Err(Trouble::Status(status)),
        None => return Err(Trouble::Malformed),
    }
    let value = |name: &str| {
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| String::from_utf8_lossy(header.value).trim().to_ascii_lowercase())
    };
    if value("transfer-encoding").is_some_and(|coding| coding == "chunked") {
        return unchunked(body);
    }
    match value("content-length") {
        Some(length) => {
            let length: usize = length.parse().map_err(|_| Trouble::Malformed)?;
            Ok(body.get(..length).map(<[u8]>::to_vec))
        }
        None => Ok((end == End::Closed).then(|| body.to_vec())),
    }
}

/// What Go's servers say to who speaks in clear where they expect TLS.
fn is_plea_for_tls(body: &[u8]) -> bool {
    String::from_utf8_lossy(body).contains("HTTP request to an HTTPS server")
}

/// The content of chunks, once the last one is there.
fn unchunked(mut bytes: &[u8]) -> Result<Option<Vec<u8>>, Trouble> {
    let mut content = Vec::new();
    loop {
        let (head, size) = match httparse::parse_chunk_size(bytes) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(Trouble::Malformed),
        };
        if size == 0 {
            return Ok(Some(content));
        }
        let size = usize::try_from(size).map_err(|_| Trouble::TooLong)?;
        if size > ANSWER_BYTES_MAX {
            return Err(Trouble::TooLong);
        }
        let Some(chunk) = bytes.get(head..head + size) else { return Ok(None) };
        content.extend_from_slice(chunk);
        // Behind each chunk stands the end of a line.
        let Some(rest) = bytes.get(head + size + 2..) else { return Ok(None) };
        bytes = rest;
    }
}

/// How long a whole answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer: a page of connections with long names is far below.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;
const HEADERS_MAX: usize = 64;
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &str, end: End) -> String {
        match answer(bytes.as_bytes(), end) {
            Ok(Some(body)) => String::from_utf8(body).expect("text"),
            Ok(None) => "more".to_owned(),
            Err(trouble) => format!("{trouble:?}"),
        }
    }

    #[test]
    fn bodies_end_by_length_by_chunks_or_with_the_connection() {
        let length = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        for cut in 0..length.len() {
            assert_eq!(text(&length[..cut], End::Open), "more");
        }
        assert_eq!(text(length, End::Open), "{}");
        let chunks = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
                      1\r\n{\r\n00a;x=y\r\n 123456789\r\n1\r\n}\r\n0\r\n\r\n";
        assert_eq!(text(chunks, End::Open), "{ 123456789}");
        assert_eq!(text(&chunks[..chunks.len() - 8], End::Open), "more");
        let closed = "HTTP/1.0 200 OK\r\n\r\n{}";
        assert_eq!(text(closed, End::Open), "more");
        assert_eq!(text(closed, End::Closed), "{}");
    }

    #[test]
    fn what_is_no_answer_is_named() {
        assert_eq!(text("INFO {\"server_id\":1}\r\n", End::Open), "ClientPort");
        assert_eq!(text("SSH-2.0-x\r\n", End::Open), "Malformed");
        assert_eq!(text("HTTP/1.1 401 No\r\n\r\n", End::Open), "Status(401)");
        let tls = "HTTP/1.0 400 Bad Request\r\n\r\n";
        assert_eq!(text(tls, End::Open), "more");
        let told = format!("{tls}Client sent an HTTP request to an HTTPS server.\n");
        assert_eq!(text(&told, End::Closed), "WantsTls");
        assert_eq!(text(tls, End::Closed), "Status(400)");
        let huge = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffff\r\n";
        assert_eq!(text(huge, End::Open), "TooLong");
        let bad = "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n";
        assert_eq!(text(bad, End::Open), "Malformed");
    }

    #[test]
    fn a_request_carries_the_base_path_and_credentials() {
        let site = Site::parse("http://u:p@h:1/base/").expect("a site");
        let text = String::from_utf8(request(&site, "/varz")).expect("text");
        assert!(text.starts_with("GET /base/varz HTTP/1.1\r\nHost: h:1\r\n"), "{text}");
        assert!(text.contains("\r\nAuthorization: Basic dTpw\r\n"), "{text}");
    }
}
