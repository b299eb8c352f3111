//! `/metrics` as Prometheus reads it, with the rules and the dashboard that go with it; `promtool`
//! judges.
//!
//! Absent: what a scrape costs, which `benches/scrape` measures.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::broker::binary;
use crate::monitored::Monitored;

const CONFIG: &str = "http: \"127.0.0.1:-1\"\nno_auth_user: a\n\
                      accounts { A { users: [ { user: a, password: a } ] } }\n";

fn contrib(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A broker with a little traffic, and the metrics that it tells then.
fn told(accept: &str) -> (Monitored, String) {
    let server = Monitored::start(&binary(), CONFIG);
    let mut client = server.broker.client();
    client.send("SUB a 1\r\n");
    client.fence("");
    for _ in 0..10 {
        client.send("PUB a 2\r\nhi\r\n");
        client.expect("MSG a 1 2\r\nhi\r\n");
    }
    server.until("/statusz", |status| status["latency"]["count"] == 10);
    let head = format!("Host: h\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
    let answer = server.ask(&format!("GET /metrics HTTP/1.1\r\n{head}"));
    assert_eq!(answer.status, 200);
    (server, answer.body)
}

/// The sum of a metric's rows that begin with some text.
fn sum(text: &str, begin: &str) -> u64 {
    let rows = text.lines().filter(|line| line.starts_with(begin));
    let whole = |line: &str| line.rsplit(' ').next()?.split('.').next()?.parse::<u64>().ok();
    rows.filter_map(whole).sum()
}

fn promtool(arguments: &[&str], input: &str) {
    let mut command = Command::new("promtool");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("promtool, from the system's package prometheus");
    let mut pipe = child.stdin.take().expect("a pipe");
    pipe.write_all(input.as_bytes()).expect("promtool reads");
    drop(pipe);
    let output = child.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn metrics_are_in_order() {
    let (_server, text) = told("text/plain");
    promtool(&["check", "metrics"], &text);
    assert_eq!(sum(&text, "fanfare_messages_received_total"), 10);
    assert_eq!(sum(&text, "fanfare_delivery_latency_seconds_count"), 10);
    assert_eq!(sum(&text, "fanfare_account_messages_sent_total{account=\"A\"}"), 10);
    assert_eq!(sum(&text, "fanfare_listener_connections{listener=\"default\"}"), 1);
    assert!(sum(&text, "fanfare_turn_seconds_count") > 5);
    let longest = |name: &str| {
        let rows = text.lines().filter(|line| line.starts_with(name));
        let seconds = rows.filter_map(|row| row.rsplit_once(' ')?.1.parse::<f64>().ok());
        seconds.fold(0.0, f64::max)
    };
    assert!(longest("fanfare_turn_longest_seconds{") > 0.0);
    // Both are of the same few seconds; the second is told in steps of 64 nanoseconds.
    let lately = longest("fanfare_turn_longest_lately_seconds{");
    assert!(lately <= longest("fanfare_turn_longest_seconds{") && lately > 0.0);
    assert!(sum(&text, "process_resident_memory_bytes") > 1_000_000);
    let buckets = text.lines().filter(|line| {
        line.starts_with("fanfare_delivery_latency_seconds_bucket") && line.contains("+Inf")
    });
    assert!(buckets.count() >= 1);
}

#[test]
fn who_asks_for_openmetrics_gets_it() {
    let (_server, text) = told("application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
    assert!(text.ends_with("# EOF\n"));
    assert!(text.contains("# TYPE fanfare_messages_received counter\n"));
    assert_eq!(sum(&text, "fanfare_messages_received_total"), 10);
}

#[test]
fn rules_are_in_order_and_fire_when_they_should() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/prometheus");
    let file = |name: &str| folder.join(name).to_str().expect("a plain path").to_owned();
    promtool(&["check", "rules", &file("fanfare.rules.yml")], "");
    promtool(&["test", "rules", &file("fanfare.rules.test.yml")], "");
}

/// All names of metrics in a text of queries.
fn named(text: &str) -> BTreeSet<String> {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let words = text.split(|letter: char| !is_word(letter));
    words.filter(|word| word.starts_with("fanfare_")).map(str::to_owned).collect()
}

#[test]
fn rules_and_dashboard_name_metrics_that_exist() {
    let (_server, text) = told("text/plain");
    let known: BTreeSet<&str> =
        text.lines().filter_map(|line| line.split(['{', ' ']).next()).collect();
    let dashboard = contrib("grafana/fanfare.json");
    let json: Value = serde_json::from_str(&dashboard).expect("JSON");
    assert!(json["panels"].as_array().map(Vec::len) > Some(10));
    for (place, text) in [("rules", contrib("prometheus/fanfare.rules.yml")), ("board", dashboard)]
    {
        let names = named(&text);
        assert!(names.len() > 5, "{place}: {names:?}");
        for name in names {
            assert!(known.contains(&*name), "{place}: {name} is no metric");
        }
    }
}
