//! Signals: how they are sent, and what a running broker does when one comes.
//!
//! Absent: the end of a broker by a signal (`lifecycle`).

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use crate::broker::{Broker, Kind, Settings, binary, called, kind, scratch};
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

#[test]
fn a_log_that_is_no_file_is_not_reopened() {
    let broker = Broker::start();
    broker.signal(Signal::USR1);
    broker.log().find("[INF] Trapped \"user defined signal 1\" signal").unwrap();
    broker.log().find("[INF] File log re-open ignored, not a file logger").unwrap();
    broker.client().fence("");
}

#[test]
fn without_a_file_there_is_nothing_to_reload() {
    let broker = Broker::start();
    broker.signal(Signal::HUP);
    broker.log().find("[INF] Trapped \"hangup\" signal").unwrap();
    let text = "[ERR] Failed to reload server configuration: \
                can only reload config when a file is provided using -c or --config";
    broker.log().find(text).unwrap();
    broker.client().fence("");
}

/// Runs `EXECUTABLE --signal TEXT`: whether it succeeded, and what it wrote.
fn signal(executable: &Path, text: &str) -> (bool, String) {
    let output = Command::new(executable).args(["--signal", text]).output().unwrap();
    assert!(output.stdout.is_empty(), "{output:?}");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_broker_is_signalled_by_its_number() {
    let executable = called("nats-server");
    let mut broker = Broker::start();
    let pid = broker.pid();
    assert_eq!(signal(&executable, &format!("reopen={pid}")), (true, String::new()));
    broker.log().find("Trapped \"user defined signal 1\"").unwrap();
    assert_eq!(signal(&executable, &format!("reload={pid}")), (true, String::new()));
    broker.log().find("Trapped \"hangup\"").unwrap();
    assert_eq!(signal(&executable, &format!("quit={pid}")), (true, String::new()));
    broker.log().find("Trapped \"interrupt\"").unwrap();
    assert_eq!(broker.ended().code(), Some(0));
    let mut broker = Broker::start();
    assert_eq!(signal(&executable, &format!("term={}", broker.pid())), (true, String::new()));
    broker.log().find("Trapped \"terminated\"").unwrap();
    assert_eq!(broker.ended().code(), Some(0));
    let mut broker = Broker::start();
    assert_eq!(signal(&executable, &format!("stop={}", broker.pid())), (true, String::new()));
    assert_eq!(broker.ended().signal(), Some(9));
}

#[test]
fn a_broker_is_signalled_by_its_pid_file() {
    let path = scratch("broker.pid");
    let path = path.to_str().unwrap();
    let mut broker = Settings::default().arguments(&["-P", path]).start();
    assert_eq!(signal(&binary(), &format!("quit={path}")), (true, String::new()));
    assert_eq!(broker.ended().code(), Some(0));
}

#[test]
fn a_signal_that_cannot_be_sent_is_explained() {
    let executable = called("nats-server");
    let mut ended = Broker::start();
    ended.signal(Signal::TERM);
    ended.ended();
    let gone = ended.pid();
    for (text, why) in [
        ("stop=abc".to_owned(), "invalid pid: abc".to_owned()),
        ("stop=abc*".to_owned(), "invalid pid: abc".to_owned()),
        ("stop=1=2".to_owned(), "invalid signal parameters: [2]".to_owned()),
        (format!("foo={gone}"), "unknown signal \"foo\"".to_owned()),
        (format!("reload={gone}"), format!("\nsignal \"reload\" {gone}: no such process")),
    ] {
        let (success, said) = signal(&executable, &text);
        assert!(!success, "{text}");
        assert_eq!(said, format!("nats-server: {why}\n"), "{text}");
    }
}

#[test]
fn a_broker_is_found_by_the_name_of_its_executable() {
    // The reference looks for its own name only, and would meet those of other tests.
    if kind() == Kind::Reference {
        return;
    }
    let executable = called(&format!("sig{}", std::process::id()));
    let name = executable.file_name().unwrap().to_str().unwrap().to_owned();
    let nobody = format!("{name}: no {name} processes running\n");
    assert_eq!(signal(&executable, "quit"), (false, nobody.clone()));
    assert_eq!(signal(&executable, "quit=1*"), (false, nobody));
    let settings = Settings::default().executable(&executable);
    let mut first = settings.start();
    assert_eq!(signal(&executable, "reopen"), (true, String::new()));
    first.log().find("Trapped \"user defined signal 1\"").unwrap();
    let mut second = settings.start();
    let mut pids = [first.pid(), second.pid()];
    pids.sort_unstable();
    let several = format!("{name}: multiple {name} processes running:\n{}\n{}\n", pids[0], pids[1]);
    assert_eq!(signal(&executable, "quit"), (false, several));
    assert_eq!(signal(&executable, &format!("quit={}*", second.pid())), (true, String::new()));
    assert_eq!(second.ended().code(), Some(0));
    assert_eq!(signal(&executable, "quit=*"), (true, String::new()));
    assert_eq!(first.ended().code(), Some(0));
}

/// A broker whose lame duck mode begins to close clients soon.
fn duck() -> Settings {
    let path = scratch("duck.conf");
    let text = "lame_duck_duration: \"30s\"\nlame_duck_grace_period: \"300ms\"\n";
    fs::write(&path, text).unwrap();
    Settings::default().arguments(&["-c", path.to_str().unwrap()])
}

#[test]
fn a_lame_duck_tells_clients_lets_nobody_in_and_closes_them() {
    let mut broker = duck().start();
    let mut told: Vec<_> = (0..2).map(|_| broker.connect()).collect();
    for client in &mut told {
        client.send("CONNECT {\"verbose\":false,\"protocol\":1}\r\nPING\r\n");
        client.expect("PONG\r\n");
        assert!(client.line().contains("\"connect_info\":true"));
    }
    // Neither a client of the old protocol nor one that has heard no PONG expects an INFO.
    let mut old = broker.client();
    old.fence("");
    let mut fresh = broker.connect();
    fresh.send("CONNECT {\"verbose\":false,\"protocol\":1}\r\nSUB foo 1\r\nPUB foo 2\r\nhi\r\n");
    fresh.expect("MSG foo 1 2\r\nhi\r\n");
    broker.signal(Signal::USR2);
    broker.log().find("[INF] Trapped \"user defined signal 2\" signal").unwrap();
    broker.log().find("[INF] Entering lame duck mode, stop accepting new clients").unwrap();
    for client in &mut told {
        let line = client.line();
        assert!(line.starts_with("INFO {") && line.contains("\"ldm\":true"), "{line}");
        assert!(!line.contains("connect_info"), "{line}");
    }
    assert!(TcpStream::connect(broker.address()).is_err(), "nobody is let in");
    // Those who are here are served.
    told[0].send("SUB foo 1\r\nPUB foo 2\r\nhi\r\n");
    told[0].expect("MSG foo 1 2\r\nhi\r\n");
    broker.log().find("[INF] Closing existing clients").unwrap();
    for silent in [&mut fresh, &mut old] {
        // A PING may have come in time.
        let rest = String::from_utf8(silent.rest()).unwrap();
        assert!(!rest.contains("INFO"), "{rest}");
    }
    for client in &mut told {
        client.rest();
    }
    assert_eq!(broker.ended().code(), Some(0));
    broker.log().find("[INF] Server Exiting..").unwrap();
}

#[test]
fn a_lame_duck_without_clients_ends_at_once() {
    let mut broker = Broker::start();
    broker.signal(Signal::USR2);
    assert_eq!(broker.ended().code(), Some(0));
    broker.log().find("[INF] Entering lame duck mode").unwrap();
    broker.log().find("[INF] Server Exiting..").unwrap();
}

#[test]
fn a_lame_duck_is_ended_by_sigint_and_not_by_sigterm() {
    let mut broker = Broker::start();
    let mut client = broker.client();
    client.fence("");
    assert_eq!(signal(&binary(), &format!("ldm={}", broker.pid())), (true, String::new()));
    broker.log().find("Entering lame duck mode").unwrap();
    broker.signal(Signal::USR2);
    broker.signal(Signal::TERM);
    broker.log().find("Trapped \"terminated\" signal").unwrap();
    client.fence("");
    broker.signal(Signal::INT);
    assert_eq!(broker.ended().code(), Some(0));
    assert!(!broker.log().so_far().contains("Closing existing clients"));
}
