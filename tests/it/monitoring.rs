//! The monitoring port over real sockets: what is asked for oddly, slowly, too often or without
//! leave.
//!
//! Absent: the members of answers (`monitoring_schema`) and the exposition for Prometheus
//! (`monitoring_metrics`).

use serde_json::Value;

use crate::broker::{Settings, binary, scratch};
use crate::monitored::{Monitored, answer_of};
use crate::parity::server::reference;
use crate::secure;
use crate::wire::Connection;

const CONFIG: &str = "http: \"127.0.0.1:-1\"\n";

fn fanfare() -> Monitored {
    Monitored::start(&binary(), CONFIG)
}

/// Numbers of the connections that are shown.
fn numbers(connz: &Value) -> Vec<u64> {
    let rows = connz["connections"].as_array().expect("a list").iter();
    rows.map(|row| row["cid"].as_u64().expect("a number")).collect()
}

#[test]
fn odd_queries_are_refused_in_the_words_of_nats_server() {
    let (ours, theirs) = (fanfare(), Monitored::start(&reference(), CONFIG));
    for path in [
        "/connz?limit=abc",
        "/connz?limit=99999999999999999999",
        "/connz?offset=1.5",
        "/connz?offset=-",
        "/connz?cid=-1",
        "/connz?cid=+1",
        "/connz?cid=18446744073709551616",
        "/connz?auth=maybe",
        "/connz?subs=some",
        "/connz?state=ajar",
        "/connz?sort=colour",
        "/connz?sort=stop",
        "/connz?sort=reason",
        "/connz?auth=x&limit=y",
        "/subsz?subs=maybe",
        "/subsz?limit=x",
        "/subsz?test=a.*",
        "/subsz?test=a..b",
        "/accountz?acc=nobody",
        "/accstatz?unused=x",
        "/healthz?details=x",
        "/nothing",
        "/varz/x",
        "/gatewayz?accs=x",
        "/leafz?subs=x",
        "/jsz?config=x",
    ] {
        let (our, their) = (ours.get(path), theirs.get(path));
        assert_eq!((our.status, &our.body), (their.status, &their.body), "{path}");
    }
}

#[test]
fn offsets_and_limits_of_any_size_are_answered() {
    let server = fanfare();
    let clients: Vec<Connection> = (0..5).map(|_| server.broker.client()).collect();
    server.until("/connz", |connz| connz["num_connections"] == 5);
    for number in ["9223372036854775807", "9223372036854775806", "-9223372036854775808", "-1"] {
        for (name, other) in [("offset", "limit"), ("limit", "offset")] {
            for path in ["/connz", "/subsz"] {
                for rest in ["", "&subs=1", "&state=all&subs=1"] {
                    let query = format!("{path}?{name}={number}&{other}=9223372036854775807{rest}");
                    server.json(&query);
                }
            }
        }
    }
    assert_eq!(numbers(&server.json("/connz?offset=-1&limit=-1")).len(), 5);
    drop(clients);
}

#[test]
fn connections_are_sorted_paged_and_filtered() {
    let server = fanfare();
    let clients: Vec<Connection> = (0..20)
        .map(|n| {
            let mut client = server.broker.connect();
            let name = format!("{{\"verbose\":false,\"name\":\"c{n}\"}}");
            client.send(format!("CONNECT {name}\r\n"));
            for sid in 0..n {
                client.send(format!("SUB t.{sid} {sid}\r\n"));
            }
            client.fence("");
            client
        })
        .collect();
    let all = numbers(&server.json("/connz"));
    assert_eq!(all, (1..=20).collect::<Vec<u64>>());
    assert_eq!(numbers(&server.json("/connz?limit=3&offset=4")), [5, 6, 7]);
    assert_eq!(numbers(&server.json("/connz?sort=subs&limit=3")), [20, 19, 18]);
    assert_eq!(numbers(&server.json("/connz?sort=uptime&limit=2")), [20, 19]);
    assert_eq!(numbers(&server.json("/connz?cid=7")), [7]);
    assert_eq!(server.json("/connz?cid=7")["connections"][0]["name"], "c6");
    assert_eq!(numbers(&server.json("/connz?cid=700")), Vec::<u64>::new());
    let some = server.json("/connz?acc=$G&filter_subject=t.17");
    assert_eq!(numbers(&some), [19, 20]);
    let subsz = server.json("/subsz?subs=1&limit=10&offset=185");
    assert_eq!(subsz["total"], 190);
    assert_eq!(subsz["subscriptions_list"].as_array().map(Vec::len), Some(5));
    let test = server.json("/subsz?subs=1&test=t.17");
    assert_eq!((&test["total"], &test["num_subscriptions"]), (&2.into(), &190.into()));
    // Pages of all rows are all rows, each once.
    let mut seen: Vec<u64> = Vec::new();
    for offset in (0..20).step_by(3) {
        seen.extend(numbers(&server.json(&format!("/connz?sort=subs&limit=3&offset={offset}"))));
    }
    assert_eq!(seen, (1..=20).rev().collect::<Vec<u64>>());
    drop(clients);
}

