//! `fanfare top` as a person sees it: in a terminal, against this broker and against nats-server.
//!
//! Absent: what stands where on a screen of which size; that is tested beside the view. The program
//! that opens the terminal is `tests/clients/python/terminal.py`.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::broker::binary;
use crate::foreign::{python, sources};
use crate::parity::server::reference;

fn watch(server: &Path) {
    let mut command = Command::new(python().join("bin/python"));
    command.arg(sources().join("python/terminal.py"));
    command.arg(env!("CARGO_BIN_EXE_fanfare")).arg(server).stdin(Stdio::null());
    let output = command.output().expect("Python");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let told = text(&output.stderr);
    assert!(output.status.success(), "{}{told}", text(&output.stdout));
    let passed = text(&output.stdout);
    assert_eq!(passed.lines().filter(|line| line.starts_with("ok ")).count(), 9, "{passed}");
}

#[test]
fn a_terminal_shows_this_broker() {
    watch(&binary());
}

#[test]
fn a_terminal_shows_a_nats_server() {
    watch(&reference());
}
