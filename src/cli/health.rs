//! `fanfare health`: whether a broker serves, for those who can only start a program and read its
//! exit code, such as a container without a shell.
//!
//! Absent: credentials. A broker greets everybody who connects, and its monitoring port says how it
//! is; the answer is read up to a bound and for a bounded time.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::{failure, print};

/// What the command is for, in one line.
pub(super) const ABOUT: &str = "Say by the exit code whether a broker serves";

/// Asks the broker behind a URL how it is.
pub(super) fn command(executable: &str, arguments: &[String]) -> ExitCode {
    let url = match arguments {
        [word] if word == "--help" || word == "-h" => return print(HELP),
        [] => "nats://127.0.0.1:4222",
        [url] => url.as_str(),
        _ => return failure(executable, HELP.trim_end()),
    };
    match ask(url) {
        Ok(answer) => print(&format!("{answer}\n")),
        Err(reason) => failure(executable, &format!("{url}: {reason}")),
    }
}

/// The broker's answer, or why it does not serve.
fn ask(url: &str) -> Result<String, String> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("nats", url));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    // Whoever is named before the host is not asked for.
    let authority = authority.rsplit('@').next().unwrap_or(authority);
    match scheme {
        "nats" | "tls" => greeting(&mut connect(authority, 4222)?),
        "http" => {
            let path = if path.is_empty() { "healthz" } else { path };
            healthz(&mut connect(authority, 8222)?, authority, path)
        }
        _ => Err(format!("{scheme}:// is neither nats:// nor http://")),
    }
}

fn connect(authority: &str, port: u16) -> Result<Connection, String> {
    let has_port = authority.rsplit_once(':').is_some_and(|(host, port)| {
        port.parse::<u16>().is_ok() && (!host.contains(':') || host.ends_with(']'))
    });
    let address = if has_port { authority.to_owned() } else { format!("{authority}:{port}") };
    let addresses = address.to_socket_addrs().map_err(|error| error.to_string())?;
    let until = Instant::now() + PATIENCE;
    let mut last = "the name has no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return Ok(Connection { stream, until }),
            Err(error) => last = error.to_string(),
        }
    }
    Err(last)
}

/// A broker greets each connection with its INFO, whatever comes then.
fn greeting(connection: &mut Connection) -> Result<String, String> {
    let line = connection.read_until(|bytes| bytes.ends_with(b"\n"))?;
    if line.starts_with(b"INFO {") { Ok("ok".to_owned()) } else { Err(unexpected(&line)) }
}

fn healthz(connection: &mut Connection, host: &str, path: &str) -> Result<String, String> {
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    connection.stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
    let answer = connection.read_until(|_| false)?;
    let status = answer.split(|&byte| byte == b'\r').next().unwrap_or_default();
    if status.starts_with(b"HTTP/1.1 200 ") || status.starts_with(b"HTTP/1.0 200 ") {
        Ok("ok".to_owned())
    } else {
        Err(unexpected(status))
    }
}

fn unexpected(bytes: &[u8]) -> String {
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned();
    format!("answers {shown:?}")
}

struct Connection {
    stream: TcpStream,
    until: Instant,
}

impl Connection {
    /// Reads until that is enough, or the peer ends.
    fn read_until(&mut self, is_enough: impl Fn(&[u8]) -> bool) -> Result<Vec<u8>, String> {
        let mut answer = Vec::new();
        let mut room = [0; 4096];
        while !is_enough(&answer) {
            let left = self.until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err("does not answer in time".to_owned());
            }
            self.stream.set_read_timeout(Some(left)).map_err(|error| error.to_string())?;
            match self.stream.read(&mut room) {
                Ok(0) => break,
                Ok(length) => answer.extend(room.iter().take(length)),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => {
                    return Err("does not answer in time".to_owned());
                }
                Err(error) => return Err(error.to_string()),
            }
            if answer.len() > ANSWER_MAX {
                return Err("answers without an end".to_owned());
            }
        }
        Ok(answer)
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}

/// How long all of it may take, and how much an answer may say.
const PATIENCE: Duration = Duration::from_secs(3);
const ANSWER_MAX: usize = 64 * 1024;

const HELP: &str = "\
usage: fanfare health [URL]

Ends with 0 when the broker serves and with 1 when it does not.
  nats://HOST:PORT    greets those who connect [nats://127.0.0.1:4222]
  http://HOST:PORT    says on its monitoring port that it is well (/healthz)
";
