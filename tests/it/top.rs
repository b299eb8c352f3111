//! `fanfare top` as a person sees it: in a terminal, against this broker and against nats-server.
//!
//! Absent: what stands where on a screen of which size; that is tested beside the view. The program
//! that opens the terminal is `tests/clients/python/terminal.py`.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::broker::{Broker, Kind, Settings, binary, kind, scratch};
use crate::foreign::{python, sources};
use crate::parity::certificates::Certificates;
use crate::parity::server::reference;
use crate::tools::{text, tool};

fn watch(server: &Path) {
    let mut command = Command::new(python().join("bin/python"));
    command.arg(sources().join("python/terminal.py"));
    command.arg(env!("CARGO_BIN_EXE_fanfare")).arg(server).stdin(Stdio::null());
    let output = command.output().expect("Python");
    let told = text(&output.stderr);
    assert!(output.status.success(), "{}{told}", text(&output.stdout));
    let passed = text(&output.stdout);
    assert_eq!(passed.lines().filter(|line| line.starts_with("ok ")).count(), 10, "{passed}");
}

#[test]
fn a_terminal_shows_this_broker() {
    watch(&binary());
}

#[test]
fn a_terminal_shows_a_nats_server() {
    watch(&reference());
}

/// Runs the tool once against a port: whether it succeeded, and what it said.
fn once(options: &[&str]) -> (bool, String) {
    // Of two equal options the last one counts.
    let mut command = tool(&["top", "--once", "--interval", "250ms"]);
    let output = command.args(options).output().expect("the binary runs");
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn a_port_with_tls_and_credentials_is_asked_with_them() {
    if kind() == Kind::Reference {
        return;
    }
    let certificates = Certificates::get();
    let file = |name: &str| certificates.file(name).display().to_string();
    let (certificate, key, authority) = (file("server.pem"), file("server.key"), file("ca.pem"));
    for (auth, options) in [
        ("user: watch, password: hunter2", &["--user", "watch", "--pass", "hunter2"][..]),
        ("token: hunter2", &["--token", "hunter2"]),
        // A browser can only show a token as somebody's password.
        ("token: hunter2", &["--user", "me", "--pass", "hunter2"]),
    ] {
        let path = scratch("top.conf");
        let tls = format!("tls {{ cert_file: {certificate:?}, key_file: {key:?} }}");
        let http = format!("https: \"127.0.0.1:-1\"\nhttp_auth {{ {auth} }}\n");
        fs::write(&path, format!("server_name: behind-tls\n{tls}\n{http}")).unwrap();
        let broker = Settings::default().arguments(&["-c", path.to_str().unwrap()]).start();
        let line = broker.log().find("Starting https monitor on ").expect("a monitoring port");
        let place = line.rsplit(' ').next().unwrap();
        let url = format!("https://{place}");
        let ask = |more: &[&str]| once(&[&["--url", &*url, "--tlsca", &*authority], more].concat());

        let (succeeded, told) = ask(options);
        assert!(succeeded && told.contains("behind-tls"), "{told}");
        let (succeeded, told) = ask(&[]);
        assert!(!succeeded && told.contains("--user and --pass, or --token"), "{told}");
        let (succeeded, _) = ask(&["--user", "watch", "--pass", "hunter3"]);
        assert!(!succeeded);
        let (succeeded, told) = ask(&["--token", "hunter3"]);
        assert!(!succeeded && !told.contains("hunter3"), "{told}");
        let (succeeded, told) = once(&["--url", &url]);
        assert!(!succeeded && told.contains("certificate"), "{told}");
        let (succeeded, told) = once(&["--url", &format!("http://{place}")]);
        assert!(!succeeded, "{told}");
    }
}

#[test]
fn what_is_no_monitoring_port_is_named() {
    let broker = Broker::start();
    let (succeeded, told) = once(&["--url", &broker.address().to_string()]);
    assert!(!succeeded && told.contains("the port for NATS clients"), "{told}");
    let (succeeded, told) = once(&["--url", "ftp://h"]);
    assert!(!succeeded && told.contains("http:// or https://"), "{told}");
    let (succeeded, told) = once(&["--interval", "1ms"]);
    assert!(!succeeded && told.contains("between 250ms and 60s"), "{told}");
}
