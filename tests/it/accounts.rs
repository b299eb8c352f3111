//! Messages that reach one client by several imports, on one shard and on several.
//!
//! Absent: everything that nats-server does the same way (`parity_scenarios`): which of two imports
//! wins a subscription's last delivery is a draw there.

use crate::broker::{Kind, Settings, kind, scratch};
use crate::wire::Connection;

const CONFIG: &str = r#"accounts: {
  SOURCE: { users: [ { user: s, password: s } ], exports: [ { stream: "a.>" } ] }
  ONE: {
    users: [ { user: o, password: o } ]
    imports: [
      { stream: { account: SOURCE, subject: "a.>" }, prefix: "first" }
      { stream: { account: SOURCE, subject: "a.x" }, to: "second.x" }
    ]
  }
}
"#;

fn login(connection: &mut Connection, user: &str) {
    let hello = format!("{{\"verbose\":false,\"user\":\"{user}\",\"pass\":\"{user}\"}}");
    connection.send(format!("CONNECT {hello}\r\n"));
    connection.fence("");
}

/// The first leg of a message finishes the subscription that its second leg was planned for.
#[test]
fn a_subscription_that_two_imports_lead_to_ends_at_its_maximum() {
    if kind() == Kind::Reference {
        return;
    }
    for shards in 1..=3 {
        let file = scratch("accounts.conf");
        std::fs::write(&file, CONFIG).expect("the build directory is writable");
        let file = file.to_str().expect("a plain path");
        let broker = Settings::default().shards(shards).arguments(&["-c", file]).start();
        let (mut source, mut one) = (broker.connect(), broker.connect());
        login(&mut source, "s");
        login(&mut one, "o");
        one.send("SUB > 1\r\nUNSUB 1 1\r\n");
        one.fence("");
        source.send("PUB a.x 1\r\nx\r\nPUB a.x 1\r\ny\r\n");
        source.fence("");
        one.send("PING\r\n");
        assert_eq!(one.line(), "MSG first.a.x 1 1");
        assert_eq!((one.line(), one.line()), ("x".to_owned(), "PONG".to_owned()));
        source.fence("");
    }
}
