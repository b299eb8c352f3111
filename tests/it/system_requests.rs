//! What the broker answers about itself, and who may ask.
//!
//! Absent: the members of each endpoint's data, which are those of the monitoring port. With a
//! reference server in the broker's place the same questions get answers of the same shape; where
//! they do not, the test says so.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::broker::{Kind, Settings, kind, scratch};
use crate::system::{User, broker, members, of_server, shape};

/// The envelope's members, whatever is in it.
fn envelope(answer: &Value) -> BTreeSet<String> {
    let members = answer.as_object().expect("an object").keys();
    members.filter(|key| *key != "server").cloned().collect()
}

fn named(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn server_of(answer: &Value) -> BTreeSet<String> {
    shape(&answer["server"])
}

#[test]
fn the_system_account_asks_about_the_server() {
    let broker = broker(3);
    let mut asker = User::enter(&broker, "sys");
    let id = asker.server();
    for server in ["PING".to_owned(), id.clone()] {
        for word in ["VARZ", "CONNZ", "SUBSZ", "ROUTEZ", "GATEWAYZ", "LEAFZ", "ACCOUNTZ", "JSZ"] {
            let answer = asker.ask(&format!("$SYS.REQ.SERVER.{server}.{word}"), "").json();
            assert_eq!(envelope(&answer), named(&["data"]), "{word}: {answer}");
            assert_eq!(server_of(&answer), of_server(""), "{word}");
            assert!(answer["data"].is_object(), "{word}: {answer}");
        }
        let answer = asker.ask(&format!("$SYS.REQ.SERVER.{server}.HEALTHZ"), "").json();
        assert_eq!(answer["data"]["status"], "ok");
        let answer = asker.ask(&format!("$SYS.REQ.SERVER.{server}.IDZ"), "").json();
        assert_eq!(shape(&answer), named(&["host: text", "id: text", "name: text"]));
        assert_eq!((&answer["id"], &answer["name"]), (&id.clone().into(), &"here".into()));
    }
    let numbers = asker.ask("$SYS.REQ.SERVER.PING.CONNZ", "").json();
    assert_eq!(numbers["data"]["num_connections"], 1, "the broker's own clients are not told");
}

#[test]
fn the_load_is_told_when_asked_and_from_time_to_time() {
    let broker = broker(2);
    let mut asker = User::enter(&broker, "sys");
    let statsz = [
        "active_accounts: number",
        "active_servers: number",
        "connections: number",
        "cores: number",
        "cpu: number",
        "gomaxprocs: number",
        "mem: number",
        "received.bytes: number",
        "received.msgs: number",
        "sent.bytes: number",
        "sent.msgs: number",
        "slow_consumers: number",
        "start: text",
        "subscriptions: number",
        "total_connections: number",
    ];
    let statsz: Vec<String> = statsz.iter().map(|member| format!("statsz.{member}")).collect();
    let expected = members(&statsz.iter().map(String::as_str).collect::<Vec<_>>());
    for subject in ["$SYS.REQ.SERVER.PING", "$SYS.REQ.SERVER.PING.STATSZ"] {
        let answer = asker.ask(subject, "").json();
        assert_eq!(shape(&answer), expected);
        assert_eq!(answer["statsz"]["connections"], 1);
    }
    asker.subscribe("$SYS.SERVER.*.STATSZ");
    let beat = asker.hear();
    assert_eq!(beat.subject, format!("$SYS.SERVER.{}.STATSZ", asker.server()));
    assert_eq!(shape(&beat.json()), expected);
}

#[test]
fn a_request_may_be_meant_for_other_servers() {
    let broker = broker(2);
    let mut asker = User::enter(&broker, "sys");
    let subject = "$SYS.REQ.SERVER.PING.HEALTHZ";
    for (options, is_meant) in [
        (r#"{"server_name":"her"}"#, true),
        (r#"{"server_name":"her","exact_match":true}"#, false),
        (r#"{"server_name":"here","exact_match":true}"#, true),
        (r#"{"server_name":"there"}"#, false),
        (r#"{"host":"127.0"}"#, true),
        (r#"{"host":"elsewhere"}"#, false),
        (r#"{"tags":["zone:a","fast"]}"#, true),
        (r#"{"tags":["zone:a","slow"]}"#, false),
        (r#"{"cluster":"x"}"#, false),
        (r#"{"domain":"x"}"#, false),
    ] {
        asker.subscribe("answer");
        asker.publish(subject, "answer", "", options);
        // Requests of one asker are answered in their order.
        asker.publish("$SYS.REQ.SERVER.PING.IDZ", "answer", "", "");
        let first = asker.hear_to("answer").json();
        assert_eq!(first.get("data").is_some(), is_meant, "{options}: {first}");
        if is_meant {
            asker.hear_to("answer");
        }
        asker.wire.send("UNSUB 1\r\n");
        for sid in 1..20 {
            asker.wire.send(format!("UNSUB {sid}\r\n"));
        }
        asker.wire.fence("");
    }
    let answer = asker.ask(subject, "{bad").json();
    assert_eq!(envelope(&answer), named(&["error"]));
    assert_eq!(answer["error"]["code"], 400);
    assert!(answer["error"]["description"].is_string());
}

#[test]
fn any_account_asks_about_itself_and_nobody_else() {
    let broker = broker(3);
    let (mut one, mut other) = (User::enter(&broker, "a"), User::enter(&broker, "b"));
    let _more: Vec<User> = (0..5).map(|_| User::enter(&broker, "b")).collect();
    for subject in ["$SYS.REQ.ACCOUNT.PING.CONNZ", "$SYS.REQ.SERVER.PING.CONNZ"] {
        for options in ["", r#"{"acc":"B"}"#, r#"{"acc":"SYS","subscriptions":true}"#] {
            let answer = one.ask(subject, options).json();
            let told = answer["data"]["connections"].as_array().expect("a list");
            assert_eq!(told.len(), 1, "{answer}");
            assert_eq!(told[0]["cid"], one.number());
        }
    }
    let answer = other.ask("$SYS.REQ.ACCOUNT.PING.STATZ", r#"{"accounts":["A"]}"#).json();
    let told = answer["data"]["account_statz"].as_array().expect("a list");
    assert_eq!((told.len(), &told[0]["acc"], &told[0]["conns"]), (1, &"B".into(), &6.into()));
    // All that is about others does not exist for it.
    for subject in [
        "$SYS.REQ.SERVER.PING",
        "$SYS.REQ.SERVER.PING.VARZ",
        "$SYS.REQ.ACCOUNT.B.CONNZ",
        "$SYS.REQ.ACCOUNT.A.CONNZ",
        "$SYS.REQ.CLAIMS.LIST",
        &format!("$SYS.REQ.SERVER.{}.KICK", one.server()),
        &format!("$SYS.REQ.SERVER.{}.RELOAD", one.server()),
    ] {
        let heard = one.ask(subject, &format!("{{\"cid\":{}}}", other.number()));
        assert!(heard.headers.starts_with("NATS/1.0 503"), "{subject}: {heard:?}");
    }
    other.wire.fence("");
}

/// Numbers that overflow when they are added, which end a nats-server.
#[test]
fn pages_beyond_all_bounds_are_empty() {
    if kind() == Kind::Reference {
        return;
    }
    let broker = broker(2);
    let mut one = User::enter(&broker, "a");
    for options in [
        r#"{"offset":9223372036854775807,"limit":9223372036854775807}"#,
        r#"{"offset":1,"limit":9223372036854775807}"#,
        r#"{"offset":-9223372036854775808,"limit":-1}"#,
        r#"{"offset":18446744073709551615}"#,
    ] {
        let answer = one.ask("$SYS.REQ.ACCOUNT.PING.CONNZ", options).json();
        assert!(answer.get("data").is_some() || answer["error"]["code"] == 400, "{answer}");
    }
    one.wire.fence("");
}

#[test]
fn whoever_asks_learns_who_it_is() {
    let broker = broker(2);
    let base = ["data.account: text", "data.account_name: text", "data.user: text"];
    for (name, account) in [("a", "A"), ("sys", "SYS")] {
        let answer = User::enter(&broker, name).ask("$SYS.REQ.USER.INFO", "").json();
        assert_eq!(shape(&answer), members(&base));
        assert_eq!(
            (&answer["data"]["user"], &answer["data"]["account"]),
            (&name.into(), &account.into())
        );
    }
    let answer = User::enter(&broker, "few").ask("$SYS.REQ.USER.INFO", "").json();
    let rules = [
        "data.permissions.publish.allow[]: text",
        "data.permissions.publish.deny[]: text",
        "data.permissions.responses.max: number",
        "data.permissions.responses.ttl: number",
        "data.permissions.subscribe.allow[]: text",
    ];
    assert_eq!(shape(&answer), members(&[&base[..], &rules].concat()));
}

#[test]
fn a_user_without_the_permission_may_not_ask() {
    let broker = broker(2);
    let mut few = User::enter(&broker, "few");
    few.publish("$SYS.REQ.ACCOUNT.PING.CONNZ", "_INBOX.x", "", "");
    few.wire
        .expect("-ERR 'Permissions Violation for Publish to \"$SYS.REQ.ACCOUNT.PING.CONNZ\"'\r\n");
}

#[test]
fn one_client_is_told_to_leave_and_closed() {
    for shards in [1, 3] {
        let broker = broker(shards);
        let mut asker = User::enter(&broker, "sys");
        let clients: Vec<User> = (0..6).map(|_| User::enter(&broker, "a")).collect();
        let service = |word: &str| format!("$SYS.REQ.SERVER.{}.{word}", asker.server());
        let (kick, leave) = (service("KICK"), service("LDM"));
        for mut client in clients {
            let options = format!("{{\"cid\":{}}}", client.number());
            let answer = asker.ask(&leave, &options).json();
            assert_eq!(envelope(&answer), named(&[]), "{answer}");
            let line = client.wire.line();
            let told = line.strip_prefix("INFO ").expect("an INFO");
            let told: Value = serde_json::from_str(told).expect("JSON");
            assert_eq!(told["ldm"], true);
            let answer = asker.ask(&kick, &options).json();
            assert_eq!(envelope(&answer), named(&[]), "{answer}");
            assert_eq!(client.wire.rest(), b"");
            let answer = asker.ask(&kick, &options).json();
            assert_eq!(envelope(&answer), named(&["error"]));
        }
        let answer = asker.ask(&kick, "{\"cid\":99999}").json();
        assert_eq!(answer["error"]["description"], "no such client or leafnode id");
        assert_eq!(answer["error"]["code"], 500);
        let answer = asker.ask(&leave, "{}").json();
        assert_eq!(answer["error"]["description"], "no such client id");
        // What makes no sense is not answered.
        asker.subscribe("answer");
        asker.publish(&kick, "answer", "", "{\"cid\":\"x\"}");
        asker.publish(&kick, "answer", "", "nonsense");
        asker.publish(&kick, "", "", &format!("{{\"cid\":{}}}", asker.number()));
        asker.publish("$SYS.REQ.SERVER.PING.IDZ", "answer", "", "");
        assert_eq!(asker.hear().json()["name"], "here");
    }
}

#[test]
fn a_reload_says_how_it_went() {
    let file = scratch("reload.conf");
    let text = |more: &str| {
        let accounts = "accounts { SYS { users: [ { user: sys, password: sys } ] } }";
        format!("{accounts}\nsystem_account: SYS\n{more}\n")
    };
    std::fs::write(&file, text("")).expect("the build directory is writable");
    let path = file.to_str().expect("a plain path").to_owned();
    let broker = Settings::default().shards(2).arguments(&["-c", &path]).start();
    let mut asker = User::enter(&broker, "sys");
    let subject = format!("$SYS.REQ.SERVER.{}.RELOAD", asker.server());
    let answer = asker.ask(&subject, "").json();
    assert_eq!(envelope(&answer), named(&[]), "{answer}");
    std::fs::write(&file, text("max_payload: 12345")).expect("a file of ours");
    let answer = asker.ask(&subject, "").json();
    assert_eq!(envelope(&answer), named(&[]), "{answer}");
    let answer = asker.ask("$SYS.REQ.SERVER.PING.VARZ", "").json();
    assert_eq!(answer["data"]["max_payload"], 12345);
    std::fs::write(&file, text("no such thing {")).expect("a file of ours");
    let answer = asker.ask(&subject, "").json();
    assert_eq!(envelope(&answer), named(&["error"]), "{answer}");
    assert_eq!(answer["error"]["code"], 500);
    asker.wire.fence("");
}

#[test]
fn accounts_connections_are_told_and_counted() {
    let broker = broker(3);
    let mut asker = User::enter(&broker, "sys");
    let mut all = vec![User::enter(&broker, "a")];
    asker.subscribe("$SYS.ACCOUNT.A.SERVER.CONNS");
    all.extend((0..9).map(|_| User::enter(&broker, "a")));
    let flow = |name: &str| {
        ["", "gateways.", "leafs.", "routes."]
            .into_iter()
            .flat_map(move |by| ["bytes", "msgs"].map(|what| format!("{by}{what}: number")))
            .map(|member| format!("{name}.{member}"))
            .collect::<Vec<_>>()
    };
    let mut expected = members(&[
        "acc: text",
        "conns: number",
        "id: text",
        "leafnodes: number",
        "name: text",
        "num_subscriptions: number",
        "slow_consumers: number",
        "timestamp: text",
        "total_conns: number",
        "type: text",
    ]);
    expected.extend(flow("sent"));
    expected.extend(flow("received"));
    loop {
        let event = asker.hear().json();
        assert_eq!(shape(&event), expected);
        if event["conns"] == 10 {
            break;
        }
    }
    asker.wire.send("UNSUB 1\r\n");
    drop(all);
    let mut last = User::enter(&broker, "a");
    last.wire.fence("");
    let mut asker = User::enter(&broker, "sys");
    // Those who left are seen to have done so, soon.
    loop {
        let answer = asker.ask("$SYS.REQ.ACCOUNT.A.CONNS", "").json();
        assert_eq!(shape(&answer), expected);
        if answer["conns"] == 1 {
            break;
        }
    }
}

#[test]
fn subscribers_are_counted_over_all_shards() {
    let broker = broker(3);
    let clients: Vec<User> = (0..12)
        .map(|n| {
            let mut client = User::enter(&broker, "a");
            client.subscribe("one.two");
            if n < 4 {
                client.wire.send("SUB one.* workers 77\r\n");
                client.wire.fence("");
            }
            client
        })
        .collect();
    let mut asker = User::enter(&broker, "a");
    if kind() == Kind::Reference {
        let heard = asker.ask("$SYS.DEBUG.SUBSCRIBERS", "one.two");
        assert!(heard.headers.starts_with("NATS/1.0 503"));
        return;
    }
    for (pattern, count) in [
        ("one.two", "16"),
        ("one.two workers", "4"),
        ("one.three", "4"),
        ("one.>", "16"),
        ("one.> others", "0"),
        ("two", "0"),
        ("", "0"),
        ("..bad", "0"),
    ] {
        let heard = asker.ask("$SYS.DEBUG.SUBSCRIBERS", pattern);
        assert_eq!(heard.payload, count.as_bytes(), "{pattern}");
    }
    let heard = User::enter(&broker, "b").ask("$SYS.DEBUG.SUBSCRIBERS", "one.two");
    assert_eq!(heard.payload, b"0");
    drop(clients);
}

/// Requests of one tenant in numbers: all come to an end, and the operator is served.
#[test]
fn a_flood_of_requests_is_answered_or_turned_down() {
    if kind() == Kind::Reference {
        return;
    }
    let broker = broker(2);
    let mut tenant = User::enter(&broker, "b");
    tenant.subscribe("answers");
    let count = 3_000;
    for _ in 0..count {
        tenant.publish("$SYS.REQ.ACCOUNT.PING.CONNZ", "answers", "", "");
    }
    let mut asker = User::enter(&broker, "sys");
    assert_eq!(asker.ask("$SYS.REQ.SERVER.PING.IDZ", "").json()["name"], "here");
    let (mut answered, mut refused) = (0, 0);
    for _ in 0..count {
        let answer = tenant.hear().json();
        match answer.get("error") {
            None => answered += 1,
            Some(error) => {
                assert_eq!(error["code"], 503);
                refused += 1;
            }
        }
    }
    assert!(answered >= 4, "{answered} answered, {refused} refused");
    // When they are over there is room again.
    let answer = tenant.ask("$SYS.REQ.ACCOUNT.PING.CONNZ", "").json();
    assert!(answer.get("data").is_some(), "{answer}");
}
