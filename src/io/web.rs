//! One question to a web server: a GET with a bound on its answer's size and time.
//!
//! Absent: connections that are kept, redirects, compression and everything else that an account's
//! JWT does not need. The address's password is in no error.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use data_encoding::BASE64;

use super::errno;
use super::tls::Outgoing;
use crate::config::Secret;

/// Where a web server is, and what stands before a name on it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Site {
    secure: bool,
    host: Box<str>,
    port: u16,
    path: Box<str>,
    /// User and password, ready for the header.
    credentials: Option<Secret>,
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Site(")?;
        fmt::Display::fmt(self, f)?;
        f.write_str(")")
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}{}", self.host, self.port, self.path)
    }
}

impl Site {
    /// Reads an address such as `https://host:port/jwt/v1/accounts/`.
    pub(crate) fn parse(address: &str) -> Option<Self> {
        let (scheme, rest) = address.split_once("://")?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority),
        };
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (place, if secure { 443 } else { 80 }),
        };
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if host.is_empty() || !plain(address) || path.contains(['#', '?']) {
            return None;
        }
        Some(Self {
            secure,
            host: host.into(),
            port,
            path: format!("{}/", path.trim_end_matches('/')).into(),
            credentials: user.map(|user| Secret::new(BASE64.encode(user.as_bytes()))),
        })
    }

    /// Whether TLS is spoken with it.
    pub(crate) fn is_secure(&self) -> bool {
        self.secure
    }

    /// Asks for a name, which must be of letters and digits only.
    pub(crate) fn get(
        &self,
        name: &str,
        tls: Option<&Arc<Outgoing>>,
        patience: Duration,
    ) -> Result<Vec<u8>, WebError> {
        debug_assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        let deadline = Instant::now() + patience;
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        let mut stream = connect(bare, self.port, deadline)?;
        let request = self.request(name);
        match (self.secure, tls) {
            (false, _) => ask(&mut stream, &request, deadline),
            (true, Some(tls)) => {
                let mut session = tls.open(bare, Timed { stream, deadline })?;
                exchange(&mut session, &request)
            }
            (true, None) => Err(WebError::System(io::Error::other("TLS is not set up"))),
        }
    }

    fn request(&self, name: &str) -> Vec<u8> {
        let default = if self.secure { 443 } else { 80 };
        let port = if self.port == default { String::new() } else { format!(":{}", self.port) };
        let credentials = self.credentials.as_ref();
        let credentials =
            credentials.map(|text| format!("Authorization: Basic {}\r\n", text.expose()));
        format!(
            "GET {}{name} HTTP/1.1\r\nHost: {}{port}\r\nUser-Agent: fanfare/{}\r\n\
             Accept: */*\r\n{}Connection: close\r\n\r\n",
            self.path,
            self.host,
            env!("CARGO_PKG_VERSION"),
            credentials.unwrap_or_default(),
        )
        .into_bytes()
    }
}

/// Why a question got no answer.
#[derive(Debug)]
pub(crate) enum WebError {
    /// The system, or the network.
    System(io::Error),
    /// The server says no.
    Status(u16),
    /// It is no answer of a web server.
    Malformed,
    /// It is longer than any answer may be.
    TooLong,
}

impl fmt::Display for WebError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(error) => f.write_str(&errno::plain(error)),
            Self::Status(status) => write!(f, "the server answers with status {status}"),
            Self::Malformed => f.write_str("not an answer of a web server"),
            Self::TooLong => f.write_str("the answer is too long"),
        }
    }
}

impl std::error::Error for WebError {}

impl From<io::Error> for WebError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

fn connect(host: &str, port: u16, deadline: Instant) -> Result<TcpStream, WebError> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "no such host");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, left(deadline)?) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last.into())
}

/// The time until the deadline, which has not passed.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// A socket whose reads and writes all end at one deadline.
#[derive(Debug)]
pub(super) struct Timed {
    stream: TcpStream,
    deadline: Instant,
}

impl Read for Timed {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(left(self.deadline)?))?;
        self.stream.read(bytes)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(left(self.deadline)?))?;
        self.stream.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

fn ask(stream: &mut TcpStream, request: &[u8], deadline: Instant) -> Result<Vec<u8>, WebError> {
    exchange(&mut Timed { stream: stream.try_clone()?, deadline }, request)
}

fn exchange(stream: &mut (impl Read + Write), request: &[u8]) -> Result<Vec<u8>, WebError> {
    stream.write_all(request)?;
    stream.flush()?;
    let mut bytes = Vec::new();
    let bound = ANSWER_BYTES_MAX as u64 + 1;
    let end = stream.take(bound).read_to_end(&mut bytes);
    if bytes.len() > ANSWER_BYTES_MAX {
        return Err(WebError::TooLong);
    }
    match end {
        Ok(_) => answer(&bytes),
        // Some servers end TLS without saying so; what came is judged by its own length.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => answer(&bytes),
        Err(error) => Err(error.into()),
    }
}

