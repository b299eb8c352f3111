//! The system log, here or on another machine, in the old BSD form (RFC 3164) as Go writes it.
//!
//! Absent: queues and levels of detail (`log`). Only the log's thread waits here, for seconds at
//! most; while the system log is away, lines are counted and not kept.

use std::io::{self, Write};
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::{Duration, Instant};

use chrono::Local;

use super::errno;
use super::log_line::Level;
use crate::config::Syslog;

/// See the module's head.
#[derive(Debug)]
pub(super) struct SystemLog {
    place: Place,
    tag: String,
    host: String,
    connection: Option<Connection>,
    /// When a lost connection is tried again.
    retry_at: Option<Instant>,
    lost: u64,
}

/// Where the system log is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Local,
    Udp(String),
    Tcp(String),
    Unix(String),
}

#[derive(Debug)]
enum Connection {
    Udp(UdpSocket),
    Tcp(TcpStream),
    Datagram(UnixDatagram),
    Stream(UnixStream),
}

impl SystemLog {
    /// Connects. Texts of errors are nats-server's.
    pub(super) fn open(syslog: &Syslog, tag: &str) -> Result<Self, String> {
        let place = Place::of(syslog)?;
        let connection = connect(&place)
            .map_err(|error| format!("error connecting to syslog: {:?}", errno::plain(&error)))?;
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let tag = tag.to_owned();
        Ok(Self { place, tag, host, connection: Some(connection), retry_at: None, lost: 0 })
    }

    /// Sends one line.
    pub(super) fn write(&mut self, level: Level, text: &str) {
        let line = self.line(level, text);
        if self.send(&line) {
            if self.lost > 0 {
                let text = format!("The system log was away: {} lines lost", self.lost);
                self.lost = 0;
                let line = self.line(Level::Warn, &text);
                self.send(&line);
            }
        } else {
            self.lost += 1;
        }
    }

    /// Sends bytes, over a new connection if the old one is broken.
    fn send(&mut self, line: &[u8]) -> bool {
        if self.retry_at.is_some_and(|time| Instant::now() < time) {
            return false;
        }
        if let Some(connection) = &mut self.connection
            && connection.send(line).is_ok()
        {
            return true;
        }
        self.connection = connect(&self.place).ok();
        let sent = self.connection.as_mut().is_some_and(|to| to.send(line).is_ok());
        self.retry_at = (!sent).then(|| Instant::now() + RETRY);
        sent
    }

    fn line(&self, level: Level, text: &str) -> Vec<u8> {
        let severity = match level {
            Level::Fatal => 2,
            Level::Error => 3,
            Level::Warn => 4,
            Level::Info | Level::Trace => 5,
            Level::Debug => 7,
        };
        let pid = std::process::id();
        let tag = &self.tag;
        let end = (0..=text.len().min(TEXT_MAX)).rev().find(|&end| text.is_char_boundary(end));
        let text = &text[..end.unwrap_or(0)];
        let now = Local::now();
        // The facility is `daemon` here, and `kern` elsewhere: the reference gives its remote logs
        // none, and rules that were written for it look for that.
        let line = if self.place == Place::Local {
            let time = now.format("%b %e %H:%M:%S");
            format!("<{}>{time} {tag}[{pid}]: {text}\n", DAEMON | severity)
        } else {
            let time = now.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
            format!("<{severity}>{time} {} {tag}[{pid}]: {text}\n", self.host)
        };
        line.into_bytes()
    }
}