#[test]
fn all_of_many_subscriptions_are_listed() {
    let server = fanfare();
    let mut client = server.broker.client();
    for sid in 0..5000 {
        client.send(format!("SUB many.{sid} {sid}\r\n"));
    }
    client.fence("");
    let connz = server.json("/connz?subs=1");
    let listed = connz["connections"][0]["subscriptions_list"].as_array().expect("a list").clone();
    let expected: Vec<Value> = (0..5000).map(|sid| format!("many.{sid}").into()).collect();
    assert_eq!(listed, expected);
    assert_eq!(numbers(&connz), [1]);
}

#[test]
fn the_last_who_left_are_known_by_their_reasons() {
    let config = format!("{CONFIG}max_closed_clients: 300\nmax_payload: 1000\n");
    let server = Monitored::start(&binary(), &config);
    for _ in 0..400 {
        let mut client = server.broker.client();
        client.fence("");
    }
    let mut loud = server.broker.client();
    loud.send("SUB a 1\r\nPUB a 1001\r\n");
    assert!(String::from_utf8_lossy(&loud.rest()).contains("Maximum Payload"));
    let mut rude = server.broker.client();
    rude.send("NONSENSE\r\n");
    assert!(String::from_utf8_lossy(&rude.rest()).contains("Unknown Protocol"));
    let last = "/connz?state=closed&sort=stop&limit=2&subs=1";
    let connz = server.until(last, |connz| {
        connz["connections"][0]["reason"] == "Protocol Violation"
            && connz["connections"][1]["reason"] == "Maximum Message Payload Exceeded"
    });
    assert_eq!(numbers(&connz), [402, 401]);
    assert_eq!(connz["connections"][1]["subscriptions_list"], serde_json::json!(["a"]));
    let closed = server.json("/connz?state=closed");
    let total = closed["total"].as_u64().expect("a number");
    assert!((50..=300).contains(&total), "{total}");
    let by_reason = server.json("/connz?state=closed&sort=reason&limit=1");
    assert_eq!(by_reason["connections"][0]["reason"], "Client Closed");
    assert_eq!(server.json("/connz?state=all&cid=402")["connections"][0]["cid"], 402);
}

#[test]
fn garbage_is_refused_and_hurts_nobody() {
    let server = fanfare();
    for request in [
        "\r\n\r\n\u{1}",
        "GET\r\n\r\n",
        "GET /varz HTTP/9.9\r\n\r\n",
        "GET /varz HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n",
        "GET /varz HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
        "GET /varz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "CONNECT {}\r\nPING\r\n",
    ] {
        let answer = server.ask(request);
        assert_eq!(
            (answer.status, answer.header("Connection")),
            (400, Some("close")),
            "{request:?}"
        );
    }
    let long = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "x".repeat(40_000));
    assert_eq!(server.ask(&long).status, 400);
    let many = format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "a: b\r\n".repeat(100));
    assert_eq!(server.ask(&many).status, 400);
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
        let rest = "Host: h\r\nConnection: close\r\n\r\n";
        let answer = server.ask(&format!("{method} /varz HTTP/1.1\r\n{rest}"));
        assert_eq!((answer.status, answer.header("Allow")), (405, Some("GET, HEAD")), "{method}");
    }
    assert_eq!(server.get("/healthz").body, "{\"status\":\"ok\"}");
}

