//! Accounts with a system account among them, clients of theirs, and the shape of what they hear.
//!
//! Absent: what is expected of events and answers (`system_events` and its neighbours). The shape
//! of a JSON text is the set of its members' paths, each with its type.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::broker::{Broker, Kind, Settings, kind, scratch};
use crate::wire::Connection;

/// Accounts SYS, A and B, with a user of the same name in small letters each.
const CONFIG: &str = r#"
server_name: here
server_tags: ["zone:a", "fast"]
server_metadata: { rack: "12" }
accounts {
  SYS { users: [ { user: sys, password: sys } ] }
  A {
    users: [
      { user: a, password: a }
      { user: few, password: few, permissions: {
        publish: { allow: ["x", "t.>", "$SYS.REQ.USER.INFO"], deny: "t.denied" }
        subscribe: ["_INBOX.>", "x"], allow_responses: true } }
    ]
    exports: [
      { service: svc.dark }, { service: svc.light, allow_trace: true }, { stream: "st.>" }
    ]
    mappings: { "m.from": "m.to" }
    msg_trace: { dest: "account.trace" }
  }
  B {
    users: [ { user: b, password: b } ]
    imports: [
      { service: { account: A, subject: svc.dark }, to: to.dark }
      { service: { account: A, subject: svc.light }, to: to.light }
      { stream: { account: A, subject: "st.>" }, prefix: lit, allow_trace: true }
    ]
  }
}
system_account: SYS
"#;

/// A broker with these accounts, and as many shards.
pub(crate) fn broker(shards: u32) -> Broker {
    broker_with(shards, "")
}

/// The same with more in its configuration.
pub(crate) fn broker_with(shards: u32, more: &str) -> Broker {
    let file = scratch("system.conf");
    std::fs::write(&file, format!("{CONFIG}{more}")).expect("the build directory is writable");
    let file = file.to_str().expect("a plain path");
    Settings::default().shards(shards).arguments(&["-c", file]).start()
}

/// A message as a client got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) subject: String,
    pub(crate) headers: String,
    pub(crate) payload: Vec<u8>,
}

impl Heard {
    /// Its payload as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.payload);
        serde_json::from_str(&text).unwrap_or_else(|why| panic!("{why}: {text}"))
    }
}

/// A client that speaks for one user.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) wire: Connection,
    pub(crate) info: Value,
    inboxes: u32,
}

impl User {
    /// Connects and is let in.
    #[track_caller]
    pub(crate) fn enter(broker: &Broker, name: &str) -> Self {
        let mut user = Self::knock(broker, name, name);
        user.wire.send("PING\r\n");
        assert_eq!(user.wire.line(), "PONG");
        user.settle();
        user
    }

    /// Connects and says who it is.
    pub(crate) fn knock(broker: &Broker, name: &str, password: &str) -> Self {
        let mut wire = Connection::open(broker.address());
        let greeting = wire.line();
        let info = greeting.strip_prefix("INFO ").expect("a greeting");
        let info = serde_json::from_str(info).expect("JSON");
        wire.send(format!(
            "CONNECT {{\"verbose\":false,\"pedantic\":false,\"headers\":true,\
             \"no_responders\":true,\"protocol\":1,\"name\":\"of {name}\",\"lang\":\"test\",\
             \"version\":\"1.2\",\"user\":\"{name}\",\"pass\":\"{password}\"}}\r\n"
        ));
        Self { wire, info, inboxes: 0 }
    }

    /// Passes over what the broker says on its own behind the first PONG.
    fn settle(&mut self) {
        self.wire.send("PING\r\n");
        while self.wire.line() != "PONG" {}
    }

    /// Its number.
    pub(crate) fn number(&self) -> u64 {
        self.info["client_id"].as_u64().expect("a number")
    }

    /// The broker's id.
    pub(crate) fn server(&self) -> String {
        self.info["server_id"].as_str().expect("a text").to_owned()
    }

    /// Subscribes, and knows that it has.
    #[track_caller]
    pub(crate) fn subscribe(&mut self, filter: &str) {
        self.inboxes += 1;
        self.wire.send(format!("SUB {filter} {}\r\n", self.inboxes));
        self.wire.fence("");
    }

