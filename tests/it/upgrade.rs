//! An upgrade: a new process takes over, and clients go on as if nothing had happened.
//!
//! Absent: upgrades that fail (`upgrade_faults`) and many clients (`upgrade_load`).

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Output};
use std::sync::mpsc;
use std::thread;

use rustix::process::{Pid, Signal, WaitIdOptions, kill_process, waitid};

use crate::broker::{Broker, Settings, binary, scratch};
use crate::secure::{Offer, configured, tls};
use crate::wire::{Connection, DEADLINE};

/// A process that took over; it is no child of ours, and must not outlive its test.
#[derive(Debug)]
pub(crate) struct Successor(Pid);

impl Successor {
    /// Lets go of a process that has been replaced itself.
    pub(crate) fn pid(&self) -> Pid {
        self.0
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.0, signal).expect("the process lives");
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::KILL);
    }
}

/// Runs `fanfare upgrade` for a process.
pub(crate) fn ask(process: impl ToString, more: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.arg("upgrade").arg(process.to_string()).args(more);
    command.output().expect("the binary runs")
}

/// Upgrades a process that can be upgraded.
pub(crate) fn upgrade(process: impl ToString) -> (Successor, String) {
    let output = ask(process, &[]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    let number = text.split(' ').nth(1).and_then(|word| word.parse().ok());
    let number = number.and_then(Pid::from_raw).expect("the answer names the process");
    (Successor(number), text)
}

/// Waits for the end of a broker whose standard output lives on in another process.
pub(crate) fn ended(broker: &mut Broker) -> ExitStatus {
    let pid = Pid::from_raw(broker.pid().cast_signed()).expect("a child of ours");
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let _ = waitid(rustix::process::WaitId::Pid(pid), options);
        let _ = tell.send(());
    });
    told.recv_timeout(DEADLINE).expect("the old process ends");
    broker.collected()
}

fn sub(client: &mut Connection, text: &str) {
    client.send(text);
    client.fence("");
}

#[test]
fn clients_keep_all_that_they_had() {
    let pid_file = scratch("upgraded.pid");
    let path = pid_file.to_str().unwrap();
    let mut broker = Settings::default().arguments(&["-P", path]).start();
    let (mut a, mut b, mut c) = (broker.client(), broker.client(), broker.client());
    sub(&mut a, "SUB foo 1\r\nSUB bar.* q 2\r\nSUB once odd-sid\r\nUNSUB odd-sid 2\r\n");
    sub(&mut b, "SUB bar.> q 9\r\nSUB gone 3\r\nUNSUB 3\r\n");
    c.send("PUB once 1\r\nx\r\n");
    c.fence("");
    a.expect("MSG once odd-sid 1\r\nx\r\n");
    // Half a line, half a small message, half a large one, and a verbose client.
    a.send("PUB he");
    b.send("PUB foo 6\r\nabc");
    let large = vec![b'z'; 100_000];
    c.send("PUB foo 100000\r\n");
    c.send(&large[..60_000]);
    let mut verbose = broker.connect();
    verbose.send("CONNECT {\"echo\":false}\r\nSUB foo 5\r\nPING\r\n");
    verbose.expect("+OK\r\n+OK\r\nPONG\r\n");

    let (successor, text) = upgrade(path);
    assert!(text.contains("serves 4 connections"), "{text}");
    assert!(ended(&mut broker).success());
    let number = fs::read_to_string(&pid_file).unwrap();
    assert_eq!(number, successor.pid().as_raw_nonzero().to_string());

    verbose.send("PUB foo 1\r\nv\r\nPING\r\n");
    verbose.expect("+OK\r\nPONG\r\n");
    a.expect("MSG foo 1 1\r\nv\r\n");
    c.send(&large[60_000..]);
    c.send("\r\n");
    c.fence("");
    a.expect([b"MSG foo 1 100000\r\n", &large[..], b"\r\n"].concat());
    verbose.expect([b"MSG foo 5 100000\r\n", &large[..], b"\r\n"].concat());
    b.send("def\r\n");
    a.expect("MSG foo 1 6\r\nabcdef\r\n");
    verbose.expect("MSG foo 5 6\r\nabcdef\r\n");
    a.send("ar 1\r\ny\r\n");
    c.send("PUB once 1\r\ny\r\nPUB once 1\r\nz\r\nPUB gone 1\r\nz\r\n");
    c.fence("");
    a.expect("MSG once odd-sid 1\r\ny\r\n");
    c.send("PUB bar.one 1\r\nq\r\n");
    c.fence("");
    let heard = |client: &mut Connection| {
        client.send("PING\r\n");
        let mut lines = Vec::new();
        while lines.last().is_none_or(|line| line != "PONG") {
            lines.push(client.line());
        }
        lines.iter().filter(|line| line.starts_with("MSG bar.one ")).count()
    };
    assert_eq!(heard(&mut a) + heard(&mut b), 1, "one member of the group is asked");

    // New connections come, and the new process can be replaced and stopped, too.
    let mut fresh = broker.client();
    sub(&mut fresh, "SUB foo 77\r\n");
    let (second, text) = upgrade(path);
    assert!(text.contains("serves 5 connections"), "{text}");
    c.send("PUB foo 2\r\nok\r\n");
    c.fence("");
    fresh.expect("MSG foo 77 2\r\nok\r\n");
    a.expect("MSG foo 1 2\r\nok\r\n");
    second.signal(Signal::TERM);
    fresh.rest();
    std::mem::forget(successor);
}

