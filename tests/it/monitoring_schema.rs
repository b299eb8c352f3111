//! Every endpoint beside that of a real nats-server under the same load: the paths and the types of
//! all members of the JSON.
//!
//! Absent: values, but where they say whether the load was seen. What differs stands in one table,
//! each with its reason; what is not in the table, or is there and does not differ, fails.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value;

use crate::broker::binary;
use crate::monitored::Monitored;
use crate::parity::server::reference;
use crate::secure::{self, Offer};
use crate::system::shape;
use crate::wire::Connection;

const CONFIG: &str = r#"
http: "127.0.0.1:-1"
server_tags: ["zone:a"]
server_metadata: { rack: "12" }
accounts {
  A {
    users: [ { user: a, password: a } ]
    exports: [
      { stream: "s.>", accounts: [B] }
      { service: "svc.a", latency: { sampling: "50%", subject: lat.a } }
    ]
    mappings: { "m.in": "m.out" }
  }
  B {
    users: [ { user: b, password: b } ]
    imports: [
      { stream: { account: A, subject: "s.>" }, prefix: from }
      { service: { account: A, subject: svc.a }, to: my.svc, share: true }
    ]
  }
}
"#;

/// Endpoints with their queries.
const ENDPOINTS: &[&str] = &[
    "/varz",
    "/connz",
    "/connz?auth=1&subs=1",
    "/connz?auth=1&subs=detail&sort=subs",
    "/connz?state=closed&auth=1&subs=detail",
    "/connz?state=all&sort=bytes_to&limit=2&offset=1",
    "/connz?acc=A&filter_subject=p.*",
    "/connz?acc=nobody",
    "/connz?cid=1000000",
    "/subsz",
    "/subsz?subs=1",
    "/subsz?subs=1&test=p.q&acc=A",
    "/subscriptionsz?acc=nobody&subs=1",
    "/accountz",
    "/accountz?acc=A",
    "/accountz?acc=B",
    "/accstatz",
    "/accstatz?unused=1",
    "/routez",
    "/gatewayz",
    "/leafz",
    "/jsz",
    "/healthz",
];

/// What differs: the endpoint, the member, and why.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    ("/varz", "- git_commit: text", "a build of Fanfare names its version only"),
    ("/varz", "- feature_flags.js_ack_fc_v2: bool", "a switch of JetStream"),
    ("/varz", "- feature_flags.js_raft_delete_range: bool", "a switch of JetStream"),
    (
        "/accountz?acc=B",
        "- imports[].latency.results: text",
        "whether the exporter samples a service is told with the export",
    ),
    (
        "/accountz?acc=B",
        "- imports[].latency.sampling: number",
        "whether the exporter samples a service is told with the export",
    ),
];

/// The same load for both: clients with subscriptions and traffic, one of which leaves.
fn load(server: &Monitored) -> Vec<Connection> {
    let enter = |user: &str| {
        let mut client = server.broker.connect();
        client.send(format!(
            "CONNECT {{\"verbose\":false,\"user\":\"{user}\",\"pass\":\"{user}\",\
             \"name\":\"n-{user}\",\"lang\":\"test\",\"version\":\"1.2.3\"}}\r\n"
        ));
        client.fence("");
        client
    };
    let (mut a, mut b, mut leaves) = (enter("a"), enter("b"), enter("a"));
    a.send("SUB p.q 1\r\nSUB p.> group 2\r\nSUB m.out 3\r\nUNSUB 3 9\r\n");
    a.fence("");
    leaves.send("SUB p.* 1\r\n");
    leaves.fence("");
    b.send("SUB from.> 1\r\n");
    b.fence("");
    a.send("PUB p.q 2\r\nhi\r\nPUB s.t 2\r\nhi\r\nPUB m.in 2\r\nhi\r\n");
    let seen =
        server.until("/connz?sort=msgs_from", |connz| connz["connections"][0]["in_msgs"] == 3);
    assert_eq!(seen["num_connections"], 3);
    drop(leaves);
    server.until("/connz?state=closed", |connz| connz["num_connections"] == 1);
    vec![a, b]
}

/// Members of an answer, without what depends on names.
fn members(json: &Value) -> BTreeSet<String> {
    let is_own = |member: &String| !member.starts_with("http_req_stats");
    shape(json).into_iter().filter(is_own).collect()
}

