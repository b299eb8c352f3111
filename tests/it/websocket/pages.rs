//! Client libraries over WebSocket: the Node.js matrix, and a page in a real browser.
//!
//! Absent: the cases; they are in `tests/clients/node`.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use super::client::{address, block};
use crate::broker::{Settings, wait};
use crate::foreign::{node, sources};
use crate::log::Log;
use crate::secure::{configured, written};

#[test]
fn node_nats_core() {
    let file = written(&block(""));
    let settings = Settings::default().arguments(&["-c", &file]);
    let mut broker = settings.start();
    let listening = address(&broker);
    // Whoever is started anew is to be found where the last one was.
    let fixed = format!("websocket {{ listen: \"{listening}\", no_tls: true }}\n");
    fs::write(&file, fixed).expect("the scratch directory");
    let mut command = Command::new("node");
    command.arg("--experimental-websocket").arg(sources().join("node/matrix.cjs"));
    command.arg(format!("ws://{listening}")).env("NODE_PATH", node().join("node_modules"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("Node.js");
    let errors = Log::follow(child.stderr.take().expect("a pipe"));
    let mut passed = Vec::new();
    for line in BufReader::new(child.stdout.take().expect("a pipe")).lines() {
        let line = line.expect("text");
        if line == "restart" {
            broker.kill();
            broker = settings.start();
        } else {
            passed.push(line);
        }
    }
    let status = wait(&mut child);
    let told = errors.all().join("\n");
    assert!(status.success(), "after {passed:?}:\n{told}\n{}", broker.log().so_far());
    assert!(passed.iter().all(|line| line.starts_with("ok ")), "{passed:?}");
    assert_eq!(passed.len(), 11, "{passed:?}");
}

#[test]
fn a_page_in_a_browser() {
    let mut command = Command::new("node");
    command.arg(sources().join("node/browser.cjs")).env("NODE_PATH", node().join("node_modules"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("Node.js");
    let errors = Log::follow(child.stderr.take().expect("a pipe"));
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let first = lines.next().map_or_else(String::new, |line| line.expect("text"));
    let Some(origin) = first.strip_prefix("origin ") else {
        panic!("{first}\n{}", errors.all().join("\n"));
    };
    let more = format!("compression: true, allowed_origins: [ \"{origin}\" ]");
    let broker = configured(&block(&more)).start();
    let mut input = child.stdin.take().expect("a pipe");
    writeln!(input, "ws://{}", address(&broker)).expect("a pipe");
    let passed: Vec<String> = lines.map(|line| line.expect("text")).collect();
    let status = wait(&mut child);
    let told = errors.all().join("\n");
    assert!(status.success(), "after {passed:?}:\n{told}\n{}", broker.log().so_far());
    assert_eq!(passed.len(), 5, "{passed:?}");
}
