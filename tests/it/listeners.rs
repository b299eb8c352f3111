//! Several listeners: TCP and Unix, each with what is its own.
//!
//! Absent: TLS and PROXY headers, which have files of their own.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::broker::{Broker, Kind, kind, scratch};
use crate::secure::{configured, file, tls};
use crate::wire::{Connection, DEADLINE};

const LISTENING: &str = "Listening for client connections on ";

/// A path for a Unix socket: these must be short, which the build directory may not be.
fn socket_path() -> PathBuf {
    let name = scratch("s").file_name().expect("a name").to_owned();
    std::env::temp_dir().join(name)
}

/// The places that a broker listens at, in the order of its log.
fn places(broker: &Broker, count: usize) -> Vec<String> {
    let mut places = Vec::new();
    let mut start = 0;
    while places.len() < count {
        let (line, at) = broker.log().find_any(&[LISTENING], start).expect("a place");
        start = at + 1;
        places.push(line.rsplit(LISTENING).next().expect("a place").to_owned());
    }
    places
}

fn connect_unix(path: &Path) -> (UnixStream, String) {
    let stream = UnixStream::connect(path).expect("the broker accepts");
    stream.set_read_timeout(Some(DEADLINE)).expect("a positive timeout");
    let mut greeting = String::new();
    let mut reader = BufReader::new(stream.try_clone().expect("a descriptor"));
    reader.read_line(&mut greeting).expect("a greeting");
    (stream, greeting)
}

#[test]
fn messages_cross_between_listeners() {
    if kind() == Kind::Reference {
        return;
    }
    let path = socket_path();
    let broker = configured(&format!(
        "listeners {{ inner {{ listen: \"127.0.0.1:-1\" }}, near {{ unix: \"{}\", mode: 0600 }} }}",
        path.display()
    ))
    .start();
    let places = places(&broker, 3);
    assert_eq!(places[2], format!("unix:{}", path.display()));
    assert_eq!(fs::metadata(&path).expect("a socket").permissions().mode() & 0o777, 0o600);
    let inner: SocketAddr = places[1].parse().expect("an address");
    assert_ne!(inner.port(), broker.address().port());

    let (mut near, greeting) = connect_unix(&path);
    assert!(!greeting.contains("client_ip"), "{greeting}");
    near.write_all(b"CONNECT {\"verbose\":false}\r\nSUB a 1\r\nPING\r\n").expect("sent");
    let mut reader = BufReader::new(near.try_clone().expect("a descriptor"));
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line");
        line
    };
    assert_eq!(line(), "PONG\r\n");
    let mut other = Connection::open(inner);
    let greeting = other.line();
    assert!(greeting.contains(&format!("\"port\":{}", inner.port())), "{greeting}");
    other.send("CONNECT {\"verbose\":false}\r\nPUB a 2\r\nhi\r\n");
    assert_eq!(line(), "MSG a 1 2\r\n");
    assert_eq!(line(), "hi\r\n");
    near.write_all(b"nonsense\r\n").expect("sent");
    assert_eq!(line(), "-ERR 'Unknown Protocol Operation'\r\n");
    assert_eq!(line(), "", "and the connection ends");
    let mut broker = broker;
    broker.signal(Signal::TERM);
    assert!(broker.ended().success());
    assert!(!path.exists(), "the socket's file goes with the broker");
}

#[test]
fn a_dead_brokers_socket_is_replaced_and_a_live_ones_is_not() {
    if kind() == Kind::Reference {
        return;
    }
    let path = socket_path();
    let text = format!("listeners {{ near {{ unix: \"{}\" }} }}", path.display());
    configured(&text).start().kill();
    assert!(path.exists(), "a killed broker leaves its socket behind");
    let live = configured(&text).start();
    let (_, greeting) = connect_unix(&path);
    assert!(greeting.starts_with("INFO {"), "{greeting}");
    let (status, log) = configured(&text).refused();
    assert!(!status.success());
    let wanted = format!("Error listening at path: {}", path.display());
    assert!(log.contains(&wanted) && log.contains("address already in use"), "{log}");
    drop(live);
    fs::remove_file(&path).expect("the socket of the killed one");

    // What is no socket is nobody's to remove.
    fs::write(&path, "precious").expect("a file");
    let (status, _) = configured(&text).refused();
    assert!(!status.success());
    assert_eq!(fs::read_to_string(&path).expect("still there"), "precious");
    fs::remove_file(&path).expect("our own file");
}

#[test]
fn a_listener_may_have_a_limit_of_its_own() {
    if kind() == Kind::Reference {
        return;
    }
    let text = "listeners { small { listen: \"127.0.0.1:-1\", max_connections: 2 } }";
    let broker = configured(text).start();
    let small: SocketAddr = places(&broker, 2)[1].parse().expect("an address");
    let greeted = || {
        let mut connection = Connection::open(small);
        assert!(connection.line().starts_with("INFO {"));
        connection
    };
    let mut inside = [greeted(), greeted()];
    for client in &mut inside {
        client.fence("");
    }
    let mut third = greeted();
    assert_eq!(third.line(), "-ERR 'maximum connections exceeded'");
    assert_eq!(third.rest(), b"");
    broker.client().fence("");
    for client in &mut inside {
        client.fence("");
    }
}

#[test]
fn each_listener_has_its_own_tls() {
    if kind() == Kind::Reference {
        return;
    }
    let mut text = String::from("listeners { safe { listen: \"127.0.0.1:-1\", ");
    text += &tls("verify: true, ca_file: \"CA\"").replace("CA\"", &format!("{}\"", file("ca.pem")));
    text += "} }";
    let broker = configured(&text).start();
    let safe: SocketAddr = places(&broker, 2)[1].parse().expect("an address");
    let mut plain = Connection::open(broker.address());
    let greeting = plain.line();
    assert!(!greeting.contains("tls_"), "{greeting}");
    plain.send("CONNECT {\"verbose\":false}\r\nSUB a 1\r\n");
    plain.fence("");
    let offer = crate::secure::Offer { certificate: Some("alice"), ..Default::default() };
    let (_, greeting) = crate::secure::greeted(safe);
    assert!(greeting.contains("\"tls_required\":true,\"tls_verify\":true"), "{greeting}");
    let mut secure = offer.connect(safe).expect("a handshake");
    secure.connect();
    secure.send("PUB a 1\r\nx\r\n");
    plain.expect("MSG a 1 1\r\nx\r\n");
}
