//! The JSON of CONNECT: what nats-server 2.14 takes from it and what it refuses.
//!
//! Absent: what the broker does with the options.

use proptest::prelude::*;

use fanfare_protocol::client_encode;
use fanfare_protocol::connect::{ConnectError, ConnectOptions};
use fanfare_protocol::decode::{self, Step};
use fanfare_protocol::limits::{DecodeLimits, MAX_JSON_DEPTH};
use fanfare_protocol::op::ClientOp;

fn parse(json: impl AsRef<[u8]>) -> ConnectOptions {
    let json = json.as_ref();
    ConnectOptions::parse(json).unwrap_or_else(|error| panic!("{}: {error}", json.escape_ascii()))
}

fn refuse(json: impl AsRef<[u8]>) -> ConnectError {
    let json = json.as_ref();
    ConnectOptions::parse(json).expect_err(&json.escape_ascii().to_string())
}

#[test]
fn what_is_absent_has_its_default() {
    let options = parse("{}");
    assert!(options.verbose && options.pedantic && options.echo);
    assert!(!options.headers && !options.no_responders && !options.tls_required);
    assert!(!options.new_account);
    assert_eq!(options.protocol, 0);
    assert_eq!(options, ConnectOptions::default());
    assert_eq!(parse("null"), options);
    assert_eq!(parse(" { } \t"), options);
}

#[test]
fn every_key_is_read() {
    let json = concat!(
        r#"{"verbose":false,"pedantic":false,"echo":false,"tls_required":true,"headers":true,"#,
        r#""no_responders":true,"protocol":1,"user":"u","pass":"p","auth_token":"t","#,
        r#""nkey":"k","sig":"s","jwt":"j","name":"n","lang":"rust","version":"1.2","#,
        r#""account":"a","new_account":true,"proxy_sig":"x"}"#,
    );
    let text = |text: &str| Some(Box::from(text));
    let expected = ConnectOptions {
        verbose: false,
        pedantic: false,
        echo: false,
        tls_required: true,
        headers: true,
        no_responders: true,
        protocol: 1,
        user: text("u"),
        pass: text("p"),
        auth_token: text("t"),
        nkey: text("k"),
        sig: text("s"),
        jwt: text("j"),
        name: text("n"),
        lang: text("rust"),
        version: text("1.2"),
        account: text("a"),
        new_account: true,
        proxy_sig: text("x"),
    };
    assert_eq!(parse(json), expected);
}

