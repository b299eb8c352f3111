//! Goodbyes: who says which code, and what is said before it.

use rustix::process::Signal;

use super::client::{Request, block, broker};
use crate::broker::{Kind, kind};
use crate::secure::configured;

/// Autobahn 7: a close is answered with its code, and the connection ends.
#[test]
fn a_goodbye_is_said_back() {
    let broker = broker("");
    for code in [1000u16, 1001, 1002, 1003, 1007, 1011, 3000, 3999, 4000, 4999] {
        let mut web = Request::default().connect(&broker);
        web.enter();
        web.send("SUB a 1\r\nPUB a 2\r\nhi\r\n");
        web.send_frame(0x88, &[&code.to_be_bytes()[..], b"bye"].concat());
        web.send("PUB a 4\r\nlate\r\n");
        let (answered, said) = web.rest();
        assert_eq!((answered, &said[..]), (Some(code), "MSG a 1 2\r\nhi\r\n"));
    }
    let mut web = Request::default().connect(&broker);
    web.enter();
    web.send_frame(0x88, b"");
    assert_eq!(web.rest().0, Some(0), "a close without a code is answered by one");
    let mut web = Request::default().connect(&broker);
    web.enter();
    web.send_frame(0x88, &[&1000u16.to_be_bytes()[..], &[b'x'; 123]].concat());
    assert_eq!(web.rest().0, Some(1000));
}

#[test]
fn errors_of_the_protocol_have_their_codes() {
    let broker = broker("");
    for (sent, told, code) in [
        ("NONSENSE\r\n", "-ERR 'Unknown Protocol Operation'", 1002),
        ("PUB a 2000000\r\n", "-ERR 'Maximum Payload Violation'", 1009),
    ] {
        let mut web = Request::default().connect(&broker);
        web.enter();
        web.send(sent);
        let (closed, said) = web.rest();
        assert!(said.contains(told), "{said}");
        // nats-server may reset the connection, so that its code is lost.
        let is_lost = closed.is_none() && kind() == Kind::Reference;
        assert!(is_lost || closed == Some(code), "{sent}: {closed:?}");
    }
}

#[test]
fn who_does_not_say_who_it_is_is_closed_by_policy() {
    let text = format!("authorization {{ token: t, timeout: 0.2 }}\n{}", block(""));
    let broker = configured(&text).start();
    let mut web = Request::default().connect(&broker);
    assert!(web.line().contains("\"auth_required\":true"));
    let (code, said) = web.rest();
    assert!(said.contains("-ERR 'Authentication Timeout'"), "{said}");
    assert_eq!(code, Some(1008));
    let mut web = Request::default().connect(&broker);
    web.line();
    web.send("CONNECT {\"auth_token\":\"wrong\"}\r\n");
    let (code, said) = web.rest();
    assert!(said.contains("-ERR 'Authorization Violation'"), "{said}");
    assert_eq!(code, Some(1008));
}

#[test]
fn a_broker_that_stops_says_that_it_goes_away() {
    let mut broker = broker("");
    let mut web = Request::default().connect(&broker);
    web.enter();
    broker.signal(Signal::TERM);
    assert_eq!(web.rest().0, Some(1001));
    broker.ended();
}

#[test]
fn a_broker_in_lame_duck_mode_tells_web_clients_too() {
    let text =
        format!("lame_duck_duration: \"30s\", lame_duck_grace_period: \"1ms\"\n{}", block(""));
    if kind() == Kind::Reference {
        return;
    }
    let mut broker = configured(&text).start();
    let mut web = Request::default().connect(&broker);
    web.line();
    web.send("CONNECT {\"verbose\":false,\"protocol\":1}\r\n");
    web.fence();
    broker.signal(Signal::USR2);
    loop {
        let line = web.line();
        if line.starts_with("INFO ") && line.contains("\"ldm\":true") {
            break;
        }
    }
    assert_eq!(web.rest().0, Some(1001));
    assert!(broker.ended().success());
}
