//! The log as JSON: every line one object, with fields about the client that it is about.
//!
//! Absent: the lines for people, whose form other tests rely on.

use std::fs;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::thread;
use std::time::Instant;

use rustix::process::Signal;
use serde_json::Value;

use crate::broker::{CONNECT, Kind, Process, Settings, kind, scratch};
use crate::log::Log;
use crate::wire::{Connection, DEADLINE};

/// The first line with this in it, as an object.
fn object(log: &Log, needle: &str) -> Value {
    let line = log.find(needle).unwrap_or_else(|| panic!("no {needle:?}: {}", log.so_far()));
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// A broker, its log, and where it listens by its log.
fn start(arguments: &[&str]) -> (Process, Log, SocketAddr) {
    let mut process = Settings::default().arguments(arguments).spawn();
    let log = process.log();
    let listening = object(&log, "Listening for client connections on ");
    let words = listening["msg"].as_str().unwrap();
    let address = words.rsplit(' ').next().unwrap().parse().unwrap();
    log.find("Server is ready").expect("the broker gets ready");
    (process, log, address)
}

#[test]
fn every_line_is_an_object_and_those_of_clients_say_which() {
    if kind() == Kind::Reference {
        return;
    }
    let (mut process, log, address) = start(&["--log_format", "json", "-D", "-V"]);
    let stream = TcpStream::connect(address).unwrap();
    let peer = stream.local_addr().unwrap().to_string();
    let mut client = Connection::adopt(stream);
    let greeting = client.line();
    let info: Value = serde_json::from_str(greeting.trim_start_matches("INFO ")).unwrap();
    client.send(CONNECT);
    client.send("PUB quoted.\"subject\" 2\r\nhi\r\nPING\r\n");
    client.line();
    drop(client);

    let created = object(&log, "Client connection created");
    assert_eq!(created["msg"], "Client connection created");
    assert_eq!(created["level"], "debug");
    assert_eq!(created["peer"], peer);
    assert_eq!(created["cid"], info["client_id"]);
    assert_eq!(created["pid"], process.pid());
    let time = created["time"].as_str().unwrap();
    assert!(time.ends_with('Z') && time.len() == "2026-11-21T04:27:16.511030Z".len(), "{time}");
    let traced = object(&log, "PUB quoted");
    assert_eq!(traced["msg"], "<<- [PUB quoted.\"subject\" 2]");
    assert_eq!((&traced["level"], &traced["direction"]), (&"trace".into(), &"in".into()));
    let closed = object(&log, "Client connection closed");
    assert_eq!(closed["reason"], "Client Closed");
    assert_eq!((&closed["peer"], &closed["cid"]), (&created["peer"], &created["cid"]));

    process.signal(Signal::TERM);
    process.ended();
    for line in log.all() {
        let object: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
        for name in ["time", "level", "pid", "msg"] {
            assert!(object.get(name).is_some(), "no {name} in {line}");
        }
    }
}

#[test]
fn a_reload_changes_the_format_and_back() {
    if kind() == Kind::Reference {
        return;
    }
    let path = scratch("format.conf");
    fs::write(&path, "log_format: json\n").unwrap();
    let (process, log, _) = start(&["-c", path.to_str().unwrap()]);
    fs::write(&path, "log_format: text\n").unwrap();
    process.signal(Signal::HUP);
    let line = log.find("Reloaded: log_format = text").expect("a reload");
    assert!(line.starts_with('{') || line.starts_with('['), "{line}");
    let line = log.find("[INF] Reloaded server configuration").expect("a line for people");
    assert!(line.starts_with('['), "{line}");
    fs::write(&path, "log_format: xml\n").unwrap();
    process.signal(Signal::HUP);
    log.find("log_format must be 'text' or 'json'").expect("a refusal");
    fs::write(&path, "log_format: json\nlogtime: false\n").unwrap();
    process.signal(Signal::HUP);
    let done = object(&log, "\"msg\":\"Reloaded server configuration");
    assert_eq!((&done["level"], done.get("time")), (&"info".into(), None));
}

#[test]
fn a_flood_of_refusals_is_thinned_out_and_counted() {
    if kind() == Kind::Reference {
        return;
    }
    let arguments = ["--log_format", "json", "--auth", "right"];
    let (mut process, log, address) = start(&arguments);
    for _ in 0..FLOOD {
        let mut client = Connection::open(address);
        client.line();
        client.send("CONNECT {\"auth_token\":\"wrong\"}\r\n");
        assert!(client.line().starts_with("-ERR 'Authorization Violation'"));
    }
    let count = |lines: &[String]| {
        let objects = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
        objects.fold((0, 0), |(shown, hidden), line| {
            let is_refusal = line["msg"].as_str().unwrap().starts_with("authentication error");
            (shown + usize::from(is_refusal), hidden + line["hidden"].as_u64().unwrap_or(0))
        })
    };
    process.signal(Signal::TERM);
    process.ended();
    let (shown, hidden) = count(&log.all());
    assert!(shown < FLOOD, "{shown} shown");
    assert_eq!(shown as u64 + hidden, FLOOD as u64, "{shown} and {hidden}");
}

#[test]
fn a_log_that_nobody_reads_holds_nobody_up_and_counts_what_it_drops() {
    if kind() == Kind::Reference {
        return;
    }
    let folder = scratch("ports");
    fs::create_dir(&folder).unwrap();
    let place = folder.to_str().unwrap();
    let arguments = ["--log_format", "json", "-V", "--ports_file_dir", place];
    let mut process = Settings::default().arguments(&arguments).spawn();
    let path = folder.join(format!("fanfare_{}.ports", process.pid()));
    let limit = Instant::now() + DEADLINE;
    // It appears whole.
    let ports = loop {
        match fs::read_to_string(&path) {
            Ok(text) => break text,
            Err(error) => assert!(Instant::now() < limit, "{}: {error}", path.display()),
        }
        thread::yield_now();
    };
    let ports: Value = serde_json::from_str(&ports).unwrap();
    let address = ports["nats"][0].as_str().unwrap().trim_start_matches("nats://");
    let mut client = Connection::open(address.parse().unwrap());
    client.line();
    client.send(CONNECT);
    // The pipe of the log is full long before this has been traced.
    for _ in 0..ROUNDS {
        client.send("PUB a 1\r\nx\r\n".repeat(1000));
        client.fence("");
    }
    drop(client);
    let log = process.log();
    process.signal(Signal::TERM);
    process.ended();
    let objects = log.all().into_iter().map(|line| serde_json::from_str::<Value>(&line).unwrap());
    let (published, dropped) = objects.fold((0, 0), |(published, dropped), line| {
        let is_publish = line["msg"].as_str().unwrap().contains("[PUB a 1]");
        (published + u64::from(is_publish), dropped + line["dropped"].as_u64().unwrap_or(0))
    });
    assert!(published < ROUNDS * 1000 && dropped > 0, "{published} shown, {dropped} dropped");
    // Each publish is traced with its payload, so that at most two lines of each are missing.
    assert!(published + dropped >= ROUNDS * 1000, "{published} shown, {dropped} dropped");
}

#[test]
fn a_system_log_gets_objects_behind_its_own_head() {
    if kind() == Kind::Reference {
        return;
    }
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let url = format!("udp://{}", socket.local_addr().unwrap());
    let _process = Settings::default().arguments(&["-r", &url, "--log_format", "json"]).spawn();
    let mut buffer = [0; 2048];
    loop {
        let count = socket.recv(&mut buffer).unwrap();
        let line = String::from_utf8_lossy(&buffer[..count]).into_owned();
        let (head, object) = line.split_once("]: ").unwrap_or_else(|| panic!("{line}"));
        assert!(head.starts_with('<'), "{line}");
        let object: Value = serde_json::from_str(object).unwrap_or_else(|_| panic!("{line}"));
        if object["msg"] == "Server is ready" {
            return;
        }
    }
}

/// Rounds of a thousand messages each.
const ROUNDS: u64 = 30;
/// Refusals of the flood.
const FLOOD: usize = 200;