#[test]
fn keys_match_in_any_case_and_spelling() {
    assert!(!parse(r#"{"VERBOSE":false}"#).verbose);
    assert!(!parse(r#"{"vErBoSe":false}"#).verbose);
    assert!(!parse(r#"{"ver\u0062ose":false}"#).verbose);
    assert!(parse(r#"{" verbose":false}"#).verbose);
}

#[test]
fn the_last_duplicate_wins_and_null_changes_nothing() {
    assert!(parse(r#"{"verbose":false,"verbose":true}"#).verbose);
    assert!(parse(r#"{"verbose":false,"VERBOSE":true}"#).verbose);
    assert!(!parse(r#"{"verbose":false,"verbose":null}"#).verbose);
    assert!(parse(r#"{"verbose":null,"protocol":null,"name":null}"#).verbose);
    assert_eq!(parse(r#"{"name":"a","name":null}"#).name.as_deref(), Some("a"));
    assert_eq!(parse(r#"{"name":"a","name":""}"#).name, None);
}

#[test]
fn a_later_connect_keeps_what_it_does_not_mention() {
    // Tried on nats-server 2.14: `headers` of the first CONNECT serves the second one.
    let first = parse(r#"{"verbose":false,"headers":true,"name":"a"}"#);
    let second = first.updated(br#"{"no_responders":true,"name":null}"#).unwrap();
    assert!(!second.verbose && second.headers && second.no_responders && second.pedantic);
    assert_eq!(second.name.as_deref(), Some("a"));
    assert_eq!(first.updated(b"null"), Ok(first.clone()));
    assert!(first.updated(b"[]").is_err());
}

#[test]
fn unknown_keys_may_hold_anything() {
    let json = r#"{"x":{"verbose":false,"y":[1,-2.5e300,null,"\ud800"]},"z":1e9999,"echo":false}"#;
    let options = parse(json);
    assert!(options.verbose && !options.echo);
    assert_eq!(parse(b"{\"\xff\":\"\xff\"}"), ConnectOptions::default());
}

#[test]
fn broken_text_is_mended_as_go_mends_it() {
    assert_eq!(parse(b"{\"name\":\"a\xff\"}").name.as_deref(), Some("a\u{fffd}"));
    assert!(parse(r#"{"name":"\ud800"}"#).name.is_some_and(|name| name.contains('\u{fffd}')));
    assert_eq!(parse(r#"{"name":"\ud83d\ude00\n"}"#).name.as_deref(), Some("\u{1f600}\n"));
    assert_eq!(parse("{\"name\":\"\x7f\"}").name.as_deref(), Some("\x7f"));
}

#[test]
fn types_are_strict() {
    for value in ["1.0", "1e0", "\"1\"", "true", "[]", "{}", "99999999999999999999", "-0.0"] {
        refuse(format!("{{\"protocol\":{value}}}"));
    }
    assert_eq!(parse(r#"{"protocol":2}"#).protocol, 2);
    assert_eq!(parse(r#"{"protocol":-1}"#).protocol, -1);
    assert_eq!(parse(r#"{"protocol":9223372036854775807}"#).protocol, i64::MAX);
    for value in ["0", "\"true\"", "[]", "{}"] {
        for key in ["verbose", "pedantic", "echo", "headers", "no_responders", "tls_required"] {
            refuse(format!("{{\"{key}\":{value}}}"));
        }
        refuse(format!("{{\"new_account\":{value}}}"));
    }
    for value in ["1", "true", "[97]", "{}"] {
        for key in ["user", "pass", "auth_token", "nkey", "sig", "jwt", "name", "lang", "account"] {
            refuse(format!("{{\"{key}\":{value}}}"));
        }
    }
}

#[test]
fn what_is_not_one_json_object_is_refused() {
    let texts = [
        "",
        " ",
        "[]",
        "true",
        "1",
        "\"x\"",
        "{bad",
        "{",
        "{}{}",
        "{} x",
        "{}\0",
        "{,}",
        "{\"a\":1,}",
        "{\"a\":01}",
        "{\"a\":nul}",
        "{\"a\":1 \"b\":2}",
        "{\"a\"}",
        "{1:2}",
        "{'a':1}",
        "nullx",
        "\u{feff}{}",
        "{}\u{b}",
        "{\"name\":\"\\q\"}",
        "{\"x\":\"\\q\"}",
        "{\"a\":+1}",
        "{\"a\":.5}",
    ];
    for text in texts {
        refuse(text);
    }
}

#[test]
fn control_characters_in_strings_are_refused() {
    for json in ["{\"name\":\"a\tb\"}", "{\"a\tb\":1}", "{\"x\":\"\u{1}\"}", "{\"x\":\"\\\"\t\"}"] {
        assert_eq!(refuse(json), ConnectError::ControlCharacter, "{json:?}");
    }
    assert_eq!(parse("{\t\"name\"\t:\t\"a\"\t}").name.as_deref(), Some("a"));
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| format!("{{\"x\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    parse(nested(MAX_JSON_DEPTH - 1));
    assert_eq!(refuse(nested(MAX_JSON_DEPTH)), ConnectError::TooDeep);
    assert_eq!(refuse("[".repeat(100_000)), ConnectError::TooDeep);
    // Brackets inside strings are text.
    parse(format!("{{\"x\":\"{}\"}}", "[{".repeat(500)));
}

#[test]
fn the_debug_form_hides_secrets() {
    let json = concat!(
        r#"{"user":"me","pass":"hunter2","auth_token":"hunter2","jwt":"hunter2","#,
        r#""sig":"hunter2","proxy_sig":"hunter2"}"#,
    );
    let shown = format!("{:?}", parse(json));
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("\"me\"") && shown.contains("***"), "{shown}");
}

fn text() -> impl Strategy<Value = Option<Box<str>>> {
    prop::option::of(any::<String>().prop_map(String::into_boxed_str))
        .prop_map(|text| text.filter(|text| !text.is_empty()))
}

prop_compose! {
    fn options()(
        flags in prop::array::uniform7(any::<bool>()),
        protocol in any::<i64>(),
        login in (text(), text(), text()),
        keys in (text(), text(), text()),
        about in (text(), text(), text()),
        rest in (text(), text()),
    ) -> ConnectOptions {
        let [verbose, pedantic, echo, tls_required, headers, no_responders, new_account] = flags;
        let (user, pass, auth_token) = login;
        let (nkey, sig, jwt) = keys;
        let (name, lang, version) = about;
        let (account, proxy_sig) = rest;
        ConnectOptions {
            verbose, pedantic, echo, tls_required, headers, no_responders, protocol, user, pass,
            auth_token, nkey, sig, jwt, name, lang, version, account, new_account, proxy_sig,
        }
    }
}

proptest! {
    /// Writes any options as a client does and reads them as a broker does.
    #[test]
    fn options_survive_the_wire(options in options()) {
        let mut line = Vec::new();
        client_encode::connect(&mut line, &options);
        let limits = DecodeLimits { control_line_max: usize::MAX, ..DecodeLimits::default() };
        let step = decode::next(&line, &limits);
        let Ok(Step::Op(ClientOp::Connect(json), used)) = step else { panic!("{step:?}") };
        prop_assert_eq!(used, line.len());
        prop_assert_eq!(ConnectOptions::parse(json), Ok(options));
    }

    /// Whatever the bytes, the answer is options or a refusal; what serde_json takes for a general
    /// value of another type than an object is never options.
    #[test]
    fn any_text_is_answered(json in "[{}\\[\\]\":,a-c0-9\\\\utrlnse. \t-]{0,24}") {
        let answer = ConnectOptions::parse(json.as_bytes());
        let value = serde_json::from_str::<serde_json::Value>(&json);
        let is_object = value.is_ok_and(|value| value.is_object() || value.is_null());
        prop_assert!(answer.is_err() || is_object, "{}", json);
    }
}
