//! What is asked before the first frame: which requests are granted, and what others are told.

use std::fmt::Write as _;

use super::client::{Request, address, block, broker};
use crate::broker::{CONNECT, Kind, kind};
use crate::secure::{configured, tls};
use crate::wire::Connection;

#[test]
fn a_request_is_granted_and_greeted() {
    let broker = broker("");
    let (head, mut web) =
        Request::default().start("GET /any/path?x=1 HTTP/1.1").ask(address(&broker));
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    let head = head.to_ascii_lowercase();
    for line in [
        "\r\nupgrade: websocket\r\n",
        "\r\nconnection: upgrade\r\n",
        "\r\nsec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n",
    ] {
        assert!(head.contains(line), "no {line:?} in {head}");
    }
    assert!(!head.contains("sec-websocket-extensions"), "{head}");
    let greeting = web.enter();
    let port = format!("\"port\":{}", address(&broker).port());
    assert!(greeting.contains(&port), "{greeting}");
    assert!(greeting.contains("\"client_ip\":\"127.0.0.1\""), "{greeting}");
    assert!(!greeting.contains("tls_required") && !greeting.contains("auth_required"));
    web.send("SUB a 1\r\nPUB a 2\r\nhi\r\n");
    assert_eq!((web.line(), web.line()), ("MSG a 1 2".to_owned(), "hi".to_owned()));
}

#[test]
fn messages_pass_between_both_kinds_of_clients() {
    let broker = broker("");
    let mut plain = broker.client();
    plain.send("SUB to.tcp 7\r\n");
    plain.fence("");
    let mut web = Request::default().connect(&broker);
    web.enter();
    web.send("SUB to.web 1\r\n");
    assert!(web.fence().is_empty());
    web.send("PUB to.tcp 5\r\nhello\r\n");
    plain.expect("MSG to.tcp 7 5\r\nhello\r\n");
    plain.send("PUB to.web 3\r\nyes\r\n");
    assert_eq!((web.line(), web.line()), ("MSG to.web 1 3".to_owned(), "yes".to_owned()));
}

/// Each request is refused with the same status by nats-server.
#[test]
fn a_request_that_is_wrong_is_told_which_kind_of_wrong() {
    let broker = broker("");
    let check = |request: Request, status: u16| {
        let (head, _) = request.ask(address(&broker));
        let expected = format!("HTTP/1.1 {status} ");
        assert!(head.starts_with(&expected), "{} -> {head}", request.text());
    };
    let good = Request::default;
    if kind() == Kind::Fanfare {
        check(good().start("GET /leafnode HTTP/1.1"), 404);
        check(good().start("GET /some/mqtt?x HTTP/1.1"), 404);
        let why = "websocket handshake error: leafnode websocket endpoint not enabled";
        broker.log().find(why).expect("told");
    }
    check(good().start("POST / HTTP/1.1").with("Content-Length", "0"), 405);
    check(good().without("Host"), 400);
    check(good().without("Upgrade"), 400);
    check(good().with("Upgrade", "h2c"), 400);
    check(good().without("Connection"), 400);
    check(good().with("Connection", "keep-alive"), 400);
    check(good().without("Sec-WebSocket-Key"), 400);
    check(good().with("Sec-WebSocket-Key", "c2hvcnQ="), 400);
    check(good().with("Sec-WebSocket-Key", "no base64!"), 400);
    check(good().without("Sec-WebSocket-Version"), 400);
    check(good().with("Sec-WebSocket-Version", "8"), 400);
    check(good().start("nonsense"), 400);
    check(good().start("GET / HTTP/1.1\r\nno field"), 400);
    let lists = good().with("Connection", "keep-alive, Upgrade").with("Upgrade", "h2c, WebSocket");
    lists.connect(&broker).enter();
}

#[test]
fn a_head_is_bounded_and_comes_in_any_pieces() {
    let broker = broker("");
    let (head, mut web) = Request::default().ask(address(&broker));
    assert!(head.starts_with("HTTP/1.1 101 "));
    web.enter();
    if kind() == Kind::Reference {
        return;
    }
    let long = Request::default().with("X-Long", &"x".repeat(9_000));
    let (head, _) = long.ask(address(&broker));
    assert!(head.starts_with("HTTP/1.1 431 "), "{head}");
    let mut many = Request::default();
    for n in 0..100 {
        many = many.with(&format!("X-{n}"), "x");
    }
    let (head, _) = many.ask(address(&broker));
    assert!(head.starts_with("HTTP/1.1 431 "), "{head}");
    // In single bytes: each is a step of its own, and the last one is the answer's cause.
    let text = Request::default().text();
    let mut slow = Connection::open(address(&broker));
    for byte in text.as_bytes() {
        slow.send([*byte]);
    }
    assert_eq!(slow.line(), "HTTP/1.1 101 Switching Protocols");
    while !slow.line().is_empty() {}
}

/// Only one server's clients may begin before they are asked to.
#[test]
fn who_does_not_wait_for_the_answer_is_refused() {
    let broker = broker("");
    let mut text = Request::default().text();
    text.push_str("\u{1}\u{2}\u{3}\u{4}");
    let mut early = Connection::open(address(&broker));
    early.send(&text);
    let said = String::from_utf8_lossy(&early.rest()).into_owned();
    assert!(!said.contains("101 Switching"), "{said}");
}

