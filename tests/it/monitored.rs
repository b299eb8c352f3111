//! A broker, or a real nats-server, with a monitoring port, and one who asks there.
//!
//! Absent: what is expected of answers (`monitoring` and its neighbours).

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::broker::{Broker, Process, scratch};
use crate::wire::Connection;

/// A program with a monitoring port.
pub(crate) struct Monitored {
    pub(crate) broker: Broker,
    pub(crate) http: SocketAddr,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The lines of its head, without the first.
    pub(crate) head: Vec<String>,
    pub(crate) body: String,
}

impl Answer {
    /// The value of a header line.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.iter().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

impl Monitored {
    /// Starts a program with a configuration; ports are the system's to choose.
    pub(crate) fn start(program: &Path, config: &str) -> Self {
        let file = scratch("monitored.conf");
        std::fs::write(&file, config).expect("the build directory is writable");
        let mut command = Command::new(program);
        command.args(["-a", "127.0.0.1", "-p", "-1", "-c"]).arg(file);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let broker = Broker::ready(Process::spawn(command));
        let told = broker.log().so_far();
        let line = told.lines().find(|line| line.contains("Starting http"));
        let line = line.unwrap_or_else(|| panic!("no monitor: {told}"));
        let http = line.rsplit(' ').next().and_then(|address| address.parse().ok());
        Self { broker, http: http.unwrap_or_else(|| panic!("no address in {line}")) }
    }

    /// A connection to the port.
    pub(crate) fn open(&self) -> Connection {
        Connection::open(self.http)
    }

    /// Asks for a path, and nothing else.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"))
    }

    /// The JSON at a path.
    #[track_caller]
    pub(crate) fn json(&self, path: &str) -> Value {
        self.get(path).json()
    }

    /// Sends a request as it is, on a connection of its own that ends with the answer.
    #[track_caller]
    pub(crate) fn ask(&self, request: &str) -> Answer {
        let mut connection = self.open();
        connection.send(request);
        answer_of(&mut connection)
    }

    /// Asks for a path until something is true of the answer.
    #[track_caller]
    pub(crate) fn until(&self, path: &str, mut is_it: impl FnMut(&Value) -> bool) -> Value {
        let limit = std::time::Instant::now() + crate::wire::DEADLINE;
        loop {
            let answer = self.json(path);
            if is_it(&answer) {
                return answer;
            }
            assert!(std::time::Instant::now() < limit, "it never comes true: {answer}");
        }
    }
}

/// The next answer of a connection, whole by its length or by the end of the connection.
#[track_caller]
pub(crate) fn answer_of(connection: &mut Connection) -> Answer {
    let first = connection.line();
    let status = first.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status.unwrap_or_else(|| panic!("no status in {first:?}"));
    let mut head = Vec::new();
    loop {
        let line = connection.line();
        if line.is_empty() {
            break;
        }
        head.push(line);
    }
    let mut answer = Answer { status, head, body: String::new() };
    let body = match answer.header("Content-Length").map(str::parse::<usize>) {
        Some(Ok(length)) => {
            while connection.pending().len() < length {
                assert!(connection.fill(), "the answer ends early");
            }
            connection.consume(length)
        }
        _ if answer.header("Transfer-Encoding") == Some("chunked") => chunks(connection),
        _ => connection.rest(),
    };
    answer.body = String::from_utf8(body).expect("a text");
    answer
}

/// A body in pieces, as Go writes large ones.
fn chunks(connection: &mut Connection) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let length = usize::from_str_radix(&connection.line(), 16).expect("a length");
        while connection.pending().len() < length + 2 {
            assert!(connection.fill(), "the answer ends early");
        }
        body.extend_from_slice(&connection.consume(length + 2)[..length]);
        if length == 0 {
            return body;
        }
    }
}
