//! Client libraries at a broker that leaves: they go on at another one, and every request is
//! answered.
//!
//! Absent: what a lame duck says and does on the wire (`signals`). The brokers know nothing of each
//! other; each has somebody who answers. A request that was under way when its connection ended may
//! have to be made again, which is the library's user's part, as with any broker.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use async_nats::{ConnectOptions, Event, ServerAddr};
use rustix::process::Signal;
use tokio::sync::mpsc::unbounded_channel;

use crate::broker::{Broker, CONNECT, Settings, scratch, wait};
use crate::foreign::{node, python, sources};
use crate::log::Log;
use crate::wire::{Connection, DEADLINE};

/// A broker on one shard whose lame duck mode closes who came first very soon.
fn duck() -> Broker {
    let path = scratch("duck.conf");
    let text = "lame_duck_duration: \"30s\"\nlame_duck_grace_period: \"300ms\"\n";
    fs::write(&path, text).unwrap();
    Settings::default().shards(1).arguments(&["-c", path.to_str().unwrap()]).start()
}

/// Answers every request at a broker, until that closes the connection.
fn serve(broker: &Broker) {
    let mut client = Connection::open(broker.address());
    client.line();
    client.send(CONNECT);
    client.send("SUB service 1\r\n");
    client.fence("");
    thread::spawn(move || {
        loop {
            while !client.pending().contains(&b'\n') {
                if !client.fill() {
                    return;
                }
            }
            let line = client.line();
            let words: Vec<&str> = line.split(' ').collect();
            if let ["MSG", _, _, reply, _] = words[..] {
                client.line();
                client.send(format!("PUB {reply} 3\r\nyes\r\n"));
            } else if line == "PING" {
                client.send("PONG\r\n");
            }
        }
    });
}

/// Runs a program that makes requests at two brokers, the first of which leaves.
fn run(mut command: Command) {
    let (mut first, second) = (duck(), Broker::start());
    serve(&second);
    command.args([first.url(), second.url()]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = Log::follow(child.stderr.take().expect("a pipe"));
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut line = || lines.next().and_then(Result::ok).unwrap_or_default();
    let told = || errors.all().join("\n");
    assert_eq!(line(), "connected", "{}", told());
    // Who came later is closed later: requests find somebody as long as they come here.
    serve(&first);
    child.stdin.take().expect("a pipe").write_all(b"go\n").unwrap();
    assert_eq!(line(), "answered", "{}", told());
    first.signal(Signal::USR2);
    let last = line();
    assert!(wait(&mut child).success(), "{last}: {}", told());
    assert!(last.starts_with("ok "), "{last}");
    assert_eq!(first.ended().code(), Some(0));
}

#[test]
fn python_nats_py_goes_on_elsewhere() {
    let mut command = Command::new(python().join("bin/python"));
    command.arg(sources().join("python/lame_duck.py"));
    run(command);
}

#[test]
fn node_transport_node_goes_on_elsewhere() {
    let mut command = Command::new("node");
    command.arg(sources().join("node/lame_duck.cjs"));
    command.env("NODE_PATH", node().join("node_modules"));
    run(command);
}

#[test]
fn rust_async_nats_goes_on_elsewhere() {
    let (mut first, second) = (duck(), Broker::start());
    serve(&second);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let requests = async {
        let (tell, mut events) = unbounded_channel();
        let options = ConnectOptions::new()
            .retain_servers_order()
            .request_timeout(Some(Duration::from_secs(2)))
            .event_callback(move |event| {
                let _ = tell.send(event);
                async {}
            });
        let servers = [first.url(), second.url()];
        let servers = servers.map(|url| url.parse::<ServerAddr>().unwrap());
        let client = options.connect(&servers[..]).await.unwrap();
        assert!(matches!(events.recv().await, Some(Event::Connected)));
        serve(&first);
        let (mut tried, mut answered, mut elsewhere) = (0, 0, 0);
        let mut has_moved = false;
        while elsewhere < 100 {
            tried += 1;
            if client.request("service", "hi".into()).await.is_err() {
                continue;
            }
            answered += 1;
            if answered == 1 {
                first.signal(Signal::USR2);
            }
            elsewhere += u32::from(has_moved);
            while let Ok(event) = events.try_recv() {
                has_moved |= matches!(event, Event::Connected);
            }
        }
        assert!(tried - answered <= 2, "{tried} requests had {answered} answers");
    };
    runtime.block_on(async { tokio::time::timeout(DEADLINE, requests).await.expect("in time") });
    assert_eq!(first.ended().code(), Some(0));
}
