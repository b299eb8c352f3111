//! The scripts that compare servers: their rules, and a comparison from one end to the other.
//!
//! Absent: figures. Needs Python 3.10 and, as in `peers.rs`, `redis-server` and `mosquitto`.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::PathBuf;
use std::process::{Command, Output};

/// Where the scripts are.
fn benches() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn python(arguments: &[&str]) -> Output {
    let mut command = Command::new("python3");
    command.current_dir(benches()).args(arguments).env("PYTHONDONTWRITEBYTECODE", "1");
    command.output().expect("Python is installed")
}

fn side_by_side(arguments: &[&str], servers: &[&str]) -> (Option<i32>, String) {
    let client = env!("CARGO_BIN_EXE_fanfare-bench");
    let mut line = vec!["side_by_side", "--client", client, "--rounds", "1"];
    line.extend(arguments);
    let servers: Vec<String> = servers.iter().map(|text| text.replace("BENCH", client)).collect();
    for server in &servers {
        line.extend(["--server", server]);
    }
    let output = python(&line);
    let both = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&both).into_owned())
}

const RELAY: &str = "relay=bare://BENCH relay --port {port}";

#[test]
fn the_rules_of_the_comparison_hold() {
    let output = python(&["-m", "unittest", "comparison.tests"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("OK"), "{told}");
}

#[test]
fn servers_of_all_protocols_are_compared() {
    let only = ["--duration", "100ms", "--only", "1-1-128,request-1"];
    let redis = "redis=redis://redis-server --port {port} --bind 127.0.0.1 --save ''";
    let mosquitto = "mosquitto=mqtt:///usr/sbin/mosquitto -c {config}";
    let (code, told) = side_by_side(&only, &[RELAY, redis, mosquitto]);
    assert_eq!(code, Some(0), "{told}");
    // A figure for each where all can do it, and one where only the first can.
    for (row, empty) in [("| 1:1 128 B |", false), ("| request, 1 in flight |", true)] {
        let line = told.lines().find(|line| line.starts_with(row)).expect(&told);
        let cells: Vec<&str> = line.split(" | ").skip(1).take(4).collect();
        assert_ne!(cells[0], "–", "{told}");
        assert_eq!([cells[1], cells[3]].contains(&"–"), empty, "{told}");
    }
}

#[test]
fn a_server_that_does_not_start_is_told_and_fails_the_whole() {
    let only = ["--duration", "100ms", "--only", "1-1-128"];
    let (code, told) = side_by_side(&only, &[RELAY, "none=false {port}"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("Failed: 1-1-128, none: the server did not start"), "{told}");
}