impl Place {
    fn of(syslog: &Syslog) -> Result<Self, String> {
        let Syslog::Remote(url) = syslog else { return Ok(Self::Local) };
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let address = |authority: &str| match authority.rsplit_once(':') {
            Some((_, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                authority.to_owned()
            }
            _ => format!("{authority}:{PORT}"),
        };
        match scheme {
            "udp" => Ok(Self::Udp(address(authority))),
            "tcp" => Ok(Self::Tcp(address(authority))),
            "unix" => Ok(Self::Unix(path.to_owned())),
            _ => Err(format!("error invalid network type: {scheme:?}")),
        }
    }
}

impl Connection {
    fn send(&mut self, line: &[u8]) -> io::Result<()> {
        match self {
            Self::Udp(socket) => socket.send(line).map(|_| ()),
            Self::Datagram(socket) => socket.send(line).map(|_| ()),
            Self::Tcp(stream) => stream.write_all(line),
            Self::Stream(stream) => stream.write_all(line),
        }
    }
}

fn connect(place: &Place) -> io::Result<Connection> {
    match place {
        Place::Local => {
            let paths = ["/dev/log", "/var/run/syslog", "/var/run/log"];
            let found =
                paths.into_iter().find_map(|path| datagram(path).or_else(|_| stream(path)).ok());
            found.ok_or_else(|| io::Error::other("Unix syslog delivery error"))
        }
        Place::Unix(path) => stream(path),
        Place::Udp(address) => {
            let peer = resolve(address)?;
            let any = if peer.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
            let socket = UdpSocket::bind(any)?;
            socket.connect(peer)?;
            Ok(Connection::Udp(socket))
        }
        Place::Tcp(address) => {
            let stream = TcpStream::connect_timeout(&resolve(address)?, PATIENCE)?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(Connection::Tcp(stream))
        }
    }
}

fn resolve(address: &str) -> io::Result<std::net::SocketAddr> {
    let none = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    address.to_socket_addrs()?.next().ok_or_else(none)
}

fn datagram(path: &str) -> io::Result<Connection> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(Connection::Datagram(socket))
}

fn stream(path: &str) -> io::Result<Connection> {
    let stream = UnixStream::connect(path)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(Connection::Stream(stream))
}

/// The facility of system daemons.
const DAEMON: u8 = 3 << 3;
/// The port of system logs.
const PORT: u16 = 514;
/// Longest text of a line: with its head it fits into a datagram.
const TEXT_MAX: usize = 60_000;
/// How long the log's thread waits for a system log.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a system log that is away is left alone.
const RETRY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use super::*;

    fn remote(url: &str) -> Syslog {
        Syslog::Remote(url.to_owned())
    }

    #[test]
    fn addresses_are_urls() {
        let place = |url| Place::of(&remote(url));
        assert_eq!(place("udp://h:1"), Ok(Place::Udp("h:1".to_owned())));
        assert_eq!(place("tcp://h"), Ok(Place::Tcp("h:514".to_owned())));
        assert_eq!(place("udp://[::1]:9/x"), Ok(Place::Udp("[::1]:9".to_owned())));
        assert_eq!(place("udp://[::1]"), Ok(Place::Udp("[::1]:514".to_owned())));
        assert_eq!(place("unix:///run/log"), Ok(Place::Unix("/run/log".to_owned())));
        assert_eq!(place("h:1"), Err("error invalid network type: \"\"".to_owned()));
        assert_eq!(place("http://h"), Err("error invalid network type: \"http\"".to_owned()));
    }

    #[test]
    fn a_line_has_priority_time_host_name_and_text() {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let address = socket.local_addr().expect("an address");
        let mut log = SystemLog::open(&remote(&format!("udp://{address}")), "exe").expect("a log");
        log.write(Level::Warn, "hello");
        let mut buffer = [0; 1024];
        let count = socket.recv(&mut buffer).expect("a datagram");
        let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
        assert!(text.starts_with("<4>20"), "{text}");
        let end = format!(" {} exe[{}]: hello\n", log.host, std::process::id());
        assert!(text.ends_with(&end), "{text}");
    }

    #[test]
    fn a_connection_that_breaks_is_made_anew() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let mut log = SystemLog::open(&remote(&format!("tcp://{address}")), "exe").expect("a log");
        drop(listener.accept().expect("a connection"));
        // The first write after the peer's close may still be taken by the system; it is gone.
        let mut reader = loop {
            log.write(Level::Info, "hello");
            listener.set_nonblocking(true).expect("a socket");
            if let Ok((stream, _)) = listener.accept() {
                break stream;
            }
        };
        drop(log);
        let mut text = String::new();
        reader.set_nonblocking(false).expect("a socket");
        reader.read_to_string(&mut text).expect("text");
        assert!(text.contains("exe[") && text.ends_with("hello\n"), "{text}");
    }

    #[test]
    fn a_log_that_is_not_there_is_told_at_once() {
        let error = SystemLog::open(&remote("unix:///nonexistent/log"), "exe").expect_err("none");
        assert_eq!(error, "error connecting to syslog: \"no such file or directory\"");
    }
}
