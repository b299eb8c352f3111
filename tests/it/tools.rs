//! The tools `fanfare pub`, `sub`, `request`, `reply` and `bench`, as a person uses them.
//!
//! Absent: figures. That the load client counts and checks what it receives is tested beside it.

use std::process::{Child, Command, Output, Stdio};

use crate::broker::{Broker, wait};
use crate::log::Log;

/// One of this project's tools; the broker may be another program.
pub(crate) fn tool(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs a tool against a broker to its end.
fn run(broker: &Broker, arguments: &[&str]) -> Output {
    tool(arguments).env("NATS_URL", broker.url()).output().expect("the binary runs")
}

/// Starts a tool that serves until it has enough, and waits until it does.
pub(crate) fn serve(broker: &Broker, arguments: &[&str], ready: &str) -> (Child, Log) {
    let mut command = tool(arguments);
    command.args(["--server", &broker.url()]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    let told = Log::follow(child.stderr.take().expect("a pipe"));
    assert!(told.find(ready).is_some(), "{}", told.so_far());
    (child, told)
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn sub_prints_what_pub_publishes() {
    let broker = Broker::start();
    let arguments = ["sub", "greet.*", "--count", "2"];
    let (child, _told) = serve(&broker, &arguments, "Listening on greet.*");
    let output = run(&broker, &["pub", "greet.joe", "hello", "-H", "Trace:1"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(run(&broker, &["pub", "greet.ann", "good evening"]).status.success());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let printed = text(&output.stdout);
    for part in ["greet.joe", "Trace: 1", "hello", "greet.ann", "good evening"] {
        assert!(printed.contains(part), "no {part:?} in {printed}");
    }
}

#[test]
fn raw_output_is_the_payloads_and_nothing_else() {
    let broker = Broker::start();
    let arguments = ["sub", "numbers", "--count", "3", "--raw"];
    let (child, _told) = serve(&broker, &arguments, "Listening on numbers");
    for number in ["1", "2", "3"] {
        assert!(run(&broker, &["pub", "numbers", number]).status.success());
    }
    assert_eq!(text(&child.wait_with_output().unwrap().stdout), "1\n2\n3\n");
}

#[test]
fn request_prints_what_reply_answers() {
    let broker = Broker::start();
    let arguments = ["reply", "double", "--command", "awk '{ print $1 * 2 }'", "--count", "1"];
    let (mut child, _told) = serve(&broker, &arguments, "Answering on double");
    let output = run(&broker, &["request", "double", "21", "--raw"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).trim(), "42");
    assert!(wait(&mut child).success());
}

#[test]
fn failures_are_told_with_what_to_do_and_by_the_exit_code() {
    let broker = Broker::start();
    let output = run(&broker, &["request", "nobody", "?"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("nobody answers on nobody"), "{output:?}");

    let output = run(&broker, &["pub", "not a subject", "x"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");

    // Port 1 of an address where nothing listens.
    let output = tool(&["pub", "foo", "x", "-s", "127.0.40.1:1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("127.0.40.1:1"), "{output:?}");
}

#[test]
fn bench_measures_and_checks() {
    let broker = Broker::start();
    let output = run(&broker, &["bench", "pubsub", "--msgs", "20000", "--size", "64", "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", text(&output.stdout)));
    assert!(text(&output.stdout).contains("20000"), "{report}");
}
