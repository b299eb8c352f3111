//! A broker that runs out of file descriptors serves on, does not spin, and recovers.
//!
//! Absent: the limit of connections, which is the broker's own (`limits`).

use crate::broker::{Kind, Settings, kind};
use crate::wire::Connection;

/// Descriptors that the process may have; a broker needs a few dozen of them for itself.
const DESCRIPTORS: u32 = 100;

/// Clients that try to connect, which is far more.
const CLIENTS: usize = 180;

#[test]
fn running_out_of_descriptors_is_survived() {
    let settings = Settings::default().descriptors(DESCRIPTORS).limit("ping_interval", "500ms");
    let broker = settings.limit("ping_max", 1000).start();
    let mut first = broker.client();
    first.send("SUB foo 1\r\n");
    first.fence("");
    // The kernel completes these connections; the broker cannot take all of them.
    let mut others: Vec<_> = (0..CLIENTS).map(|_| Connection::open(broker.address())).collect();
    let refused = broker.log().find("accept");
    assert!(refused.is_some(), "the log says that accepting fails:\n{}", broker.log().so_far());
    // Those that are in are served.
    first.fence("");
    let (before, beats) = (broker.processor_ticks(), 4);
    for _ in 0..beats {
        // The broker's own PING is the clock: half a second each.
        loop {
            let line = first.line();
            if line == "PING" {
                break;
            }
        }
        first.send("PONG\r\nPUB foo 1\r\nx\r\n");
    }
    let spent = broker.processor_ticks() - before;
    if kind() == Kind::Fanfare {
        assert!(spent < 20 * beats, "{spent} of {} ticks", 50 * beats);
    }
    // Everyone gets in as the first ones leave.
    let mut greeted = 0;
    while let Some(mut client) = others.pop() {
        // The newest wait longest, so leave from the front and greet from the front.
        others.push(client);
        client = others.remove(0);
        assert!(client.line().starts_with("INFO {"), "client {greeted}");
        client.send("CONNECT {\"verbose\":false}\r\nPUB foo 1\r\ny\r\n");
        client.fence("");
        greeted += 1;
    }
    assert_eq!(greeted, CLIENTS);
    let mut last = broker.client();
    last.send("SUB bar 1\r\nPUB bar 1\r\nz\r\n");
    last.fence("MSG bar 1 1\r\nz\r\n");
}

#[test]
fn the_limit_of_descriptors_is_raised_and_told() {
    let broker = Settings::default().start();
    if kind() == Kind::Fanfare {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", broker.pid())).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[3], words[4], "soft and hard limit of open files");
        let told = broker.log().find(words[4]);
        assert!(told.is_some(), "{}", broker.log().so_far());
    }
}
