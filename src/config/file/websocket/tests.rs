//! What the block means, and what is wrong with it.

use super::super::super::{Config, Files, load};
use super::*;

struct One(String);

impl Files for One {
    fn read(&mut self, _: &str) -> Result<String, String> {
        Ok(self.0.clone())
    }
    fn variable(&self, _: &str) -> Option<String> {
        None
    }
}

fn config(text: &str) -> Result<Config, String> {
    load("f.conf", &mut One(text.to_owned()), Config::default()).map_err(|e| e.to_string())
}

#[test]
fn every_key_has_its_place() {
    let text = r#"
        authorization { users [ { user: u, password: p } ] }
        websocket {
            host: localhost, port: 8443, advertise: "ws.example:443", no_tls: true
            same_origin: true, allowed_origins: [ "http://a.example", "https://b.example:8443" ]
            handshake_timeout: 3, compression: true
            user_cookie: uc, pass_cookie: pc, token_cookie: tc
            no_auth_user: u, headers { X-A: "1" }, ping_interval: "10s"
            authorization { timeout: 4 }
        }
    "#;
    let config = config(text).expect("legal");
    let listener = config.listeners.last().expect("two");
    let address = Address::Tcp { host: "localhost".into(), port: 8443 };
    assert_eq!((&*listener.name, &listener.address), ("websocket", &address));
    assert_eq!(listener.connection_type, ConnectionType::WebSocket);
    assert_eq!(listener.advertise.as_deref(), Some("ws.example:443"));
    let web = listener.websocket.as_deref().expect("a block");
    assert!(web.same_origin && web.compression);
    assert_eq!(web.allowed_origins.len(), 2);
    assert_eq!(web.handshake_timeout_ns, 3_000_000_000);
    assert_eq!(web.cookies.user.as_deref(), Some("uc"));
    assert_eq!(web.cookies.pass.as_deref(), Some("pc"));
    assert_eq!(web.cookies.token.as_deref(), Some("tc"));
    assert_eq!(web.headers, [("X-A".into(), "1".into())]);
    assert_eq!(web.ping_interval_ns, Some(10_000_000_000));
    assert_eq!(web.entry_timeout_ns, Some(4_000_000_000));
    let access = config.access.websocket.expect("a user of its own");
    assert_eq!(access.no_auth_user.as_deref(), Some("u"));
}

#[test]
fn a_block_without_a_port_is_no_listener() {
    for text in ["websocket {}", "ws { host: x }", "websocket { port: 0, jwt_cookie: x }"] {
        assert_eq!(config(text).expect("legal").listeners.len(), 1, "{text}");
    }
    let any = config("websocket { listen: '[::1]:-1', no_tls: true }").expect("legal");
    let address = Address::Tcp { host: "::1".into(), port: 0 };
    assert_eq!(any.listeners[1].address, address);
}

#[test]
fn tls_shakes_hands_first() {
    let text = "websocket { port: -1, tls { cert_file: c, key_file: k } }";
    let config = config(text).expect("legal");
    let tls = config.listeners[1].tls.as_ref().expect("TLS");
    assert_eq!((tls.handshake_first, tls.allow_non_tls), (HandshakeFirst::Yes, false));
}

#[test]
fn what_is_wrong_is_told_as_nats_server_does() {
    let users = "authorization { users [ { user: u, password: p } ] }\n";
    for (text, why) in [
        ("websocket { port: 1 }", "websocket requires TLS configuration"),
        (
            "websocket { port: 1, no_tls: true, no_auth_user: x }",
            "no_auth_user: \"x\" present, but users/nkeys are not defined",
        ),
        (
            &format!("{users}websocket {{ port: 1, no_tls: true, no_auth_user: x }}"),
            "no_auth_user: \"x\" not present as user or nkey",
        ),
        (
            &format!("{users}websocket {{ port: 1, no_tls: true, authorization {{ user: a }} }}"),
            "websocket authentication username not compatible with presence of users/nkeys",
        ),
        (
            &format!("{users}websocket {{ port: 1, no_tls: true, authorization {{ token: a }} }}"),
            "websocket authentication token not compatible with presence of users/nkeys",
        ),
        (
            "websocket { port: 1, no_tls: true, jwt_cookie: c }",
            "required for JWT authentication via cookie \"c\"",
        ),
        (
            "websocket { port: 1, no_tls: true, headers { Upgrade: x } }",
            "websocket: invalid header \"Upgrade\" not allowed",
        ),
        (
            "websocket { port: 1, no_tls: true, headers { Sec-WebSocket-X: x } }",
            "\"Sec-WebSocket-\" prefix not allowed",
        ),
        ("websocket { port: 1, no_tls: true, headers { A: 5 } }", "error parsing header key A"),
        (
            "websocket { port: 1, no_tls: true, headers { A: \"x\\r\\nB: y\" } }",
            "is no header of HTTP",
        ),
        (
            "websocket { port: 1, no_tls: true, allowed_origins: \"ftp://a\" }",
            "allowed origins must be absolute URLs with http or https scheme",
        ),
        ("websocket { port: 1, no_tls: true, origin: \"http://\" }", "host is required"),
        ("websocket { port: 1, no_tls: true, origin: nonsense }", "unable to parse allowed origin"),
        ("websocket { prt: 1 }", "unknown field \"prt\"; did you mean \"port\"?"),
        ("websocket { authorization { pss: x } }", "unknown field \"pss\""),
        ("websocket { port: 70000 }", "port 70000 must lie between"),
    ] {
        let told = config(text).expect_err(text);
        assert!(told.contains(why), "{text}\n{told}");
    }
}
