//! What real sockets make of sends by a ring: full ones, short sends, ends, and what is no socket.
//!
//! Absent: speed. Where the system refuses rings there is nothing to test, and a line says so.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;

fn ring() -> Option<Ring> {
    Ring::new().inspect_err(|error| eprintln!("skipped: no ring here: {error}")).ok()
}

fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let ours = TcpStream::connect(listener.local_addr().expect("bound")).expect("a connection");
    (ours, listener.accept().expect("a connection").0)
}

#[expect(clippy::unnecessary_wraps, reason = "a list of sends may have gaps")]
fn some<'a>(socket: &'a impl AsFd, bytes: &'a [u8]) -> Option<Send<'a>> {
    Some(Send { socket: socket.as_fd(), bytes })
}

fn kind(outcome: &io::Result<usize>) -> ErrorKind {
    outcome.as_ref().expect_err("it was refused").kind()
}

/// Sends until a socket takes no more. Of TCP's, one that is full has room again when segments that
/// are under way arrive; this kind stays full until somebody reads.
fn fill(socket: &mut UnixStream) {
    socket.set_nonblocking(true).expect("a setting");
    let many = vec![0; 1 << 16];
    while socket.write(&many).is_ok() {}
    while socket.write(&[0]).is_ok() {}
}

/// What a reader gets before it would have to wait.
fn read_all(socket: &mut TcpStream) -> Vec<u8> {
    socket.set_nonblocking(true).expect("a setting");
    let mut all = Vec::new();
    let error = socket.read_to_end(&mut all).expect_err("nobody has ended");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    all
}

#[test]
fn each_socket_gets_its_own_bytes_call_after_call() {
    let Some(mut ring) = ring() else { return };
    let mut pairs: Vec<_> =
        (0..Ring::SENDS_MAX).map(|_| UnixStream::pair().expect("two")).collect();
    let mut outcomes = Outcomes::new();
    for round in 0..5u8 {
        let texts: Vec<_> = (0..pairs.len()).map(|n| format!("{round}:{n}\r\n")).collect();
        let sends = pairs.iter().zip(&texts).map(|(pair, text)| some(&pair.0, text.as_bytes()));
        ring.send(sends, &mut outcomes).expect("the ring works");
        for ((pair, text), outcome) in pairs.iter_mut().zip(&texts).zip(&outcomes) {
            assert_eq!(outcome.as_ref().ok(), Some(&text.len()));
            let mut room = [0; 32];
            let read = pair.1.read(&mut room).expect("bytes");
            assert_eq!(room.get(..read), Some(text.as_bytes()));
        }
    }
}

#[test]
fn a_full_socket_takes_nothing_and_holds_up_nobody() {
    let Some(mut ring) = ring() else { return };
    let (mut full, _unread) = UnixStream::pair().expect("two");
    let (ours, mut theirs) = tcp();
    fill(&mut full);
    let mut outcomes = Outcomes::new();
    let sends = [some(&full, b"lost"), some(&ours, b"seen")];
    ring.send(sends.into_iter(), &mut outcomes).expect("the ring works");
    assert_eq!(kind(&outcomes[0]), ErrorKind::WouldBlock);
    assert_eq!(outcomes[1].as_ref().ok(), Some(&4));
    let mut room = [0; 8];
    assert_eq!(theirs.read(&mut room).expect("bytes"), 4);
}

/// The socket is a blocking one: not even that makes a send wait.
#[test]
fn a_socket_takes_as_much_as_it_has_room_for() {
    let Some(mut ring) = ring() else { return };
    let (ours, mut theirs) = tcp();
    let bytes: Vec<u8> = (0..32usize << 20).map(|n| n.to_le_bytes()[0]).collect();
    let mut outcomes = Outcomes::new();
    ring.send([some(&ours, &bytes)].into_iter(), &mut outcomes).expect("the ring works");
    let taken = *outcomes[0].as_ref().expect("some bytes");
    assert!(taken > 0 && taken < bytes.len(), "{taken}");
    drop(ours);
    let mut seen = Vec::new();
    theirs.read_to_end(&mut seen).expect("all bytes");
    assert!(seen == bytes[..taken], "{} bytes", seen.len());
}