#[test]
fn what_waits_for_a_slow_reader_comes_whole() {
    let mut broker = Broker::start();
    let (mut reader, mut writer) = (broker.client(), broker.client());
    sub(&mut reader, "SUB flood.* name-of-its-own\r\nSUB flood.7 8\r\n");
    let body = vec![b'f'; 50_000];
    let mut expected = Vec::new();
    for n in 0..300 {
        let size = if n % 3 == 0 { 50_000 } else { 100 + n };
        writer.send(format!("PUB flood.{n} {size}\r\n"));
        writer.send(&body[..size]);
        writer.send("\r\n");
        let sids: &[&str] = if n == 7 { &["name-of-its-own", "8"] } else { &["name-of-its-own"] };
        for sid in sids {
            expected.push((format!("MSG flood.{n} {sid} {size}"), size));
        }
    }
    writer.fence("");
    let (_successor, _) = upgrade(broker.pid());
    assert!(ended(&mut broker).success());
    writer.send("PUB flood.end 0\r\n\r\n");
    writer.fence("");
    expected.push(("MSG flood.end name-of-its-own 0".to_owned(), 0));
    expected.sort();
    let mut heard = Vec::new();
    for _ in 0..expected.len() {
        let line = reader.line();
        let size: usize = line.rsplit(' ').next().unwrap().parse().unwrap();
        reader.expect([&body[..size], b"\r\n"].concat());
        heard.push((line, size));
    }
    heard.sort();
    assert_eq!(heard, expected);
    reader.fence("");
}

#[test]
fn rights_stay_and_follow_the_new_configuration() {
    let users = |password: &str, denied: &str| {
        format!(
            "authorization {{ users = [\n\
             {{ user: steady, password: s, permissions: {{ publish: \"ok\", subscribe: {{ deny: \
             [{denied}] }}, allow_responses: {{ max: 2 }} }} }}\n\
             {{ user: changing, password: {password} }} ] }}\n"
        )
    };
    let file = crate::secure::written(&users("before", "secret"));
    let mut broker = Settings::default().arguments(&["-c", &file]).start();
    let login = |user: &str, password: &str| {
        let mut client = broker.connect();
        let text = format!("{{\"verbose\":false,\"user\":\"{user}\",\"pass\":\"{password}\"}}\r\n");
        client.send(format!("CONNECT {text}"));
        client.fence("");
        client
    };
    let mut steady = login("steady", "s");
    let mut changing = login("changing", "before");
    sub(&mut steady, "SUB open 1\r\nSUB later 2\r\n");
    changing.send("PUB open answer.me 2\r\nhi\r\n");
    changing.fence("");
    steady.expect("MSG open 1 answer.me 2\r\nhi\r\n");
    fs::write(&file, users("after", "secret, later")).unwrap();
    let (_successor, _) = upgrade(broker.pid());
    assert!(ended(&mut broker).success());
    steady.expect("-ERR 'Permissions Violation for Subscription to \"later\" (sid \"2\")'\r\n");
    steady.send("PUB answer.me 1\r\na\r\nPUB ok 1\r\na\r\n");
    steady.fence("");
    steady.send("PUB other 1\r\na\r\nPING\r\n");
    steady.expect("-ERR 'Permissions Violation for Publish to \"other\"'\r\nPONG\r\n");
    let rest = String::from_utf8(changing.rest()).unwrap();
    assert!(rest.contains("-ERR 'Authorization Violation'"), "{rest}");
}

#[test]
fn clients_with_tls_are_asked_to_come_again() {
    let mut broker = configured(&format!("{}allow_non_tls: true\n", tls(""))).start();
    let mut plain = broker.client();
    sub(&mut plain, "SUB foo 1\r\n");
    let mut secured = Offer::default().connect(broker.address()).unwrap();
    secured.send("CONNECT {\"verbose\":false,\"protocol\":1}\r\nSUB foo 1\r\n");
    secured.fence();
    let (_successor, text) = upgrade(broker.pid());
    assert!(text.contains("serves 1 connections"), "{text}");
    assert!(text.contains("1 connections were asked to come again"), "{text}");
    let rest = String::from_utf8(secured.rest()).unwrap();
    assert!(rest.contains("\"ldm\":true"), "{rest}");
    assert!(ended(&mut broker).success());
    plain.send("PUB foo 2\r\nhi\r\n");
    plain.fence("MSG foo 1 2\r\nhi\r\n");
    let mut again = Offer::default().connect(broker.address()).unwrap();
    again.connect();
    again.send("SUB foo 1\r\nPUB foo 2\r\nhi\r\n");
    assert_eq!((&again.line()[..], &again.line()[..]), ("MSG foo 1 2", "hi"));
    plain.expect("MSG foo 1 2\r\nhi\r\n");
}

#[test]
fn a_unix_socket_stays_where_it_is() {
    let path: PathBuf = scratch("s");
    let place = path.to_str().unwrap();
    let text = format!("listeners {{ here {{ unix: \"{place}\" }} }}\n");
    let mut broker = configured(&text).start();
    let (_successor, _) = upgrade(broker.pid());
    assert!(ended(&mut broker).success());
    let stream = std::os::unix::net::UnixStream::connect(&path);
    assert!(stream.is_ok(), "{stream:?}");
}

#[test]
fn signals_reach_whoever_serves() {
    let file = crate::secure::written("max_payload: 1000\n");
    let mut broker = Settings::default().arguments(&["-c", &file]).start();
    let (successor, _) = upgrade(broker.pid());
    assert!(ended(&mut broker).success());
    let mut client = broker.client();
    client.fence("");
    fs::write(&file, "max_payload: 10\n").unwrap();
    successor.signal(Signal::HUP);
    broker.log().find("Reloaded server configuration").unwrap();
    client.send("PUB foo 11\r\n");
    let rest = String::from_utf8(client.rest()).unwrap();
    assert!(rest.contains("-ERR 'Maximum Payload Violation'"), "{rest}");
}
