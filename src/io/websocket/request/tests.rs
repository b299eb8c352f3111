//! Requests that are granted and refused, and what is read of them.

use super::*;
use crate::config::Limits;
use crate::config::websocket::Cookies as Names;

fn request(more: &str) -> String {
    format!(
        "GET /x HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    )
}

fn reception(wishes: WebSocket) -> Reception {
    Reception::new(&wishes, &Limits::default())
}

fn granted(text: &str, wishes: WebSocket) -> Granted {
    let granted = judge(text.as_bytes(), &reception(wishes), false);
    granted.expect("a good request").expect("a whole request")
}

#[test]
fn a_request_is_judged_when_it_has_come_whole() {
    let text = request("");
    let reception = reception(WebSocket::default());
    for end in 0..text.len() {
        let judged = judge(&text.as_bytes()[..end], &reception, false);
        assert!(matches!(judged, Ok(None)), "{end}: {judged:?}");
    }
    let granted = judge(text.as_bytes(), &reception, false).expect("good").expect("whole");
    assert_eq!(granted.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    let terms = Terms { masking: Masking::Required, compression: false };
    assert_eq!((granted.terms, granted.is_unmasked), (terms, false));
    let unmasked = self::granted(&request("Nats-No-Masking: true\r\n"), WebSocket::default());
    assert_eq!(unmasked.terms.masking, Masking::Optional);
}

#[test]
fn offers_are_taken_that_can_be_kept() {
    let wishes = WebSocket { compression: true, ..WebSocket::default() };
    let check = |offer: &str, is_taken: bool| {
        let text = request(&format!("Sec-WebSocket-Extensions: {offer}\r\n"));
        assert_eq!(granted(&text, wishes.clone()).terms.compression, is_taken, "{offer}");
        assert!(!granted(&text, WebSocket::default()).terms.compression, "not wanted");
    };
    check("permessage-deflate", true);
    check("Permessage-Deflate ; Client_Max_Window_Bits=10", true);
    check("a, b; c, permessage-deflate; server_no_context_takeover", true);
    check("permessage-deflate; server_max_window_bits=10", false);
    check("permessage-deflate-2", false);
    check("", false);
}

#[test]
fn cookies_are_read_by_their_names() {
    let cookies = Names {
        jwt: Some("j".into()),
        user: Some("u".into()),
        pass: Some("p".into()),
        token: Some("t".into()),
    };
    let wishes = WebSocket { cookies, ..WebSocket::default() };
    let text = request("Cookie: j=a.b.c; u=\"ann\"; x=y\r\nCookie: p=s=1; t= ; U=no\r\n");
    let cookies = granted(&text, wishes.clone()).visitor.cookies.expect("cookies");
    let expected = Cookies {
        jwt: Some(Secret::new("a.b.c")),
        user: Some("ann".into()),
        pass: Some(Secret::new("s=1")),
        token: None,
    };
    assert_eq!(*cookies, expected);
    assert!(!format!("{cookies:?}").contains("a.b.c"), "no secret is shown");
    assert_eq!(granted(&request("Cookie: x=y; u=\r\n"), wishes).visitor.cookies, None);
    let unasked = granted(&request("Cookie: u=ann\r\n"), WebSocket::default());
    assert_eq!(unasked.visitor.cookies, None);
}

#[test]
fn a_proxy_names_one_address() {
    let named = |value: &str| {
        let text = request(&format!("X-Forwarded-For: {value}\r\n"));
        granted(&text, WebSocket::default()).visitor.forwarded_for
    };
    assert_eq!(named("192.0.2.7"), "192.0.2.7".parse().ok());
    assert_eq!(named("2001:db8::1"), "2001:db8::1".parse().ok());
    assert_eq!((named("192.0.2.7, 10.0.0.1"), named("nonsense")), (None, None));
}

#[test]
fn a_page_of_tls_comes_from_https() {
    let wishes = WebSocket { same_origin: true, ..WebSocket::default() };
    let reception = reception(wishes);
    for (origin, clear, secure) in [
        ("http://a.example", true, false),
        ("https://a.example", false, true),
        ("https://A.example:443", false, true),
        ("http://b.example", false, false),
    ] {
        let text = request(&format!("Origin: {origin}\r\n"));
        assert_eq!(judge(text.as_bytes(), &reception, false).is_ok(), clear, "{origin}");
        assert_eq!(judge(text.as_bytes(), &reception, true).is_ok(), secure, "{origin}");
    }
}

#[test]
fn an_origin_that_is_no_text_is_none_that_is_allowed() {
    let wishes = WebSocket { same_origin: true, ..WebSocket::default() };
    for name in ["Origin", "Sec-WebSocket-Origin"] {
        let text = request(&format!("{name}: http://a.example\r\n"));
        let mut bytes = text.clone().into_bytes();
        let place = text.find("http://a.example").expect("an origin") + "http://".len();
        assert!(judge(&bytes, &reception(wishes.clone()), false).is_ok(), "{name}");
        bytes[place] = 0xff;
        let refused = judge(&bytes, &reception(wishes.clone()), false).expect_err("no text");
        assert_eq!(refused.status, 403, "{name}");
        assert!(judge(&bytes, &reception(WebSocket::default()), false).is_ok(), "not asked for");
    }
}

#[test]
fn a_request_has_one_host() {
    for host in ["a.example", ""] {
        let text = request(&format!("hOST: {host}\r\n"));
        let refused = judge(text.as_bytes(), &reception(WebSocket::default()), false);
        assert_eq!(refused.expect_err("two hosts").status, 400, "{host}");
    }
}