#[test]
fn ends_and_what_is_no_socket_are_told_apart() {
    let Some(mut ring) = ring() else { return };
    let ((ended, _theirs), (ours, mut theirs)) = (tcp(), tcp());
    ended.shutdown(std::net::Shutdown::Write).expect("an end");
    let file = File::open("/dev/null").expect("a file");
    // SAFETY: nobody has a descriptor of this number, and a send to it is refused.
    let closed = unsafe { BorrowedFd::borrow_raw(1 << 30) };
    let mut outcomes = Outcomes::new();
    let sends = [some(&ended, b"x"), some(&file, b"x"), some(&closed, b"x"), some(&ours, b"x")];
    ring.send(sends.into_iter(), &mut outcomes).expect("the ring works");
    assert_eq!(kind(&outcomes[0]), ErrorKind::BrokenPipe);
    let code = |n: usize| outcomes[n].as_ref().expect_err("refused").raw_os_error();
    assert_eq!(code(1), Some(rustix::io::Errno::NOTSOCK.raw_os_error()));
    assert_eq!(code(2), Some(rustix::io::Errno::BADF.raw_os_error()));
    assert_eq!(outcomes[3].as_ref().ok(), Some(&1));
    assert_eq!(theirs.read(&mut [0; 8]).expect("a byte"), 1);
}

#[test]
fn what_was_not_asked_or_is_too_much_is_not_tried() {
    let Some(mut ring) = ring() else { return };
    let (ours, mut theirs) = tcp();
    let mut outcomes = Outcomes::new();
    let sends = (0..Ring::SENDS_MAX + 10).map(|n| if n == 3 { None } else { some(&ours, b"x") });
    ring.send(sends, &mut outcomes).expect("the ring works");
    assert_eq!(outcomes.len(), Ring::SENDS_MAX + 10);
    let tried = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(kind(&outcomes[3]), ErrorKind::Interrupted);
    assert_eq!(outcomes.last().map(kind), Some(ErrorKind::Interrupted));
    assert_eq!((tried, read_all(&mut theirs).len()), (Ring::SENDS_MAX, Ring::SENDS_MAX));
}

/// A ring that was never enabled refuses every call, as one does that the kernel has lost.
#[test]
fn a_ring_that_fails_has_sent_nothing_and_stays_out_of_use() {
    if ring().is_none() {
        return;
    }
    let disabled = IoUring::builder().setup_r_disabled().build(8).expect("a ring");
    let mut ring = Ring { ring: Some(disabled) };
    let (ours, mut theirs) = tcp();
    let mut outcomes = Outcomes::new();
    let sends = || [some(&ours, b"x"), some(&ours, b"y")].into_iter();
    ring.send(sends(), &mut outcomes).expect_err("it is disabled");
    assert!(outcomes.iter().all(|outcome| kind(outcome) == ErrorKind::Interrupted));
    assert_eq!(outcomes.len(), 2);
    assert!(read_all(&mut theirs).is_empty());
    let error = ring.send(sends(), &mut outcomes).expect_err("it has failed");
    assert_eq!(error.kind(), ErrorKind::NotConnected);
    assert_eq!(outcomes.len(), 2);
}

/// Requests that were queued before a panic must not be sent by a later call: what they point at
/// is gone.
#[test]
fn a_panic_while_sends_are_listed_ends_the_ring() {
    let Some(mut ring) = ring() else { return };
    let (ours, mut theirs) = tcp();
    let mut outcomes = Outcomes::new();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let sends = (0..3).map(|n| {
            assert!(n < 2, "the third cannot be had");
            some(&ours, b"x")
        });
        let _ = ring.send(sends, &mut outcomes);
    }));
    assert!(panicked.is_err());
    assert!(ring.send([some(&ours, b"y")].into_iter(), &mut outcomes).is_err());
    assert!(read_all(&mut theirs).is_empty());
}
