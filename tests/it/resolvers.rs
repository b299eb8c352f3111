//! Accounts that are not in the configuration: from a web server, and from a directory.
//!
//! Absent: what nats-server says to the same clients (`parity_scenarios`).

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use data_encoding::BASE64URL_NOPAD;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::broker::{Broker, Settings, scratch};
use crate::parity::fixture::{Fixtures, account_key, user_key};
use crate::wire::Connection;

/// An operator, its accounts, and a user of each.
fn fixtures() -> Fixtures {
    let mut fixtures = Fixtures::default();
    for line in [
        "operator O by O",
        "account A by O",
        "account B by O",
        "account FORGED by X",
        "user alice by A",
        "user bob by B",
        "user lost by UNKNOWN",
        "user forged by FORGED",
    ] {
        fixtures.add_jwt(line).unwrap();
    }
    fixtures
}

/// A broker with this configuration.
fn broker(text: &str) -> Broker {
    let path = scratch("resolver.conf");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    Settings::default().shards(2).arguments(&["-c", path]).start()
}

/// A user that has said CONNECT and PING, with a right signature.
fn enter(broker: &Broker, fixtures: &Fixtures, user: &str) -> Connection {
    let mut connection = Connection::open(broker.address());
    let greeting = connection.line();
    let info: Value = serde_json::from_str(greeting.strip_prefix("INFO ").unwrap()).unwrap();
    let nonce = info["nonce"].as_str().unwrap();
    let signature = BASE64URL_NOPAD.encode(&user_key(user).sign(nonce.as_bytes()).unwrap());
    let connect = json!({"verbose": false, "protocol": 0, "jwt": fixtures.jwt(user).unwrap(),
        "sig": signature});
    connection.send(format!("CONNECT {connect}\r\nPING\r\n"));
    connection
}

/// What a user is told first.
fn answer(mut connection: Connection) -> String {
    connection.line().trim_end().to_owned()
}

/// Serves accounts' JWTs by path, and counts who is asked for.
fn serve(files: BTreeMap<String, String>) -> (u16, Arc<Mutex<BTreeMap<String, usize>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
    let counts = Arc::clone(&asked);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut question = Vec::new();
            let mut byte = [0];
            while !question.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                question.push(byte[0]);
            }
            let question = String::from_utf8_lossy(&question).into_owned();
            let path = question.split(' ').nth(1).unwrap_or_default().to_owned();
            *counts.lock().unwrap().entry(path.clone()).or_default() += 1;
            let text = match files.get(&path) {
                Some(text) => {
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len())
                }
                None => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
            };
            // Who asked may have had enough.
            let _ = stream.write_all(text.as_bytes());
        }
    });
    (port, asked)
}

#[test]
fn accounts_are_fetched_from_a_web_server_once_for_all_who_wait() {
    let fixtures = fixtures();
    let path = |name: &str| format!("/jwt/v1/accounts/{}", account_key(name).public_key());
    let names = ["A", "B", "FORGED"];
    let text = |name: &str| fixtures.jwt(name).unwrap().to_owned();
    let (port, asked) = serve(names.iter().map(|name| (path(name), text(name))).collect());
    let broker = broker(&format!(
        "operator: {}\nresolver: URL(http://127.0.0.1:{port}/jwt/v1/accounts/)\n",
        text("O")
    ));
    let crowd: Vec<Connection> = (0..6).map(|_| enter(&broker, &fixtures, "alice")).collect();
    for connection in crowd {
        assert_eq!(answer(connection), "PONG");
    }
    assert_eq!(answer(enter(&broker, &fixtures, "bob")), "PONG");
    assert_eq!(answer(enter(&broker, &fixtures, "alice")), "PONG");
    for user in ["lost", "forged"] {
        let said = answer(enter(&broker, &fixtures, user));
        assert_eq!(said, "-ERR 'Authorization Violation'");
    }
    let asked = asked.lock().unwrap();
    assert_eq!((asked[&path("A")], asked[&path("B")]), (1, 1));
}

#[test]
fn accounts_are_read_from_a_directory_at_the_start_and_at_a_reload() {
    let fixtures = fixtures();
    let directory = scratch("accounts");
    fs::create_dir(&directory).unwrap();
    let file = |name: &str| directory.join(format!("{}.jwt", account_key(name).public_key()));
    let write = |name: &str, path: &Path| fs::write(path, fixtures.jwt(name).unwrap()).unwrap();
    write("A", &file("A"));
    write("FORGED", &file("FORGED"));
    let broker = broker(&format!(
        "operator: {}\nsystem_account: {}\nresolver: {{ type: full, dir: {:?} }}\n",
        fixtures.jwt("O").unwrap(),
        account_key("S").public_key(),
        directory.to_str().unwrap(),
    ));
    broker.log().find("not signed by a trusted operator").unwrap();
    let refused = "-ERR 'Authorization Violation'";
    let mut alice = enter(&broker, &fixtures, "alice");
    alice.expect("PONG\r\n");
    assert_eq!(answer(enter(&broker, &fixtures, "bob")), refused);
    assert_eq!(answer(enter(&broker, &fixtures, "forged")), refused);
    fs::remove_file(file("A")).unwrap();
    write("B", &file("B"));
    broker.signal(Signal::HUP);
    broker.log().find("Reloaded server configuration").unwrap();
    assert_eq!(answer(enter(&broker, &fixtures, "bob")), "PONG");
    assert_eq!(answer(enter(&broker, &fixtures, "alice")), refused);
    // Whose account is gone goes too.
    assert!(alice.line().starts_with("-ERR"));
}