/// The body of a whole answer.
fn answer(bytes: &[u8]) -> Result<Vec<u8>, WebError> {
    let split = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let split = split.ok_or(WebError::Malformed)?;
    let (head, body) = bytes.split_at(split);
    let body = body.get(4..).unwrap_or_default();
    let head = std::str::from_utf8(head).map_err(|_| WebError::Malformed)?;
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    if !words.next().is_some_and(|word| word.starts_with("HTTP/1.")) {
        return Err(WebError::Malformed);
    }
    let status = words.next().and_then(|word| word.parse().ok()).ok_or(WebError::Malformed)?;
    if status != 200 {
        return Err(WebError::Status(status));
    }
    let mut length = None;
    let mut chunked = false;
    for line in lines {
        let (name, value) = line.split_once(':').ok_or(WebError::Malformed)?;
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.trim().parse::<usize>().map_err(|_| WebError::Malformed)?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            chunked = value.trim().eq_ignore_ascii_case("chunked");
        }
    }
    match (chunked, length) {
        (true, _) => dechunk(body),
        (false, Some(length)) => Ok(body.get(..length).ok_or(WebError::Malformed)?.to_vec()),
        (false, None) => Ok(body.to_vec()),
    }
}

/// A body that comes in pieces, each with its length in hex before it.
fn dechunk(mut rest: &[u8]) -> Result<Vec<u8>, WebError> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").ok_or(WebError::Malformed)?;
        let (line, after) = rest.split_at(end);
        let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
        let digits = std::str::from_utf8(digits).map_err(|_| WebError::Malformed)?.trim();
        let length = usize::from_str_radix(digits, 16).map_err(|_| WebError::Malformed)?;
        if length == 0 {
            return Ok(body);
        }
        let after = after.get(2..).unwrap_or_default();
        let piece = after.get(..length).ok_or(WebError::Malformed)?;
        body.extend_from_slice(piece);
        let after = after.get(length..).and_then(|after| after.strip_prefix(b"\r\n"));
        rest = after.ok_or(WebError::Malformed)?;
    }
}

/// Longest answer: a JWT, and what may stand before it.
const ANSWER_BYTES_MAX: usize = crate::core::auth::jwt::TOKEN_BYTES_MAX + 65_536;

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// What becomes of a server's answer, and what it was asked.
    fn asked(reply: &'static [u8], path: &str) -> (Result<Vec<u8>, WebError>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut question = Vec::new();
            while !question.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                question.push(byte[0]);
            }
            stream.write_all(reply).unwrap();
            String::from_utf8(question).unwrap()
        });
        let site = Site::parse(&format!("http://u:p@127.0.0.1:{port}{path}")).unwrap();
        let found = site.get("KEY", None, Duration::from_secs(20));
        (found, server.join().unwrap())
    }
    fn body(reply: &'static [u8]) -> Option<String> {
        let (found, _) = asked(reply, "/");
        found.ok().map(|body| String::from_utf8(body).unwrap())
    }

    #[test]
    fn a_name_is_asked_for_below_the_path() {
        let (_, question) = asked(b"HTTP/1.1 200 OK\r\n\r\n", "/jwt/v1/accounts");
        assert!(question.starts_with("GET /jwt/v1/accounts/KEY HTTP/1.1\r\nHost: 127.0.0.1:"));
        assert!(question.contains("\r\nAuthorization: Basic dTpw\r\n"));
        let (_, question) = asked(b"HTTP/1.1 200 OK\r\n\r\n", "");
        assert!(question.starts_with("GET /KEY HTTP/1.1\r\n"));
    }

    #[test]
    fn bodies_end_in_three_ways() {
        assert_eq!(body(b"HTTP/1.1 200 OK\r\n\r\neyJ").as_deref(), Some("eyJ"));
        let counted = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\neyJmore";
        assert_eq!(body(counted).as_deref(), Some("eyJ"));
        let pieces = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
            2;x=y\r\ney\r\n1\r\nJ\r\n0\r\n\r\n";
        assert_eq!(body(pieces).as_deref(), Some("eyJ"));
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for reply in [
            &b""[..],
            b"HTTP/1.1 200 OK\r\n",
            b"SSH-2.0\r\n\r\n",
            b"HTTP/1.1 OK\r\n\r\n",
            b"HTTP/1.1 404 Not Found\r\n\r\n",
            b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\neyJ",
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\neyJ",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\ney",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\neyJ\r\n0\r\n\r\n",
        ] {
            assert_eq!(body(reply), None, "{}", String::from_utf8_lossy(reply));
        }
    }

    #[test]
    fn the_answer_is_bounded_in_time() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let site = Site::parse(&format!("http://127.0.0.1:{port}")).unwrap();
        let found = site.get("KEY", None, Duration::from_millis(50));
        assert!(matches!(found, Err(WebError::System(_))), "{found:?}");
    }

    #[test]
    fn addresses_are_read_and_shown_without_secrets() {
        let site = Site::parse("HTTPS://user:secret@[::1]/a/").unwrap();
        assert_eq!(site.to_string(), "https://[::1]:443/a/");
        assert!(!format!("{site:?}").contains("secret"));
        for wrong in
            ["", "host", "ftp://host", "http://", "http://h:x/", "http://h/?q", "http://h\r"]
        {
            assert_eq!(Site::parse(wrong), None, "{wrong}");
        }
    }
}