/// Imports of the system account are nobody's in Fanfare, and hide what is the same otherwise.
fn without_system_imports(json: &mut Value) {
    let imports = json.pointer_mut("/account_detail/imports");
    if let Some(imports) = imports.and_then(Value::as_array_mut) {
        imports.retain(|import| import["account"] != "$SYS");
        if imports.is_empty() {
            let detail = json["account_detail"].as_object_mut().expect("an object");
            detail.remove("imports");
        }
    }
}

#[test]
fn every_endpoint_has_the_members_of_nats_server() {
    let (ours, theirs) =
        (Monitored::start(&binary(), CONFIG), Monitored::start(&reference(), CONFIG));
    let clients = (load(&ours), load(&theirs));
    let mut told = String::new();
    for endpoint in ENDPOINTS {
        let (mut our, mut their) = (ours.json(endpoint), theirs.json(endpoint));
        without_system_imports(&mut our);
        without_system_imports(&mut their);
        let (our, their) = (members(&our), members(&their));
        let mut found = BTreeSet::new();
        found.extend(their.difference(&our).map(|member| format!("- {member}")));
        found.extend(our.difference(&their).map(|member| format!("+ {member}")));
        let known = DIFFERENCES.iter().filter(|(of, ..)| of == endpoint);
        let known: BTreeSet<String> = known
            .map(|(_, what, _)| what.replace("imports[]", "account_detail.imports[]"))
            .collect();
        let differs = found != known;
        if differs {
            let _ = writeln!(told, "{endpoint}: found {found:#?}, known {known:#?}");
        }
        println!("{endpoint}: {} members, {} differ", their.len(), found.len());
    }
    assert!(told.is_empty(), "{told}");
    drop(clients);
}

#[test]
fn what_browsers_and_certificates_bring_is_told_alike() {
    let config = format!(
        "http: \"127.0.0.1:-1\"\n{}websocket {{ host: \"127.0.0.1\", port: -1, no_tls: true, \
         same_origin: true, allowed_origins: [\"http://a.example:81\"], compression: true, \
         handshake_timeout: \"3s\", advertise: \"x.example:1\" }}\n",
        secure::tls(&format!("ca_file: \"{}\", verify: true", secure::file("ca.pem")))
    );
    let told = [binary(), reference()].map(|program| {
        let server = Monitored::start(&program, &config);
        let offer = Offer { certificate: Some("alice"), ..Offer::default() };
        let mut client = offer.connect(server.broker.address()).expect("a handshake");
        client.connect();
        client.fence();
        let varz = server.json("/varz");
        let connz = server.json("/connz?auth=1");
        let row = &connz["connections"][0];
        // Which of the suites that both offer is taken is each server's own affair.
        assert!(row["tls_cipher_suite"].as_str().is_some_and(|suite| suite.starts_with("TLS_")));
        let facts = ["tls_version", "tls_peer_certs"].map(|key| row[key].clone());
        let mut websocket = varz["websocket"].clone();
        assert!(websocket["port"].take().is_i64());
        (facts, varz["tls_cert_not_after"].clone(), websocket, varz["tls_verify"].clone())
    });
    assert_eq!(told[0], told[1]);
    assert!(told[0].1.is_string() && told[0].0[1].is_array(), "{told:?}");
}

#[test]
fn values_that_both_know_are_the_same() {
    let config = "http: \"127.0.0.1:-1\"\nauthorization { user: a, password: a }\n";
    let (ours, theirs) =
        (Monitored::start(&binary(), config), Monitored::start(&reference(), config));
    for path in ["/varz", "/jsz", "/connz"] {
        let (our, their) = (ours.json(path), theirs.json(path));
        let own = [
            "server_id",
            "server_name",
            "go",
            "git_commit",
            "port",
            "start",
            "now",
            "uptime",
            "mem",
            "cpu",
            "cores",
            "gomaxprocs",
            "subscriptions",
            "config_load_time",
            "config_digest",
            "feature_flags",
        ];
        for (key, value) in their.as_object().expect("an object") {
            if !own.contains(&&**key) {
                assert_eq!(our.get(key), Some(value), "{path} {key}");
            }
        }
    }
}
