//! Connections of the server at the other ends of socket pairs: what one look at them costs, when
//! their time is over, and who comes first.
//!
//! Absent: heads of requests (`head`), and the listener, which the tests of the broker use.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use super::*;
use crate::config::listen::Address;

/// A connection and the asker's end of it, neither of which waits.
fn pair(now: Instant) -> (Connection, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("two sockets");
    for end in [&ours, &theirs] {
        end.set_nonblocking(true).expect("a socket");
    }
    let stream = Stream::from(OwnedFd::from(ours));
    (Connection::new(stream, None, 1, now).expect("a connection"), theirs)
}

/// Writes until the socket is full; says how many bytes it took.
fn flood(peer: &mut UnixStream) -> usize {
    let mut sum = 0;
    while let Ok(written) = peer.write(&[b'x'; 4096]) {
        sum += written;
    }
    sum
}

fn answer(connection: &mut Connection, body: Vec<u8>, now: Instant) {
    assert!(matches!(connection.poll_request(), Progress::Request(_)));
    assert!(connection.take_request().is_some());
    connection.respond(&Response::plain(200, body), Method::Get, now);
    connection.write(&mut Rooms::default(), now);
}

#[test]
fn one_look_reads_a_bounded_number_of_bytes_even_of_those_who_leave() {
    let (now, mut rooms) = (Instant::now(), Rooms::default());
    let (mut connection, mut peer) = pair(now);
    peer.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("room");
    connection.advance(None, &mut rooms, now);
    answer(&mut connection, Vec::new(), now);
    let sent = flood(&mut peer);
    assert!(sent > 80 * 1024, "{sent}");
    connection.advance(None, &mut rooms, now);
    assert!(connection.wants_reading());
    assert!(flood(&mut peer) < 80 * 1024, "more than one look's share was read");
    drop(peer);
    for _ in 0..100 {
        connection.read_on(&mut rooms, now);
    }
    assert!(!connection.wants_reading() && !connection.is_alive());
}

#[test]
fn who_takes_an_answer_slowly_has_time_and_who_takes_nothing_has_not() {
    let (start, mut rooms) = (Instant::now(), Rooms::default());
    let (mut connection, mut peer) = pair(start);
    peer.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").expect("room");
    connection.advance(None, &mut rooms, start);
    answer(&mut connection, vec![b'x'; 8 << 20], start);
    let first = connection.deadline().expect("a deadline");
    let later = start + Duration::from_secs(20);
    connection.advance(None, &mut rooms, later);
    assert_eq!(connection.deadline(), Some(first));
    assert_eq!(connection.spare_since(start), None);
    assert!(connection.spare_since(later).is_some());
    let before = connection.unwritten();
    let mut room = vec![0; 64 * 1024];
    while before - connection.unwritten() < 300 * 1024 {
        assert!(peer.read(&mut room).expect("bytes") > 0);
        connection.advance(None, &mut rooms, later);
    }
    assert_eq!(connection.deadline(), Some(first + Duration::from_secs(20)));
    assert_eq!(connection.spare_since(later), None);
}

#[test]
fn who_has_no_leave_is_sent_away() {
    let (now, mut rooms) = (Instant::now(), Rooms::default());
    let (mut connection, mut peer) = pair(now);
    peer.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").expect("room");
    connection.advance(None, &mut rooms, now);
    assert!(matches!(connection.poll_request(), Progress::Request(_)));
    connection.respond(&Response::plain(401, "no"), Method::Get, now);
    connection.write(&mut rooms, now);
    let mut told = String::new();
    peer.read_to_string(&mut told).expect("an end");
    assert!(told.contains("Connection: close\r\n"), "{told}");
}

/// A server with connections that have sent these requests.
fn server(targets: &[&str], now: Instant) -> (HttpServer, Vec<UnixStream>) {
    let address = Address::Tcp { host: "127.0.0.1".into(), port: 0 };
    let mut server = HttpServer::new(Listener::open(&address).expect("a port"), None);
    let peers = targets.iter().map(|target| {
        let (mut connection, mut peer) = pair(now);
        write!(peer, "GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").expect("room");
        connection.advance(None, &mut server.rooms, now);
        server.connections.insert(connection);
        peer
    });
    let peers = peers.collect();
    (server, peers)
}

#[test]
fn the_urgent_come_first_and_all_others_in_turn() {
    let (mut server, _peers) = server(&["/a", "/b", "/c"], Instant::now());
    let mut next = |urgent: &str| {
        let (_, request) = server.poll_request(|request| request.path == urgent)?;
        Some(request.path)
    };
    assert_eq!(next("/c").as_deref(), Some("/c"));
    assert_eq!(next("/c").as_deref(), Some("/a"));
    assert_eq!(next("").as_deref(), Some("/b"));
    assert_eq!(next("/a"), None);
}

#[test]
fn who_has_done_nothing_for_the_longest_time_makes_room() {
    let start = Instant::now();
    let (mut server, _peers) = server(&["/a", "/b", "/c"], start);
    while let Some((asker, request)) = server.poll_request(|_| false) {
        if request.path != "/b" {
            server.respond(asker, &Response::plain(200, "ok"), Method::Get);
        }
    }
    let oldest = server.connections.iter().find(|(_, one)| one.spare_since(start).is_some());
    let oldest = oldest.map(|(key, _)| key).expect("one that was answered");
    assert!(server.make_room(start) && !server.connections.contains(oldest));
    assert!(server.make_room(start));
    assert!(!server.make_room(start), "the one that waits for an answer stays");
    assert_eq!((server.connections.len(), server.counts.displaced), (1, 2));
}

#[test]
fn so_much_that_nobody_takes_is_enough() {
    let (mut server, _peers) = server(&["/a", "/b"], Instant::now());
    for _ in 0..2 {
        assert!(!server.is_full());
        let (asker, _) = server.poll_request(|_| false).expect("a request");
        let large = Response::plain(200, vec![b'x'; UNWRITTEN_MAX - 1024 * 1024]);
        server.respond(asker, &large, Method::Get);
    }
    assert!(server.is_full());
}
