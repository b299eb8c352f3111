//! An upgrade under load: many connections, messages all the time, and nothing lost, repeated or
//! out of order.
//!
//! Absent: what a single client keeps (`upgrade`). `FANFARE_UPGRADE_CONNECTIONS` says how many
//! connections there are, and `FANFARE_UPGRADES` how often the broker is replaced under them; the
//! pause that clients have seen is printed.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use rustix::process::Signal;

use crate::broker::{CONNECT, Settings};
use crate::upgrade::upgrade;
use crate::wire::{Connection, DEADLINE};

/// Streams of messages: each has a publisher of its own, and many subscribers.
const STREAMS: usize = 8;

fn setting(name: &str, otherwise: usize) -> usize {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

/// A subscriber: what it has read and not understood, and what it expects next.
struct Listener {
    stream: mio::net::TcpStream,
    stream_number: usize,
    pending: Vec<u8>,
    next: u64,
    last: Instant,
    gap: Duration,
}

impl Listener {
    fn open(address: SocketAddr, stream_number: usize) -> Self {
        let mut stream = TcpStream::connect(address).expect("the broker accepts");
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
            .write_all(format!("{CONNECT}SUB load.{stream_number} 1\r\nPING\r\n").as_bytes())
            .unwrap();
        let mut heard = Vec::new();
        while !heard.ends_with(b"PONG\r\n") {
            let mut room = [0; 4096];
            let count = stream.read(&mut room).expect("an answer");
            assert!(count > 0, "closed at once");
            heard.extend_from_slice(&room[..count]);
        }
        stream.set_nonblocking(true).unwrap();
        Self {
            stream: mio::net::TcpStream::from_std(stream),
            stream_number,
            pending: Vec::new(),
            next: 0,
            last: Instant::now(),
            gap: Duration::ZERO,
        }
    }

    /// Reads all there is.
    fn hear(&mut self, room: &mut [u8]) {
        loop {
            match self.stream.read(room) {
                Ok(0) => panic!("a client of stream {} was disconnected", self.stream_number),
                Ok(count) => self.pending.extend_from_slice(&room[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("a client was disconnected: {error}"),
            }
        }
        let now = Instant::now();
        let mut rest = &self.pending[..];
        loop {
            let expected = format!("MSG load.{} 1 12\r\n{:012}\r\n", self.stream_number, self.next);
            if let Some(behind) = rest.strip_prefix(expected.as_bytes()) {
                rest = behind;
                self.next += 1;
                if self.next > 1 {
                    self.gap = self.gap.max(now - self.last);
                }
                self.last = now;
            } else if let Some(behind) = rest.strip_prefix(b"PING\r\n") {
                rest = behind;
                self.stream.write_all(b"PONG\r\n").expect("a few bytes");
            } else {
                let is_part =
                    expected.as_bytes().starts_with(rest) || b"PING\r\n".starts_with(rest);
                assert!(is_part, "lost, repeated or out of order: {}", rest.escape_ascii());
                break;
            }
        }
        let used = self.pending.len() - rest.len();
        self.pending.drain(..used);
    }
}

/// What publishers and listeners share.
#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// Messages of each stream, set when its publisher has stopped.
    sent: [AtomicU64; STREAMS],
    done: AtomicU64,
}

fn publish(address: SocketAddr, number: usize, shared: &Shared) {
    let mut client = Connection::open(address);
    client.line();
    client.send(CONNECT);
    let mut sent = 0u64;
    while !shared.stop.load(Ordering::Relaxed) {
        let size = sent % 5;
        for _ in 0..=size {
            client.send(format!("PUB load.{number} 12\r\n{sent:012}\r\n"));
            sent += 1;
        }
        // The answer sets the pace: a slow machine is not flooded.
        client.fence("");
    }
    shared.sent[number].store(sent, Ordering::SeqCst);
    shared.done.fetch_add(1, Ordering::SeqCst);
}

fn request(address: SocketAddr, shared: &Shared) -> u64 {
    let mut client = Connection::open(address);
    client.line();
    client.send(CONNECT);
    client.send("SUB answers 5\r\n");
    let mut count = 0;
    while !shared.stop.load(Ordering::Relaxed) {
        client.send("PUB service answers 2\r\nhi\r\n");
        client.expect("MSG answers 5 3\r\nyes\r\n");
        count += 1;
    }
    count
}

/// Answers requests until told to end.
fn serve(address: SocketAddr) -> thread::JoinHandle<()> {
    let mut client = Connection::open(address);
    client.line();
    client.send(CONNECT);
    client.send("SUB service workers 9\r\nSUB service.end 10\r\n");
    client.fence("");
    thread::spawn(move || {
        loop {
            let line = client.line();
            match &line[..] {
                "PING" => client.send("PONG\r\n"),
                "MSG service 9 answers 2" => {
                    client.line();
                    client.send("PUB answers 3\r\nyes\r\n");
                }
                _ => return assert_eq!(line, "MSG service.end 10 0"),
            }
        }
    })
}

/// Hears everything until all that was sent has come.
fn listen(mut listeners: Vec<Listener>, shared: &Shared) -> Vec<Duration> {
    let mut poll = Poll::new().unwrap();
    for (number, listener) in listeners.iter_mut().enumerate() {
        let registry = poll.registry();
        registry.register(&mut listener.stream, Token(number), Interest::READABLE).unwrap();
    }
    let mut events = Events::with_capacity(1024);
    let mut room = vec![0; 64 * 1024];
    let begun = Instant::now();
    loop {
        poll.poll(&mut events, Some(Duration::from_millis(100))).unwrap();
        for event in &events {
            listeners[event.token().0].hear(&mut room);
        }
        let is_over = shared.done.load(Ordering::SeqCst) == STREAMS as u64;
        let sent = |number: usize| shared.sent[number].load(Ordering::SeqCst);
        if is_over && listeners.iter().all(|it| it.next == sent(it.stream_number)) {
            return listeners.iter().map(|listener| listener.gap).collect();
        }
        assert!(begun.elapsed() < 10 * DEADLINE, "messages are missing");
    }
}

#[test]
fn nothing_is_lost_repeated_or_out_of_order() {
    let connections = setting("FANFARE_UPGRADE_CONNECTIONS", 300);
    let upgrades = setting("FANFARE_UPGRADES", 3);
    let broker = Settings::default().shards(2).start();
    let address = broker.address();
    let shared = Arc::new(Shared::default());
    let server = serve(address);
    let listeners: Vec<_> =
        (0..connections).map(|number| Listener::open(address, number % STREAMS)).collect();
    let hearing = {
        let shared = Arc::clone(&shared);
        thread::spawn(move || listen(listeners, &shared))
    };
    let publishers: Vec<_> = (0..STREAMS)
        .map(|number| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || publish(address, number, &shared))
        })
        .collect();
    let requester = {
        let shared = Arc::clone(&shared);
        thread::spawn(move || request(address, &shared))
    };
    let mut successors = Vec::new();
    let mut process = broker.pid().to_string();
    for _ in 0..upgrades {
        let (successor, told) = upgrade(&process);
        println!("{}", told.trim_end());
        process = successor.pid().as_raw_nonzero().to_string();
        successors.push(successor);
        // Much happens between two upgrades: each of these waits behind the others' messages.
        let mut client = Connection::open(address);
        client.line();
        client.send(CONNECT);
        for _ in 0..200 {
            client.fence("");
        }
    }
    shared.stop.store(true, Ordering::SeqCst);
    for publisher in publishers {
        publisher.join().unwrap();
    }
    let requests = requester.join().unwrap();
    let mut gaps = hearing.join().expect("every client has heard everything in order");
    gaps.sort_unstable();
    let sent: u64 = shared.sent.iter().map(|sent| sent.load(Ordering::SeqCst)).sum();
    let last = gaps.len() - 1;
    println!(
        "{connections} connections, {sent} messages, {requests} requests, {upgrades} upgrades; \
         longest silence of a connection: median {:?}, p99 {:?}, most {:?}",
        gaps[gaps.len() / 2],
        gaps[last - gaps.len() / 100],
        gaps[last]
    );
    assert!(sent > 0 && requests > 0);
    let mut client = Connection::open(address);
    client.line();
    client.send(format!("{CONNECT}PUB service.end 0\r\n\r\n"));
    client.fence("");
    server.join().expect("requests were heard in order");
    if let Some(last) = successors.last() {
        last.signal(Signal::TERM);
    }
}
