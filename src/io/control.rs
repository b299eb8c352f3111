//! Where an operator's command reaches a running broker: a socket with an abstract name that is
//! made of the process's number and of chance.
//!
//! Absent: what is asked (`admin::upgrade`). Only the broker's own user and root are heard, and
//! whoever asks makes sure that the process answers that was meant. Names of this kind vanish with
//! their process and need no directory, but any user may take one: what nobody can guess nobody
//! can take first, and whoever asks finds it in the system's list of sockets.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::time::{Duration, Instant};

use rustix::net::sockopt::socket_peercred;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::{Pid, geteuid, getpid};

/// Somebody who asks something of this broker.
#[derive(Debug)]
pub(crate) struct Caller {
    stream: UnixStream,
    /// The one line that it said.
    pub(crate) request: String,
}

impl Caller {
    /// Whether the user at the other end is one who is heard.
    pub(crate) fn may_ask(stream: &UnixStream) -> bool {
        socket_peercred(stream).is_ok_and(|peer| peer.uid.is_root() || peer.uid == geteuid())
    }

    /// Hears what somebody asks who may, for a bounded time.
    pub(crate) fn hear(stream: UnixStream) -> io::Result<Self> {
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
    let chance = getrandom::u64().map_err(io::Error::other)?;
    let name = format!("{}{chance:016x}", beginning(getpid()));
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Asks a process something, and waits for its answer as long as `patience`.
pub(crate) fn ask(process: Pid, request: &str, patience: Duration) -> Result<String, String> {
    let unable = |error: io::Error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("process {process} does not answer")
        }
        _ => format!("asking process {process}: {error}"),
    };
    let found = reach(process, Instant::now() + REACH_MAX).map_err(unable)?;
    let Some(mut stream) = found else {
        return Err(format!("process {process} is no broker of this user that can be asked"));
    };
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

/// A line to the process itself; `None` if it has no socket to be asked at.
fn reach(process: Pid, until: Instant) -> io::Result<Option<UnixStream>> {
    loop {
        let mut is_full = false;
        for name in names(process)? {
            match connect(&name) {
                Ok(stream) if socket_peercred(&stream).is_ok_and(|it| it.pid == process) => {
                    stream.set_nonblocking(false)?;
                    return Ok(Some(stream));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => is_full = true,
                // It is somebody else's, or has gone meanwhile.
                Ok(_) | Err(_) => {}
            }
        }
        if !is_full {
            return Ok(None);
        }
        if Instant::now() >= until {
            return Err(io::ErrorKind::TimedOut.into());
        }
        // Others stand in the queue, which the broker takes quickly.
        std::thread::park_timeout(REACH_PAUSE);
    }
}

/// Connects unless that takes long: somebody else's socket may let nobody in.
fn connect(name: &str) -> io::Result<UnixStream> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new_abstract_name(name.as_bytes())?)?;
    Ok(UnixStream::from(socket))
}

/// Names at which somebody listens and that could be a process's own.
fn names(process: Pid) -> io::Result<BTreeSet<String>> {
    let beginning = beginning(process);
    // Names of others need not be text.
    let list = std::fs::read("/proc/net/unix")?;
    let list = String::from_utf8_lossy(&list);
    let name = |line: &str| {
        // Its slot, its users, a protocol, flags, a type, a state, a number, and its name.
        let mut columns = line.split_ascii_whitespace();
        let is_listening = columns.nth(3) == Some(LISTENING);
        let name = columns.nth(3)?.strip_prefix('@')?;
        (is_listening && name.starts_with(&beginning)).then(|| name.to_owned())
    };
    Ok(list.lines().filter_map(name).collect())
}

/// What names of a process begin with. Processes of different containers may have the same number
/// and see the same names, so that the name says in which of them the number counts.
fn beginning(process: Pid) -> String {
    let space = std::fs::metadata("/proc/self/ns/pid").map_or(0, |space| space.ino());
    format!("fanfare/{space}/{process}/")
}

/// How the system's list marks who listens.
const LISTENING: &str = "00010000";
/// How long to try to be let in, and the time between two tries.
const REACH_MAX: Duration = Duration::from_secs(5);
const REACH_PAUSE: Duration = Duration::from_millis(5);
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
    fn whoever_takes_a_name_of_this_kind_is_passed_over() {
        // It belongs to this process, which is not the one that is asked; and lets nobody in.
        let process = Pid::from_raw(1).unwrap();
        let name = format!("{}{:016x}", beginning(process), 7);
        let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        let address = SocketAddrUnix::new_abstract_name(name.as_bytes()).unwrap();
        rustix::net::bind(&socket, &address).unwrap();
        rustix::net::listen(&socket, 0).unwrap();
        assert!(names(process).unwrap().contains(&name));
        assert!(reach(process, Instant::now()).unwrap().is_none(), "another process's socket");
        let error = reach(process, Instant::now()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "its queue is full");
    }

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
