//! The load client against what it loads besides brokers of NATS: Redis, Mosquitto, the bare relay.
//!
//! Absent: figures. Needs `redis-server` and `mosquitto`, which Debian has under these names.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

/// A server that ends with the value.
struct Server {
    child: Child,
    url: String,
    /// Kept open, so that the server can go on talking.
    _told: Box<dyn Read>,
}

impl Server {
    fn redis() -> Self {
        let host = own_address();
        let mut command = daemon("redis-server");
        command.args(["--bind", &host, "--save", "", "--appendonly", "no"]);
        let child = command.stdout(Stdio::piped()).spawn().expect("redis-server is installed");
        Self::ready(child, "Ready to accept connections", |_| format!("redis://{host}"))
    }

    fn mosquitto() -> Self {
        let host = own_address();
        let config = format!(
            "listener 1883 {host}\nallow_anonymous true\nmax_queued_messages 0\nlog_dest stderr\n"
        );
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{host}.conf"));
        std::fs::File::create(&path).unwrap().write_all(config.as_bytes()).unwrap();
        let mut command = daemon("mosquitto");
        let child = command.arg("-c").arg(path).stderr(Stdio::piped()).spawn();
        let child = child.expect("mosquitto is installed");
        Self::ready(child, " running", |_| format!("mqtt://{host}"))
    }

    fn relay() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare-bench"));
        let child = command.args(["relay", "--port", "0"]).stderr(Stdio::piped()).spawn().unwrap();
        Self::ready(child, "Relays on", |line| {
            format!("nats://{}", line.trim_end().rsplit(' ').next().unwrap())
        })
    }

    /// Waits until the server says that it serves, in a line from which its URL is made.
    fn ready(mut child: Child, word: &str, url: impl Fn(&str) -> String) -> Self {
        let told: Box<dyn Read> = match (child.stdout.take(), child.stderr.take()) {
            (Some(pipe), _) => Box::new(pipe),
            (None, Some(pipe)) => Box::new(pipe),
            (None, None) => unreachable!("one of them is a pipe"),
        };
        let mut told = BufReader::new(told);
        let mut line = String::new();
        while !line.contains(word) {
            line.clear();
            assert_ne!(told.read_line(&mut line).unwrap(), 0, "it ended before it served");
        }
        Self { child, url: url(&line), _told: Box::new(told) }
    }

    fn bench(&self, arguments: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare-bench"));
        command.arg("bench").args(arguments.split(' ')).args(["--server", &self.url, "--json"]);
        command.output().unwrap()
    }

    /// Runs a scenario and returns how many messages it has checked.
    fn checked(&self, arguments: &str) -> u64 {
        let output = self.bench(arguments);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments} at {}: {told}", self.url);
        let whole: Value = serde_json::from_slice(&output.stdout).unwrap();
        let verdict = &whole["results"][0]["verified"];
        for fault in ["lost", "repeated", "out_of_order", "damaged"] {
            assert_eq!(verdict[fault], 0, "{arguments} at {}: {verdict}", self.url);
        }
        verdict["messages"].as_u64().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which a test would have noticed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address of the loopback that nobody else uses, so that ports need not be shared.
fn own_address() -> String {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let taken = TAKEN.fetch_add(1, Ordering::Relaxed);
    let host = ((std::process::id() << 4) | taken) & 0x00FF_FFFF;
    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 0, 0, 0)) | host).to_string()
}

/// A daemon of Debian's, which may be where only root looks.
fn daemon(name: &str) -> Command {
    let below = PathBuf::from("/usr/sbin").join(name);
    Command::new(if below.exists() { below } else { name.into() })
}

fn everybody_delivers_everything(server: &Server) {
    assert_eq!(server.checked("pubsub --msgs 20000 --size 16"), 20_000);
    assert_eq!(server.checked("pubsub --msgs 300 --size 70000"), 300);
    assert_eq!(server.checked("pubsub --pubs 3 --subs 2 --msgs 3000"), 6_000);
    assert_eq!(server.checked("pubsub --pubs 2 --subs 2 --pairs --msgs 3000"), 3_000);
    assert_eq!(server.checked("fanout --subs 50 --msgs 200"), 10_000);
    assert_eq!(server.checked("fanout --subs 50 --one-at-a-time --msgs 20"), 1_000);
    assert_eq!(server.checked("latency --rate 10k --msgs 1000"), 1_000);
    assert_eq!(server.checked("conns --conns 40 --message --hold 1ms"), 40);
    assert!(server.bench("churn --loops 4 --msgs 50 --warmup 1ms").status.success());
}

fn what_it_does_not_know_is_refused(server: &Server, name: &str) {
    for (scenario, missing) in
        [("queue", "queue groups"), ("request", "requests with replies"), ("wildcard", "wildcards")]
    {
        let output = server.bench(scenario);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(&format!("{name} has no {missing}")), "{told}");
    }
}

#[test]
fn redis_is_loaded_and_checked() {
    let server = Server::redis();
    everybody_delivers_everything(&server);
    what_it_does_not_know_is_refused(&server, "Redis");
}

#[test]
fn mosquitto_is_loaded_and_checked() {
    let server = Server::mosquitto();
    everybody_delivers_everything(&server);
    what_it_does_not_know_is_refused(&server, "MQTT");
}

#[test]
fn the_bare_relay_is_loaded_and_checked() {
    let server = Server::relay();
    everybody_delivers_everything(&server);
    assert_eq!(server.checked("request --clients 3 --depth 4 --msgs 3000"), 3_000);
}

#[test]
fn a_server_of_another_protocol_is_recognised() {
    let server = Server::relay();
    let address = server.url.trim_start_matches("nats://");
    for protocol in ["redis", "mqtt"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare-bench"));
        command.args(["bench", "pubsub", "--protocol", protocol, "--server", address]);
        let output = command.output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(
            told.to_ascii_lowercase().contains(&format!("does not speak {protocol}")),
            "{told}"
        );
    }
}

#[test]
fn neither_credentials_nor_tls_are_promised_to_other_protocols() {
    for arguments in ["--user joe --server redis://127.0.0.1", "--tls --server mqtt://127.0.0.1"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare-bench"));
        let output = command.args(["bench", "pubsub"]).args(arguments.split(' ')).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains("neither TLS nor credentials"), "{told}");
    }
}

#[test]
fn the_relay_drops_who_talks_nonsense() {
    let server = Server::relay();
    let address: SocketAddr = server.url.trim_start_matches("nats://").parse().unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"HELLO\r\n").unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("INFO {"), "{said}");
    assert_eq!(server.checked("pubsub --msgs 1000"), 1_000);
}
