//! Who WebSocket clients are: cookies, their own authorization, types of connections.

use super::client::{Request, Web, block};
use crate::broker::Broker;
use crate::secure::configured;

/// What is said to a client that comes with these cookies and this CONNECT.
fn told(broker: &Broker, cookie: &str, connect: &str) -> String {
    let request = Request::default();
    let request = if cookie.is_empty() { request } else { request.with("Cookie", cookie) };
    let mut web = request.connect(broker);
    assert!(web.line().starts_with("INFO {"));
    web.send(format!("CONNECT {{\"verbose\":false{connect}}}\r\nPING\r\n"));
    web.line()
}

const IN: &str = "PONG";
const OUT: &str = "-ERR 'Authorization Violation'";

#[test]
fn cookies_stand_for_what_connect_leaves_out() {
    let users = "authorization { users [ { user: ann, password: secret }, \
                 { user: bob, password: word } ] }\n";
    let cookies = "user_cookie: u, pass_cookie: p";
    let broker = configured(&format!("{users}{}", block(cookies))).start();
    assert_eq!(told(&broker, "u=ann; p=secret", ""), IN);
    assert_eq!(told(&broker, "x=y; p=\"secret\"; u=ann", ""), IN);
    assert_eq!(told(&broker, "u=ann; p=wrong", ""), OUT);
    assert_eq!(told(&broker, "u=ann", ",\"pass\":\"secret\""), IN);
    let other = ",\"user\":\"bob\",\"pass\":\"word\"";
    assert_eq!(told(&broker, "u=ann; p=nothing", other), IN, "CONNECT counts first");
    assert_eq!(told(&broker, "U=ann; P=secret", ""), OUT, "names are exact");
    assert_eq!(told(&broker, "", ""), OUT);
    let broker =
        configured(&format!("authorization {{ token: secret }}\n{}", block("token_cookie: t")))
            .start();
    assert_eq!(told(&broker, "t=secret", ""), IN);
    assert_eq!(told(&broker, "t=other", ""), OUT);
}

#[test]
fn web_clients_have_an_authorization_of_their_own() {
    let own = block("authorization { user: web, password: page }");
    let broker = configured(&own).start();
    let mut web = Request::default().connect(&broker);
    assert!(web.line().contains("\"auth_required\":true"));
    assert_eq!(told(&broker, "", ",\"user\":\"web\",\"pass\":\"page\""), IN);
    assert_eq!(told(&broker, "", ",\"user\":\"web\",\"pass\":\"other\""), OUT);
    assert_eq!(told(&broker, "", ""), OUT);
    let mut plain = broker.connect();
    plain.send("CONNECT {\"verbose\":false}\r\n");
    plain.fence("");
    let both = format!("authorization {{ token: tcp }}\n{}", block("authorization { token: web }"));
    let broker = configured(&both).start();
    assert_eq!(told(&broker, "", ",\"auth_token\":\"web\""), IN);
    assert_eq!(told(&broker, "", ",\"auth_token\":\"tcp\""), OUT);
    let mut plain = broker.connect();
    plain.send("CONNECT {\"verbose\":false,\"auth_token\":\"tcp\"}\r\n");
    plain.fence("");
}

#[test]
fn web_clients_without_credentials_may_be_a_user_of_their_own() {
    let users = "authorization { users [ { user: ann, password: secret }, { user: guest, \
                 password: g, permissions { publish: \"open\" } } ] }\n";
    let broker = configured(&format!("{users}{}", block("no_auth_user: guest"))).start();
    assert_eq!(told(&broker, "", ""), IN);
    assert_eq!(told(&broker, "", ",\"user\":\"ann\",\"pass\":\"secret\""), IN);
    let mut web = Request::default().connect(&broker);
    web.enter();
    web.send("PUB closed 0\r\n\r\n");
    let lines = web.fence();
    assert!(lines[0].contains("Permissions Violation for Publish to \"closed\""), "{lines:?}");
    let mut plain = broker.connect();
    plain.send("CONNECT {\"verbose\":false}\r\n");
    plain.expect(format!("{OUT}\r\n"));
}

#[test]
fn a_user_may_be_bound_to_one_way_of_connecting() {
    let users = "authorization { users [ \
                 { user: web, password: w, allowed_connection_types: [ WEBSOCKET ] }, \
                 { user: tcp, password: t, allowed_connection_types: [ STANDARD ] } ] }\n";
    let broker = configured(&format!("{users}{}", block(""))).start();
    assert_eq!(told(&broker, "", ",\"user\":\"web\",\"pass\":\"w\""), IN);
    assert_eq!(told(&broker, "", ",\"user\":\"tcp\",\"pass\":\"t\""), OUT);
    let mut plain = broker.connect();
    plain.send("CONNECT {\"verbose\":false,\"user\":\"web\",\"pass\":\"w\"}\r\n");
    plain.expect(format!("{OUT}\r\n"));
}

/// Silent clients are asked in their own time.
#[test]
fn web_clients_have_a_ping_interval_of_their_own() {
    let broker = configured(&block("ping_interval: \"300ms\"")).start();
    let mut web: Web = Request::default().connect(&broker);
    web.enter();
    for _ in 0..3 {
        while web.line() != "PING" {}
        web.send("PONG\r\n");
    }
}