#[test]
fn other_protocols_are_told_that_this_is_http() {
    let broker = broker("");
    for bytes in [CONNECT.as_bytes(), b"\x16\x03\x01\x00\x05hello\n", b"PRI * HTTP/2.0\r\n\r\n"] {
        let mut stranger = Connection::open(address(&broker));
        stranger.send(bytes);
        stranger.finish();
        let said = String::from_utf8_lossy(&stranger.rest()).into_owned();
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 "), "{said}");
        assert!(!said.contains(" 101 "), "{said}");
    }
    Request::default().connect(&broker).enter();
}

#[test]
fn who_asks_too_slowly_is_closed() {
    let broker = broker("handshake_timeout: \"200ms\"");
    let mut silent = Connection::open(address(&broker));
    let mut slow = Connection::open(address(&broker));
    slow.send("GET / HTTP/1.1\r\nHost: a\r\n");
    slow.rest();
    silent.rest();
    Request::default().connect(&broker).enter();
}

#[test]
fn pages_need_the_right_origin() {
    let check = |more: &str, origins: &[(&str, bool)]| {
        let broker = broker(more);
        let host = format!("localhost:{}", address(&broker).port());
        for (origin, is_allowed) in origins {
            let origin = origin.replace("HOST", &host);
            let request = Request::default().with("Host", &host).with("Origin", &origin);
            let (head, _) = request.ask(address(&broker));
            let status = if *is_allowed { "101" } else { "403" };
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{more} {origin}: {head}");
        }
        Request::default().connect(&broker).enter();
    };
    check("", &[("http://evil.example", true), ("null", true)]);
    check(
        "same_origin: true",
        &[
            ("http://HOST", true),
            ("HTTP://HOST", true),
            ("https://HOST", false),
            ("http://localhost", false),
            ("http://evil.example", false),
            ("null", false),
        ],
    );
    check(
        "allowed_origins: [ \"http://a.example\", \"https://b.example:8443\" ]",
        &[
            ("http://a.example", true),
            ("http://A.example:80", true),
            ("https://a.example", false),
            ("https://b.example:8443", true),
            ("https://b.example", false),
            ("http://HOST", false),
            ("http://a.example.evil.example", false),
        ],
    );
}

#[test]
fn headers_are_added_to_the_answer() {
    let broker = broker("headers { X-Served-By: fanfare, X-Two: \"a b\" }");
    let (head, _) = Request::default().ask(address(&broker));
    assert!(head.contains("\r\nX-Served-By: fanfare\r\n"), "{head}");
    assert!(head.contains("\r\nX-Two: a b\r\n"), "{head}");
}

/// As with nats-server it is said in the log, and counts for nothing.
#[test]
fn what_a_proxy_says_of_the_client_is_logged() {
    let broker = configured(&format!("debug: true\n{}", block(""))).start();
    let request = Request::default().with("X-Forwarded-For", "192.0.2.7");
    let greeting = request.connect(&broker).enter();
    assert!(greeting.contains("\"client_ip\":\"127.0.0.1\""), "{greeting}");
    broker.log().find("192.0.2.7/127.0.0.1:").expect("a line with both");
    let request = Request::default().with("X-Forwarded-For", "2001:db8::7");
    request.connect(&broker).enter();
    broker.log().find("[2001:db8::7]/127.0.0.1:").expect("a line with both");
    let request = Request::default().with("X-Forwarded-For", "192.0.2.8, 10.0.0.1");
    request.connect(&broker).enter();
    assert!(!broker.log().so_far().contains("192.0.2.8"), "a list is no address");
}

#[test]
fn frames_travel_in_tls() {
    let block = format!("websocket {{ listen: \"127.0.0.1:-1\", {} }}\n", tls(""));
    let broker = configured(&block).start();
    let line = broker.log().find("Listening for websocket clients on ").expect("a listener");
    assert!(line.contains("wss://127.0.0.1:"), "{line}");
    let (head, mut web) = Request::default().packing().ask_securely(address(&broker));
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let greeting = web.enter();
    assert!(greeting.contains("\"tls_required\":true"), "{greeting}");
    web.send("SUB a 1\r\n");
    for length in [0, 1, 125, 126, 65_535, 65_536, 700_000] {
        let mut text = String::new();
        write!(text, "PUB a {length}\r\n{}\r\n", "x".repeat(length)).expect("a string");
        web.send(&text);
        assert_eq!(web.line(), format!("MSG a 1 {length}"));
        assert_eq!(web.bytes(length + 2).len(), length + 2);
    }
    let (head, _) = Request::default().without("Upgrade").ask_securely(address(&broker));
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    let mut clear = Connection::open(address(&broker));
    clear.send(Request::default().text());
    assert!(!String::from_utf8_lossy(&clear.rest()).contains("101"), "there is no way around TLS");
}

#[test]
fn who_finds_no_room_is_told_in_a_frame() {
    let text = format!("max_connections: 1\n{}", block(""));
    let broker = configured(&text).start();
    let mut first = Request::default().connect(&broker);
    first.enter();
    let mut second = Request::default().connect(&broker);
    let (code, said) = second.rest();
    assert!(said.contains("-ERR 'maximum connections exceeded'"), "{said}");
    assert_eq!(code, Some(1008));
    assert!(first.fence().is_empty());
}
