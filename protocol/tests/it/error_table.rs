//! Every `-ERR` text that a client can meet, and which of them end the connection.
//!
//! Absent: when each is sent, which is the broker's.

use fanfare_protocol::encode;
use fanfare_protocol::error::{Port, ProtocolError as E};

const CLOSES: bool = true;
const STAYS: bool = false;

fn check(error: &E, closes: bool, text: impl AsRef<[u8]>) {
    let mut line = Vec::new();
    encode::error(&mut line, error);
    let expected = [b"-ERR '", text.as_ref(), b"'\r\n"].concat();
    assert_eq!(line.escape_ascii().to_string(), expected.escape_ascii().to_string());
    assert_eq!(error.closes(), closes, "{error}");
}

#[test]
fn fixed_texts_are_nats_servers() {
    check(&E::UnknownOperation, CLOSES, "Unknown Protocol Operation");
    check(&E::MaxControlLine, CLOSES, "maximum control line exceeded");
    check(&E::AuthorizationViolation, CLOSES, "Authorization Violation");
    check(&E::AuthenticationTimeout, CLOSES, "Authentication Timeout");
    check(&E::UserAuthenticationExpired, CLOSES, "User Authentication Expired");
    check(&E::UserAuthenticationRevoked, CLOSES, "User Authentication Revoked");
    check(&E::AccountAuthenticationExpired, CLOSES, "Account Authentication Expired");
    check(&E::MaxPayload, CLOSES, "Maximum Payload Violation");
    check(&E::MaxConnections, CLOSES, "maximum connections exceeded");
    check(&E::MaxAccountConnections, CLOSES, "maximum account active connections exceeded");
    let throttled = "Connection throttling is active. Please try again later.";
    check(&E::ConnectionThrottled, CLOSES, throttled);
    check(&E::InvalidClientProtocol, CLOSES, "invalid client protocol");
    check(&E::NoRespondersNeedsHeaders, CLOSES, "no responders requires headers support");
    check(&E::StaleConnection, CLOSES, "Stale Connection");
    check(&E::TlsRequired, CLOSES, "Secure Connection - TLS Required");
    check(&E::FailedAccountRegistration, STAYS, "Failed Account Registration");
    check(&E::MaxSubscriptions, STAYS, "maximum subscriptions exceeded");
    check(&E::InvalidSubject, STAYS, "Invalid Subject");
    check(&E::InvalidPublishSubject, STAYS, "Invalid Publish Subject");
    check(&E::WrongPort(Port::Route), CLOSES, "attempted to connect to route port");
    check(&E::WrongPort(Port::LeafNode), CLOSES, "attempted to connect to leaf node port");
    check(&E::WrongPort(Port::Gateway), CLOSES, "attempted to connect to gateway port");
}

#[test]
fn permission_texts_quote_what_was_asked_for() {
    let publish = E::PublishViolation(b"s.a".into());
    check(&publish, STAYS, "Permissions Violation for Publish to \"s.a\"");
    let reply = E::PublishReplyViolation(b"r".into());
    check(&reply, STAYS, "Permissions Violation for Publish with Reply of \"r\"");
    let filter = b"s.*".to_vec();
    let plain = E::SubscriptionViolation { filter: filter.clone(), queue: None };
    check(&plain, STAYS, "Permissions Violation for Subscription to \"s.*\"");
    let queue = Some(b"q".to_vec());
    let queued = E::SubscriptionViolation { filter: filter.clone(), queue };
    check(&queued, STAYS, "Permissions Violation for Subscription to \"s.*\" using queue \"q\"");
    let tokens = E::TooManyTokens(b"a.b.c".into());
    check(&tokens, STAYS, "Permissions Violation for Subscription to \"a.b.c\", too many tokens");
    let revoked = E::SubscriptionRevoked { filter: b"s".into(), sid: b"7".into() };
    check(&revoked, STAYS, "Permissions Violation for Subscription to \"s\" (sid \"7\")");
}

/// The expected texts are what nats-server 2.14 answered to a publish to these subjects.
#[test]
fn quoted_text_is_escaped_as_go_escapes_it() {
    let quoted = |subject: &[u8], text: &str| {
        let expected = format!("Permissions Violation for Publish to \"{text}\"");
        check(&E::PublishViolation(subject.into()), STAYS, expected);
    };
    quoted(
        b"a\"b\\c\x00\x01\x07\x08\x0b\x0c\x1b\x7f",
        "a\\\"b\\\\c\\x00\\x01\\a\\b\\v\\f\\x1b\\x7f",
    );
    quoted("'\u{e9}\u{20ac}\u{1f600}".as_bytes(), "'\u{e9}\u{20ac}\u{1f600}");
    quoted(b"\xff\xc3\xed\xa0\x80\xe2\x82", "\\xff\\xc3\\xed\\xa0\\x80\\xe2\\x82");
    quoted(
        "\u{200b}\u{a0}\u{301}\u{fffd}\u{feff}\u{85}\u{e000}\u{e0001}".as_bytes(),
        "\\u200b\\u00a0\u{301}\u{fffd}\\ufeff\\u0085\\ue000\\U000e0001",
    );
    quoted(
        "\u{3000}\u{2028}\u{66e}\u{378}\u{ad}\u{200d}".as_bytes(),
        "\\u3000\\u2028\u{66e}\\u0378\\u00ad\\u200d",
    );
}

#[test]
fn a_quoted_subject_cannot_break_out_of_its_line() {
    for byte in 0..=u8::MAX {
        let mut line = Vec::new();
        encode::error(&mut line, &E::PublishViolation(vec![b'a', byte]));
        let body = line.strip_suffix(b"\r\n").expect("one line");
        assert!(body.iter().all(|byte| *byte >= b' '), "{}", line.escape_ascii());
    }
}
