//! The status page of the monitoring port in a real browser, while the broker works.
//!
//! Absent: the figures behind it, and what the page may load; those are tested beside the code. The
//! program that opens the browser is `tests/clients/node/page.cjs`.

use std::process::{Command, Stdio};

use crate::broker::{Kind, binary, kind};
use crate::foreign::{node, sources};

#[test]
fn a_browser_shows_what_the_broker_does() {
    if kind() == Kind::Reference {
        return;
    }
    let mut command = Command::new("node");
    command.arg(sources().join("node/page.cjs")).arg(binary()).stdin(Stdio::null());
    let output = command.env("NODE_PATH", node().join("node_modules")).output().expect("Node.js");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let passed = text(&output.stdout);
    assert!(output.status.success(), "{passed}{}", text(&output.stderr));
    assert_eq!(passed.lines().filter(|line| line.starts_with("ok ")).count(), 8, "{passed}");
}