    /// Publishes, with headers if there are any.
    pub(crate) fn publish(&mut self, subject: &str, reply: &str, headers: &str, payload: &str) {
        if headers.is_empty() {
            self.wire.send(format!("PUB {subject} {reply} {}\r\n{payload}\r\n", payload.len()));
        } else {
            let block = format!("NATS/1.0\r\n{headers}\r\n\r\n");
            let (header_len, all) = (block.len(), block.len() + payload.len());
            let line = format!("HPUB {subject} {reply} {header_len} {all}\r\n{block}{payload}\r\n");
            self.wire.send(line);
        }
    }

    /// Asks, and waits for the answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, subject: &str, payload: &str) -> Heard {
        let inbox = format!("_INBOX.x.{}", self.inboxes);
        self.subscribe(&inbox);
        self.publish(subject, &inbox, "", payload);
        let heard = self.hear();
        assert_eq!(heard.subject, inbox);
        heard
    }

    /// The next message.
    #[track_caller]
    pub(crate) fn hear(&mut self) -> Heard {
        loop {
            let line = self.wire.line();
            let words: Vec<&str> = line.split(' ').collect();
            let sizes = match words[0] {
                "MSG" => 1,
                "HMSG" => 2,
                "PING" => {
                    self.wire.send("PONG\r\n");
                    continue;
                }
                "INFO" => continue,
                other => panic!("{other} instead of a message: {line}"),
            };
            let size = |at: usize| words[words.len() - at].parse::<usize>().expect("a size");
            let (all, header_len) = (size(1), if sizes == 2 { size(2) } else { 0 });
            while self.wire.pending().len() < all + 2 {
                assert!(self.wire.fill(), "closed inside a message");
            }
            let body = self.wire.consume(all + 2);
            return Heard {
                subject: words[1].to_owned(),
                headers: String::from_utf8_lossy(&body[..header_len]).into_owned(),
                payload: body[header_len..all].to_vec(),
            };
        }
    }

    /// All messages that have come by now.
    #[track_caller]
    pub(crate) fn hear_all(&mut self) -> Vec<Heard> {
        self.wire.send(format!("SUB _.fence.{0} fence\r\nPUB _.fence.{0} 0\r\n\r\n", self.inboxes));
        let mut all = Vec::new();
        loop {
            let heard = self.hear();
            if heard.subject.starts_with("_.fence") {
                self.wire.send("UNSUB fence\r\n");
                return all;
            }
            all.push(heard);
        }
    }

    /// The next message to this subject; others are passed over.
    #[track_caller]
    pub(crate) fn hear_to(&mut self, subject: &str) -> Heard {
        loop {
            let heard = self.hear();
            if heard.subject == subject {
                return heard;
            }
        }
    }
}

/// The paths of a JSON text's members, each with its type. An empty list has no members.
pub(crate) fn shape(json: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    walk(json, String::new(), &mut found);
    found
}

fn walk(json: &Value, path: String, found: &mut BTreeSet<String>) {
    let kind = match json {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(list) => {
            for inner in list {
                walk(inner, format!("{path}[]"), found);
            }
            return;
        }
        Value::Object(members) => {
            let dot = if path.is_empty() { "" } else { "." };
            for (key, inner) in members {
                walk(inner, format!("{path}{dot}{key}"), found);
            }
            return;
        }
    };
    found.insert(format!("{path}: {kind}"));
}

/// What every event and answer says of the broker, by both programs.
pub(crate) fn of_server(prefix: &str) -> BTreeSet<String> {
    let mut members = vec![
        "flags: number",
        "host: text",
        "id: text",
        "jetstream: bool",
        "metadata.rack: text",
        "name: text",
        "seq: number",
        "tags[]: text",
        "time: text",
        "ver: text",
    ];
    if kind() == Kind::Reference {
        // Of JetStream, which Fanfare does not have.
        members.push("feature_flags.js_ack_fc_v2: bool");
        members.push("feature_flags.js_raft_delete_range: bool");
    }
    members.iter().map(|member| format!("{prefix}{member}")).collect()
}

/// Members by their paths, those of the server added.
pub(crate) fn members(of: &[&str]) -> BTreeSet<String> {
    let mut all = of_server("server.");
    all.extend(of.iter().map(|&member| member.to_owned()));
    all
}
