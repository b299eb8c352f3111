//! Signals: what a running broker does when one comes.
//!
//! Absent: the end of a broker by a signal (`lifecycle`).

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};

use rustix::process::Signal;

use crate::broker::{Settings, scratch};
use crate::log::tail;

#[test]
fn a_signal_reopens_the_log_file() {
    let path = scratch("broker.log");
    let pid_path = scratch("broker.pid");
    let settings = Settings::default().arguments(&[
        "--log",
        path.to_str().unwrap(),
        "--pid",
        pid_path.to_str().unwrap(),
    ]);
    let mut process = settings.spawn();
    tail(&path, "Server is ready");
    let moved = scratch("moved.log");
    fs::rename(&path, &moved).unwrap();
    process.signal(Signal::USR1);
    tail(&path, "opened");
    process.signal(Signal::TERM);
    assert!(process.ended().success());
    let mut old = File::open(&moved).unwrap();
    old.seek(SeekFrom::Start(0)).unwrap();
    let mut text = String::new();
    old.read_to_string(&mut text).unwrap();
    assert!(text.contains("Server is ready") && !text.contains("xiting"), "{text}");
}
