//! The files of a broker: its log, its number, its addresses; and the system log.
//!
//! Absent: the form of a line (`command_line`).

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::broker::{Settings, scratch};
use crate::log::tail;
use crate::wire::Connection;

#[test]
fn a_log_file_gets_the_lines_instead_of_standard_error() {
    for flag in ["-l", "--log"] {
        let path = scratch("broker.log");
        let pid_path = scratch("broker.pid");
        let settings = Settings::default().arguments(&[
            flag,
            path.to_str().unwrap(),
            "-P",
            pid_path.to_str().unwrap(),
        ]);
        let mut process = settings.spawn();
        let line = tail(&path, "Listening for client connections on ");
        tail(&path, "Server is ready");
        let address: SocketAddr = line.rsplit(' ').next().unwrap().parse().unwrap();
        let mut client = Connection::open(address);
        assert!(client.line().starts_with("INFO {"));
        // Digits, and nothing else: harnesses parse the whole file as a number.
        assert_eq!(fs::read_to_string(&pid_path).unwrap(), process.pid().to_string());
        let log = process.log();
        drop(process);
        assert_eq!(log.all(), Vec::<String>::new());
    }
}

#[test]
fn a_log_file_is_continued_and_not_cut() {
    let path = scratch("broker.log");
    fs::write(&path, "an earlier line\n").unwrap();
    let settings = Settings::default().arguments(&["--log", path.to_str().unwrap()]);
    let process = settings.spawn();
    tail(&path, "Server is ready");
    drop(process);
    assert!(fs::read_to_string(&path).unwrap().starts_with("an earlier line\n"));
}

/// Files beside `path` whose names begin like its.
fn backups(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().unwrap().to_str().unwrap();
    let entries = fs::read_dir(path.parent().unwrap()).unwrap();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(name))
        .filter(|found| found != path)
        .collect();
    found.sort();
    found
}

#[test]
fn a_log_file_that_is_large_is_put_aside_under_the_time() {
    let path = scratch("broker.log");
    let arguments = ["-D", "--log", path.to_str().unwrap(), "--log_size_limit", "2000"];
    let mut process = Settings::default().arguments(&arguments).spawn();
    let line = tail(&path, "Listening for client connections on ");
    let address: SocketAddr = line.rsplit(' ').next().unwrap().parse().unwrap();
    tail(&path, "Server is ready");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    while backups(&path).is_empty() {
        Connection::open(address).line();
    }
    tail(&path, "Rotated log, backup saved as \"");
    process.signal(Signal::TERM);
    assert!(process.ended().success());
    let backups = backups(&path);
    let name = backups[0].to_str().unwrap();
    let stamp = name.strip_prefix(path.to_str().unwrap()).unwrap();
    let form: String = stamp.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(form, ".0000.00.00.00.00.00.000000000");
    let first = fs::read_to_string(&backups[0]).unwrap();
    assert!(first.contains("Server is ready") && first.len() > 2000, "{first}");
}

#[test]
fn a_pid_file_that_cannot_be_written_ends_the_start() {
    let (status, log) = Settings::default().arguments(&["-P", "/nonexistent/p"]).refused();
    assert!(!status.success());
    let text = "[FTL] Could not write pidfile: open /nonexistent/p: no such file or directory";
    assert!(log.contains(text), "{log}");
}
