//! Upgrades while other users of the machine are in the way: whoever may not ask can neither hang
//! nor forbid one.
//!
//! Absent: what a request looks like (`upgrade`). Only root can play another user; without that,
//! the names alone are taken, by our own user.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::thread;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::{Signal, Uid, geteuid};
use rustix::thread::set_thread_uid;

use crate::broker::{Broker, Settings};
use crate::secure::written;
use crate::upgrade::{ended, upgrade};

/// Does something as a user who is nobody here, if that is possible.
fn as_stranger<T: Send + 'static>(deed: impl FnOnce() -> T + Send + 'static) -> T {
    let deed = move || {
        if geteuid().is_root() {
            set_thread_uid(Uid::from_raw(65534)).expect("root may become anybody");
        }
        deed()
    };
    thread::spawn(deed).join().expect("the deed is done")
}

fn socket() -> OwnedFd {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap()
}

fn address(name: &str) -> SocketAddrUnix {
    SocketAddrUnix::new_abstract_name(name.as_bytes()).unwrap()
}

/// What a broker's name begins with.
fn beginning(process: u32) -> String {
    let space = fs::metadata("/proc/self/ns/pid").unwrap().ino();
    format!("fanfare/{space}/{process}/")
}

/// The name of the socket that a broker is asked at.
fn name(process: u32) -> String {
    let list = fs::read("/proc/net/unix").unwrap();
    let list = String::from_utf8_lossy(&list).into_owned();
    let beginning = format!("@{}", beginning(process));
    let name = list.split_whitespace().find(|word| word.starts_with(&beginning));
    name.expect("it can be asked")[1..].to_owned()
}

/// Takes a name and lets nobody in.
fn take(name: &str) -> Option<OwnedFd> {
    let socket = socket();
    // Another one may have it.
    rustix::net::bind(&socket, &address(name)).ok()?;
    rustix::net::listen(&socket, 0).ok()?;
    Some(socket)
}

#[test]
fn strangers_who_wait_at_the_door_hold_nobody_up() {
    if !geteuid().is_root() {
        return;
    }
    let mut broker = Broker::start();
    let name = name(broker.pid());
    let crowd = as_stranger(move || {
        let call = |_| {
            let socket = socket();
            rustix::net::connect(&socket, &address(&name)).expect("anybody may call");
            socket
        };
        (0..200).map(call).collect::<Vec<_>>()
    });
    let (successor, _) = upgrade(broker.pid());
    assert!(ended(&mut broker).success());
    successor.signal(Signal::TERM);
    drop(crowd);
}

#[test]
fn strangers_who_take_names_hold_nobody_up() {
    let mut broker = Broker::start();
    let mut client = broker.client();
    let process = broker.pid();
    // Names of this broker, and of those that may follow.
    let taken = as_stranger(move || {
        let mut names = (0..20).map(|n| format!("{}{n:016x}", beginning(process)));
        let more = (process + 1..process + 400)
            .map(|number| beginning(number).trim_end_matches('/').to_owned());
        names.by_ref().chain(more).filter_map(|name| take(&name)).collect::<Vec<_>>()
    });
    assert!(taken.len() >= 20);
    let (first, _) = upgrade(process);
    assert!(ended(&mut broker).success());
    let (second, _) = upgrade(first.pid().as_raw_nonzero());
    client.fence("");
    second.signal(Signal::TERM);
    client.rest();
    std::mem::forget(first);
}

/// A password takes its time to be found wrong: nobody else waits for that.
#[test]
fn strangers_who_log_in_hold_nobody_up() {
    // Seconds, whatever is tried.
    let slow = "$2a$16$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";
    let file = written(&format!(
        "authorization {{ users: [ {{ user: slow, password: \"{slow}\" }}, \
         {{ user: quick, password: quick }} ] }}\n"
    ));
    let mut broker = Settings::default().shards(1).arguments(&["-c", &file]).start();
    let mut client = broker.connect();
    client.send("CONNECT {\"verbose\":false,\"user\":\"quick\",\"pass\":\"quick\"}\r\n");
    client.fence("");
    let mut stranger = broker.connect();
    stranger.send("CONNECT {\"user\":\"slow\",\"pass\":\"wrong\"}\r\n");
    client.fence("");
    let (successor, text) = upgrade(broker.pid());
    assert!(text.contains("serves 1 connections"), "{text}");
    assert!(text.contains("; 1 connections were asked to come again"), "{text}");
    let (before, _) = text.split_once(" ms to come to rest").expect("a time");
    let rest: u64 = before.rsplit('(').next().unwrap().parse().unwrap();
    assert!(rest < 500, "nobody was served for {rest} ms");
    client.fence("");
    stranger.rest();
    assert!(ended(&mut broker).success());
    successor.signal(Signal::TERM);
    client.rest();
}