#[test]
fn a_connection_serves_many_requests_even_sent_at_once() {
    let server = fanfare();
    let mut connection = server.open();
    connection.send("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n".repeat(50));
    for _ in 0..50 {
        assert_eq!(answer_of(&mut connection).body, "{\"status\":\"ok\"}");
    }
    connection.send("HEAD /varz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    let head = String::from_utf8(connection.rest()).expect("a text");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    assert!(length.and_then(|length| length.parse::<usize>().ok()) > Some(1000), "{head}");
}

#[test]
fn who_is_slow_is_dropped_and_holds_nobody_up() {
    let server = fanfare();
    let mut slow = server.open();
    slow.send("GET /varz HT");
    let mut silent = server.open();
    assert_eq!(server.get("/healthz").status, 200);
    assert!(String::from_utf8_lossy(&slow.rest()).is_empty());
    assert!(silent.rest().is_empty());
}

#[test]
fn there_are_only_so_many_connections() {
    let server = fanfare();
    let mut crowd: Vec<Connection> = (0..200).map(|_| server.open()).collect();
    let mut turned_away = 0;
    for connection in &mut crowd {
        connection.send("GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        turned_away += usize::from(connection.rest().is_empty());
    }
    assert!((50..=150).contains(&turned_away), "{turned_away}");
    drop(crowd);
    server.broker.client().fence("");
}

#[test]
fn who_keeps_connections_and_asks_nothing_makes_room() {
    let auth = "http_auth { token: \"s3cret\" }\n";
    let server = Monitored::start(&binary(), &format!("{CONFIG}{auth}"));
    let mut crowd: Vec<Connection> = (0..128).map(|_| server.open()).collect();
    for connection in &mut crowd {
        connection.send("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(answer_of(connection).status, 200);
    }
    for _ in 0..20 {
        assert_eq!(server.get("/healthz").status, 200);
    }
    let mut last = crowd.pop().expect("a connection");
    last.send("GET /varz HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(answer_of(&mut last).status, 401);
    assert!(last.rest().is_empty() && last.ended());
    let shown = "Authorization: Bearer s3cret\r\nConnection: close\r\n\r\n";
    let ask = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: h\r\n{shown}");
    assert_eq!(server.ask(&ask("/varz?callback=it")).status, 400);
    assert_eq!(server.ask(&ask("http://h/varz")).status, 200);
}

#[test]
fn a_storm_of_questions_is_answered_while_messages_flow() {
    let server = fanfare();
    let clients: Vec<Connection> = (0..50).map(|_| server.broker.client()).collect();
    let mut reader = server.broker.client();
    reader.send("SUB a 1\r\n");
    reader.fence("");
    let mut writer = server.broker.client();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    let connz = server.json("/connz?state=all&subs=detail&auth=1");
                    assert!(connz["num_connections"].as_u64() >= Some(50));
                }
            });
        }
        for _ in 0..500 {
            writer.send("PUB a 2\r\nhi\r\n");
            writer.fence("");
            reader.expect("MSG a 1 2\r\nhi\r\n");
        }
    });
    drop(clients);
}

#[test]
fn paths_may_have_a_common_beginning() {
    let server = Monitored::start(&binary(), &format!("{CONFIG}http_base_path: \"/nats/\"\n"));
    assert_eq!(server.json("/nats/varz")["http_base_path"], "/nats");
    assert_eq!(server.get("/nats/").status, 200);
    assert_eq!(server.get("/nats").status, 200);
    assert_eq!(server.get("/varz").status, 404);
    assert_eq!(server.get("/natsvarz").status, 404);
}

#[test]
fn who_has_no_leave_sees_nothing_but_health() {
    let ask = |server: &Monitored, path: &str, shown: &str| {
        let shown = format!("Authorization: {shown}\r\nConnection: close\r\n\r\n");
        server.ask(&format!("GET {path} HTTP/1.1\r\nHost: h\r\n{shown}")).status
    };
    let basic = "http_auth { user: ops, password: hunter2 }\n";
    let server = Monitored::start(&binary(), &format!("{CONFIG}{basic}"));
    for path in ["/", "/varz", "/connz", "/metrics", "/statusz"] {
        let answer = server.get(path);
        assert_eq!(answer.status, 401, "{path}");
        assert!(answer.header("WWW-Authenticate").is_some());
        // ops:hunter2, ops:hunter3, nobody:hunter2 and no base64 at all.
        assert_eq!(ask(&server, path, "Basic b3BzOmh1bnRlcjI="), 200, "{path}");
        assert_eq!(ask(&server, path, "Basic b3BzOmh1bnRlcjM="), 401, "{path}");
        assert_eq!(ask(&server, path, "Basic bm9ib2R5Omh1bnRlcjI="), 401, "{path}");
        assert_eq!(ask(&server, path, "Basic hunter2"), 401, "{path}");
        assert_eq!(ask(&server, path, "Bearer hunter2"), 401, "{path}");
    }
    assert_eq!(server.get("/healthz").status, 200);
    let token = "http_auth { token: \"s3cret\" }\n";
    let server = Monitored::start(&binary(), &format!("{CONFIG}{token}"));
    assert_eq!(ask(&server, "/varz", "Bearer s3cret"), 200);
    assert_eq!(ask(&server, "/varz", "bearer s3cret"), 200);
    assert_eq!(ask(&server, "/varz", "Bearer s3cre"), 401);
    assert_eq!(ask(&server, "/varz", "s3cret"), 401);
    let shown = "Authorization: Bearer s3cret\r\nConnection: close\r\n\r\n";
    let varz = server.ask(&format!("GET /varz HTTP/1.1\r\nHost: h\r\n{shown}"));
    assert!(!varz.body.contains("s3cret"));
}

