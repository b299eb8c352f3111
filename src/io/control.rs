//! Where an operator's command reaches a running broker: a socket with an abstract name that is
//! made of the process's number.
//!
//! Absent: what is asked (`admin::upgrade`). Only the broker's own user and root are heard, and
//! whoever asks makes sure that the process answers that was meant; names of this kind vanish with
//! their process and need no directory.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::time::Duration;

use rustix::net::sockopt::socket_peercred;
use rustix::process::{Pid, geteuid, getpid};

/// Somebody who asks something of this broker.
#[derive(Debug)]
pub(crate) struct Caller {
    stream: UnixStream,
    /// The one line that it said.
    pub(crate) request: String,
}

impl Caller {
    /// Hears what somebody asks, for a bounded time.
    pub(crate) fn hear(stream: UnixStream) -> io::Result<Self> {
        let peer = socket_peercred(&stream)?;
        if !peer.uid.is_root() && peer.uid != geteuid() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut request = String::new();
        BufReader::new((&stream).take(REQUEST_MAX)).read_line(&mut request)?;
        Ok(Self { stream, request: request.trim_end().to_owned() })
    }

    /// The last word: whether it was done, and what there is to say.
    pub(crate) fn answer(mut self, result: &Result<String, String>) {
        let (word, text) = match result {
            Ok(text) => (DONE, text),
            Err(text) => (NOT_DONE, text),
        };
        // Whoever asked may have gone.
        let _ = writeln!(self.stream, "{word} {}", text.replace('\n', " "));
    }
}

/// The place where this process is asked.
pub(crate) fn open() -> io::Result<UnixListener> {
    let listener = UnixListener::bind_addr(&address(getpid())?)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Asks a process something, and waits for its answer as long as `patience`.
pub(crate) fn ask(process: Pid, request: &str, patience: Duration) -> Result<String, String> {
    let unable = |error: io::Error| match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            format!("process {process} is no broker of this user that can be asked")
        }
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("process {process} does not answer")
        }
        _ => format!("asking process {process}: {error}"),
    };
    let mut stream =
        UnixStream::connect_addr(&address(process).map_err(unable)?).map_err(unable)?;
    let peer = socket_peercred(&stream).map_err(|error| unable(error.into()))?;
    if peer.pid != process {
        return Err(format!("another process answers for process {process}"));
    }
    stream.set_read_timeout(Some(patience)).map_err(unable)?;
    writeln!(stream, "{request}").map_err(unable)?;
    let mut answer = String::new();
    stream.take(ANSWER_MAX).read_to_string(&mut answer).map_err(unable)?;
    match answer.trim_end().split_once(' ') {
        Some((DONE, text)) => Ok(text.to_owned()),
        Some((NOT_DONE, text)) => Err(text.to_owned()),
        _ => Err(format!("process {process} has ended without an answer")),
    }
}

/// Processes of different containers may have the same number and see the same names, so that the
/// name says in which of them the number counts.
fn address(process: Pid) -> io::Result<SocketAddr> {
    let space = std::fs::metadata("/proc/self/ns/pid").map_or(0, |space| space.ino());
    SocketAddr::from_abstract_name(format!("fanfare/{space}/{process}"))
}

/// How long either side may take for its line.
const PATIENCE: Duration = Duration::from_secs(2);
const REQUEST_MAX: u64 = 16 * 1024;
const ANSWER_MAX: u64 = 64 * 1024;
const DONE: &str = "done";
const NOT_DONE: &str = "failed";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_asked_and_answers() {
        let listener = open().unwrap();
        listener.set_nonblocking(false).unwrap();
        let server = std::thread::spawn(move || {
            for _ in 0..2 {
                let caller = Caller::hear(listener.accept().unwrap().0).unwrap();
                let result = match &caller.request[..] {
                    "good" => Ok("so it is\nindeed".to_owned()),
                    other => Err(format!("{other} is not")),
                };
                caller.answer(&result);
            }
        });
        let patience = Duration::from_secs(10);
        assert_eq!(ask(getpid(), "good", patience), Ok("so it is indeed".to_owned()));
        assert_eq!(ask(getpid(), "bad", patience), Err("bad is not".to_owned()));
        server.join().unwrap();
        let error = ask(getpid(), "good", patience).unwrap_err();
        assert!(error.ends_with("is no broker of this user that can be asked"), "{error}");
    }
}
