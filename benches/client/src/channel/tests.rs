//! A channel over a socket that never blocks and holds little.
//!
//! Absent: records cut anywhere (see `tls::session`).

use std::os::unix::net::UnixStream;

use rustls::ServerConnection;
use rustls::version::TLS13;

use super::*;
use crate::tls::tests::peer;

/// Two ends of a socket, neither of which blocks.
fn ends() -> (UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    theirs.set_nonblocking(true).unwrap();
    (ours, theirs)
}

/// A channel after its handshake, and the server with its end of the socket.
fn open() -> (Channel<UnixStream>, ServerConnection, UnixStream) {
    let (ours, mut theirs) = ends();
    let (mut server, target) = peer(&[&TLS13]);
    let mut channel = Channel::plain(ours);
    channel.secure(&target).unwrap();
    let wrote = channel.write(b"too early").unwrap();
    assert_eq!(wrote, Wrote { count: 0, is_blocked: false });
    let mut buffer = Vec::new();
    while !channel.is_open() || server.is_handshaking() {
        serve(&mut server, &mut theirs);
        assert_eq!(taken(&mut channel, &mut buffer, 0), Some(0));
    }
    (channel, server, theirs)
}

/// Lets the server read and write what the socket has and takes; returns the bytes that came.
fn serve(server: &mut ServerConnection, socket: &mut UnixStream) -> Vec<u8> {
    let mut got = Vec::new();
    while server.read_tls(socket).is_ok_and(|count| count > 0) {
        server.process_new_packets().unwrap();
        // When there is no more of it, the server says that it would block.
        let _ = server.reader().read_to_end(&mut got);
    }
    while server.wants_write() && server.write_tls(socket).is_ok() {}
    got
}

/// How many bytes a read brings; none when the other side has closed.
fn taken(channel: &mut Channel<UnixStream>, buffer: &mut Vec<u8>, at: usize) -> Option<usize> {
    match channel.read(buffer, at) {
        Ok(Got::Bytes { count, .. }) => Some(count),
        Ok(Got::Closed) => None,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some(0),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_full_socket_blocks_the_writer_and_nothing_is_lost_or_repeated() {
    let message: Vec<u8> = (0..=250).cycle().take(3_000_000).collect();
    let (mut channel, mut server, mut theirs) = open();
    let (mut sent, mut blocked, mut got) = (0, 0, Vec::new());
    while got.len() < message.len() {
        let wrote = channel.write(&message[sent..]).unwrap();
        sent += wrote.count;
        blocked += usize::from(wrote.is_blocked);
        got.extend(serve(&mut server, &mut theirs));
    }
    assert!(blocked > 5, "the socket was full {blocked} times");
    assert!(got == message);
    assert!(channel.flush().unwrap());
}

#[test]
fn bytes_come_behind_those_that_are_there_and_the_end_comes_last() {
    let message: Vec<u8> = (0..=250).cycle().take(1_000_000).collect();
    let (mut channel, mut server, mut theirs) = open();
    server.set_buffer_limit(None);
    server.writer().write_all(&message).unwrap();
    server.send_close_notify();
    // The buffer begins with what somebody else has put there, and is too small.
    let mut buffer = b"carried".to_vec();
    let mut filled = buffer.len();
    loop {
        serve(&mut server, &mut theirs);
        match taken(&mut channel, &mut buffer, filled) {
            Some(count) => filled += count,
            None => break,
        }
    }
    assert!(buffer.starts_with(b"carried") && buffer[7..filled] == message);
}

#[test]
fn a_server_that_goes_in_the_middle_of_the_handshake_is_a_fault() {
    let (ours, theirs) = ends();
    let (_, target) = peer(&[&TLS13]);
    let mut channel = Channel::plain(ours);
    channel.secure(&target).unwrap();
    assert!(channel.flush().unwrap());
    drop(theirs);
    // Linux reports the hello that nobody has read as a reset.
    let error = channel.read(&mut Vec::new(), 0).unwrap_err();
    let is_reset = error.kind() == io::ErrorKind::ConnectionReset;
    assert!(is_reset || TlsFault::of(&error) == Some(&TlsFault::Closed), "{error}");
}