#[test]
fn no_answer_shows_a_credential() {
    let config = format!(
        "{CONFIG}accounts {{ A {{ users: [ {{ user: a, password: hunter2 }} ] }} }}\n\
         http_auth {{ token: hunter3 }}\n"
    );
    let server = Monitored::start(&binary(), &config);
    let mut client = server.broker.connect();
    client.send("CONNECT {\"verbose\":false,\"user\":\"a\",\"pass\":\"hunter2\"}\r\n");
    client.fence("");
    for path in [
        "/varz",
        "/connz?auth=1&subs=detail",
        "/connz?auth=1&state=closed",
        "/accountz?acc=A",
        "/accstatz?unused=1",
        "/subsz?subs=1",
        "/statusz",
        "/metrics",
        "/",
    ] {
        let answer = server.ask(&format!(
            "GET {path} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer hunter3\r\n\
             Connection: close\r\n\r\n"
        ));
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.body.contains("hunter"), "{path}: {}", answer.body);
    }
    assert!(!server.broker.log().so_far().contains("hunter"));
}

#[test]
fn a_function_may_be_called_back_and_nothing_else() {
    let server = fanfare();
    let answer = server.get("/varz?callback=show.it_1$");
    assert!(answer.body.starts_with("show.it_1$({") && answer.body.ends_with("})"));
    assert_eq!(answer.header("Content-Type"), Some("application/javascript"));
    assert_eq!(server.get("/varz?callback=alert(1)//").status, 400);
    assert_eq!(server.get("/varz?callback=%3Cscript%3E").status, 400);
    let answer = server.get("/varz");
    assert_eq!(answer.header("Access-Control-Allow-Origin"), Some("*"));
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
}

#[test]
fn the_port_speaks_tls_where_asked() {
    let config = format!("https: \"127.0.0.1:-1\"\n{}", secure::tls("verify: false"));
    let server = Monitored::start(&binary(), &config);
    let stream = secure::opened(server.http);
    let shaken = secure::Secure::shake(stream, secure::Offer::default().config(), "localhost");
    let mut asker = shaken.expect("a handshake");
    asker.send("GET /varz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    let answer = String::from_utf8(asker.rest()).expect("a text");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\"tls_required\": true"), "{answer}");
    let mut plain = server.open();
    plain.send("GET /varz HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(!String::from_utf8_lossy(&plain.rest()).contains("200 OK"));
}

#[test]
fn ports_that_contradict_each_other_are_refused() {
    for (text, why) in [
        ("http: 1\nhttps: 2\n", "can't specify both HTTP (1) and HTTPs (2) ports"),
        ("https: 2\n", "TLS cert and key required for HTTPS"),
        ("http_auth {}\n", "http_auth needs a user and a password, or a token"),
    ] {
        let file = scratch("both.conf");
        std::fs::write(&file, text).expect("the build directory is writable");
        let file = file.to_str().expect("a plain path");
        let (status, told) = Settings::default().arguments(&["-c", file]).refused();
        assert!(!status.success() && told.contains(why), "{told}");
    }
}

#[test]
fn status_is_told_of_every_shard() {
    let server = fanfare();
    let mut client = server.broker.client();
    client.send("SUB a 1\r\n");
    client.fence("");
    for _ in 0..100 {
        client.send("PUB a 2\r\nhi\r\n");
        client.expect("MSG a 1 2\r\nhi\r\n");
    }
    let status = server.until("/statusz", |status| status["latency"]["count"] == 100);
    assert_eq!(status["total"]["in_msgs"], 100);
    assert_eq!(status["listeners"][0]["connections"], 1);
    assert_eq!(status["accounts"][0]["name"], "$G");
    let shards = status["shards"].as_array().expect("a list");
    assert!(shards.iter().any(|shard| shard["turns"]["count"].as_u64() > Some(50)));
    let sum: u64 = shards.iter().filter_map(|shard| shard["connections"].as_u64()).sum();
    assert_eq!(sum, 1);
}
