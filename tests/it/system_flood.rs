//! Tenants who ask the broker without end, and the operator who asks meanwhile.
//!
//! Absent: what is answered. The flood ends only when the operator has been served.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::broker::binary;
use crate::monitored::Monitored;
use crate::system::User;

const CONFIG: &str = r#"
server_name: here
http: "127.0.0.1:-1"
shards: 2
accounts {
  SYS { users: [ { user: sys, password: sys } ] }
  A { users: [ { user: a, password: a } ] }
  B { users: [ { user: b, password: b } ] }
}
system_account: SYS
"#;

/// Somebody who asks as fast as the broker reads, until this is dropped.
struct Flood {
    ends: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
}

impl Flood {
    fn begin(address: SocketAddr, user: &str, options: &str) -> Self {
        let flood = Self { ends: Arc::default(), sent: Arc::default() };
        let (ends, sent) = (Arc::clone(&flood.ends), Arc::clone(&flood.sent));
        let mut stream = TcpStream::connect(address).expect("the broker accepts");
        let line =
            format!("PUB $SYS.REQ.ACCOUNT.PING.CONNZ nowhere {}\r\n{options}\r\n", options.len());
        let connect =
            format!("CONNECT {{\"verbose\":false,\"user\":\"{user}\",\"pass\":\"{user}\"}}\r\n");
        thread::spawn(move || {
            // A broker that has ended ends the flood, too.
            let mut going = stream.write_all(connect.as_bytes()).is_ok();
            while going && !ends.load(Ordering::SeqCst) {
                going = stream.write_all(line.repeat(16).as_bytes()).is_ok();
                sent.fetch_add(16, Ordering::SeqCst);
            }
        });
        flood
    }

    /// Waits until so many more were sent.
    fn goes_on(&self, more: u64) {
        let begun = self.sent.load(Ordering::SeqCst);
        let limit = std::time::Instant::now() + crate::wire::DEADLINE;
        while self.sent.load(Ordering::SeqCst) < begun + more {
            assert!(std::time::Instant::now() < limit, "the flood has ended");
            thread::yield_now();
        }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_flood_without_end_keeps_nobody_from_looking() {
    let server = Monitored::start(&binary(), CONFIG);
    let mut operator = User::enter(&server.broker, "sys");
    let mut other = User::enter(&server.broker, "b");
    let mut rich = User::enter(&server.broker, "a");
    for n in 0..2_000 {
        rich.wire.send(format!("SUB one.of.many.{n} {}\r\n", n + 100));
    }
    rich.wire.fence("");
    let mut watcher = User::enter(&server.broker, "sys");
    watcher.subscribe("$SYS.SERVER.*.STATSZ");
    let options = r#"{"subscriptions_detail":true}"#;
    let floods: Vec<Flood> =
        (0..4).map(|_| Flood::begin(server.broker.address(), "a", options)).collect();
    for _ in 0..3 {
        for flood in &floods {
            flood.goes_on(160);
        }
        assert_eq!(server.get("/healthz").status, 200);
        assert_eq!(operator.ask("$SYS.REQ.SERVER.PING.IDZ", "").json()["name"], "here");
        let answer = other.ask("$SYS.REQ.ACCOUNT.PING.CONNZ", "").json();
        assert_eq!(answer["data"]["num_connections"], 1, "{answer}");
    }
    // The load is told meanwhile, as ever.
    assert!(watcher.hear().json()["statsz"].is_object());
    for flood in &floods {
        flood.goes_on(160);
    }
}
