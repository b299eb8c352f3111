//! What keys about access mean: permissions, users, accounts, shares, operators.
//!
//! Absent: their errors, most of which are among the refused files of the integration tests.

use super::{config, errors};
use crate::config::access::{
    AccountLimits, Callout, ConnectionType, Destination, Identity, Permissions, Rate, Resolver,
    ResponseGrant, ResponseType, Rule, Rules, Sampling, ShareKind,
};
use crate::config::listen::{Address, HandshakeFirst, TlsVersion};

fn rule(subject: &str) -> Rule {
    Rule { subject: subject.into(), queue: None }
}

/// The permissions of the one user whose permissions are these.
fn permissions(text: &str) -> Permissions {
    let text = format!("authorization {{ users [ {{user: a, permissions {text}}} ] }}");
    config(&text).access.users[0].permissions.clone().expect("they are written")
}

#[test]
fn permissions_come_in_many_forms() {
    let allow = |subjects: &[&str]| Rules {
        allow: Some(subjects.iter().map(|subject| rule(subject)).collect()),
        deny: Vec::new(),
    };
    let both = Rules { deny: vec![rule("d")], ..allow(&["a.>", "b"]) };
    for (text, publish) in [
        ("{ publish: a }", allow(&["a"])),
        ("{ pub: [a, 'b.*'] }", allow(&["a", "b.*"])),
        ("{ publish: { allow: [a.>, b], deny: d } }", both),
        ("{ publish: {} }", Rules::default()),
        ("{ publish: { deny: [] } }", Rules::default()),
        ("{ subscribe: x }", Rules::default()),
        ("{ allow_responses: true }", allow(&[])),
        (
            "{ publish: { deny: d }, allow_responses: true }",
            Rules { deny: vec![rule("d")], ..allow(&[]) },
        ),
    ] {
        assert_eq!(permissions(text).publish, publish, "{text}");
    }
    let queue = Rule { subject: "a".into(), queue: Some("v1.*".into()) };
    assert_eq!(
        permissions("{ sub: [ a, \"a v1.*\" ] }").subscribe.allow,
        Some(vec![rule("a"), queue])
    );
    assert!(permissions("{ no_wildcards: true }").no_wildcards);
    assert!(permissions("{ subscribe: { no_wildcards: true } }").no_wildcards);
    assert!(
        errors("authorization { users [ {user: a, permissions {publish: \"a q\"}} ] }")[0]
            .contains("only subscriptions have queue groups")
    );
}

#[test]
fn answers_are_bounded_unless_a_number_is_below_zero() {
    for (text, max, expires_ns) in [
        ("true", Some(1), Some(120_000_000_000)),
        ("{ max: 5, expires: '1s' }", Some(5), Some(1_000_000_000)),
        ("{ max_msgs: -1 }", None, Some(120_000_000_000)),
        ("{ ttl: '-1s' }", Some(1), None),
        ("{ max: 0, expires: '0s' }", Some(1), Some(120_000_000_000)),
    ] {
        let got = permissions(&format!("{{ allow_responses: {text} }}")).responses;
        assert_eq!(got, Some(ResponseGrant { max, expires_ns }), "{text}");
    }
    assert_eq!(permissions("{ allow_responses: false }").responses, None);
}

#[test]
fn an_empty_list_of_allowed_subjects_is_refused() {
    for text in ["publish: []", "subscribe: { allow: [] }"] {
        let errors =
            errors(&format!("authorization {{ users [ {{user: a, permissions {{{text}}}}} ] }}"));
        assert!(errors[0].contains("would allow everything"), "{text}: {errors:?}");
    }
    let errors = errors("accounts { A { exports [ {stream: a, accounts: []} ] } }");
    assert!(errors[0].contains("would export to everybody"), "{errors:?}");
}

#[test]
fn users_are_kept_with_their_accounts() {
    let key = nkeys::KeyPair::new_user().public_key();
    let config = config(&format!(
        "authorization {{ users [ {{user: a, password: b, connection_types: [STANDARD, mqtt]}}\n\
         {{nkey: {key}, proxy_required: true, rate_limits {{messages: 5, bytes: 1k}}}} ],\n\
         timeout: 1.5, default_permissions {{ publish: x }}, proxy_required: true }}\n\
         accounts {{ A {{ users [ {{username: c}} ], rate_limits {{bytes: 2k}} }} }}\n\
         no_auth_user: c\nmax_user_connections: 3\nmax_address_connections: 4\n\
         rate_limits {{ messages: 6 }}\n"
    ));
    let access = &config.access;
    let names: Vec<_> =
        access.users.iter().map(|user| (user.identity.name(), &*user.account)).collect();
    assert_eq!(names, [("a", "$G"), (&*key, "$G"), ("c", "A")]);
    assert_eq!(access.users[0].connection_types, [ConnectionType::Standard, ConnectionType::Mqtt]);
    assert!(access.users[1].proxy_required && access.proxy_required);
    assert_eq!(access.users[1].rate, Rate { messages: Some(5), bytes: Some(1_000) });
    assert!(matches!(&access.users[2].identity, Identity::Password { password: None, .. }));
    assert_eq!(access.timeout_ns, Some(1_500_000_000));
    assert!(access.default_permissions.is_some());
    assert_eq!(access.accounts[0].limits.rate.bytes, Some(2_000));
    assert_eq!((access.user_connections_max, access.address_connections_max), (Some(3), Some(4)));
    assert_eq!(access.connection_rate.messages, Some(6));
}

/// With a block, be it empty, nobody is let in unasked where only the system account has users.
#[test]
fn an_authorization_block_is_known_by_itself() {
    assert!(config("authorization { }").access.authorization_block);
    assert!(config("authorization { timeout: 2 }").access.authorization_block);
    assert!(
        !config("accounts { A { users [ {user: a, password: b} ] } }").access.authorization_block
    );
}

#[test]
fn one_user_or_a_token_may_be_all() {
    let one = config("authorization { user: a, password: b }").access;
    let (name, password) = one.single.expect("a user");
    assert_eq!((&*name, password.expose()), ("a", "b"));
    let token = config("authorization { token: t }").access.token;
    assert_eq!(token.expect("a token").expose(), "t");
    assert_eq!(
        errors("authorization { password: b }"),
        ["f.conf:1:1: a password without a user would let everybody in"]
    );
}

#[test]
fn accounts_export_import_and_map() {
    let config = config(
        "accounts { A { limits { max_conn: 0, max_subs: -1, max_pay: 3, max_leafs: 4 }\n\
         exports [ {stream: \"s.*\"}, {service: q, response: chunked, threshold: '5s', \
         accounts: [B], allow_trace: true}\n\
         {service: l, latency: {sampling: headers, subject: x}} ]\n\
         mappings { m: n, \"o.*\": [ {dest: \"p.$1\", weight: 30%, cluster: c} ] } }\n\
         B { imports [ {stream: {account: A, subject: \"s.*\"}, prefix: \"x.y.\"}\n\
         {service: {account: A, subject: q}, to: r, share: true} ] } }\n",
    );
    let [a, b] = &config.access.accounts[..] else { panic!("two accounts") };
    let limits = AccountLimits {
        connections_max: Some(0),
        payload_max: Some(3),
        leafs_max: Some(4),
        ..AccountLimits::default()
    };
    assert_eq!(a.limits, limits);
    assert_eq!(a.exports[0].kind, ShareKind::Stream);
    assert_eq!(a.exports[1].response, ResponseType::Chunked);
    assert_eq!(a.exports[1].response_threshold_ns, Some(5_000_000_000));
    assert_eq!(a.exports[1].accounts.as_deref(), Some(&["B".into()][..]));
    assert_eq!(a.exports[2].latency.as_ref().map(|l| l.sampling), Some(Sampling::Headers));
    assert_eq!(a.mappings[0].destinations[0].subject, "n".into());
    let scoped = Destination { subject: "p.$1".into(), weight: 30, cluster: Some("c".into()) };
    assert_eq!(a.mappings[1].destinations, [scoped]);
    assert_eq!(b.imports[0].to.as_deref(), Some("x.y.s.*"));
    assert_eq!((b.imports[1].to.as_deref(), b.imports[1].share), (Some("r"), true));
}

#[test]
fn imports_that_only_look_like_a_circle_are_taken() {
    config(
        "accounts { A { exports [ {stream: \"a.>\"} ],\n\
         imports [ {stream: {account: B, subject: b}} ] }\n\
         B { exports [ {stream: b} ], imports [ {stream: {account: A, subject: \"a.x\"}} ] } }\n",
    );
}

#[test]
fn tls_says_what_is_spoken() {
    let config = config(
        "tls { cert_file: c, key_file: k, ca_file: a, verify_and_map: true, timeout: \"3s\"\n\
         first: auto, min_version: 1.3\n connection_rate_limit: 7 }\nallow_non_tls: true\n"
            .replace("1.3", "\"1.3\"")
            .as_str(),
    );
    let tls = config.listeners[0].tls.as_ref().expect("TLS is written");
    assert_eq!((&*tls.certificates[0].cert_file, tls.ca_file.as_deref()), ("c", Some("a")));
    assert!(tls.verify && tls.verify_and_map && tls.allow_non_tls);
    assert_eq!((tls.timeout_ns, tls.connection_rate_limit), (3_000_000_000, Some(7)));
    assert_eq!(tls.handshake_first, HandshakeFirst::Auto(50_000_000));
    assert_eq!(tls.min_version, Some(TlsVersion::V13));
}

#[test]
fn listeners_stand_beside_the_classic_one() {
    let config = config(
        "port: 1\nlisteners { a { unix: /s, mode: 0660, max_connections: 3 }\n\
         b { listen: \"[::1]:-1\", connection_type: websocket, proxy_protocol: true } }\n",
    );
    let [_, a, b] = &config.listeners[..] else { panic!("three listeners") };
    assert_eq!(a.address, Address::Unix { path: "/s".into(), mode: Some(0o660) });
    assert_eq!((&*a.name, a.connections_max), ("a", Some(3)));
    assert_eq!(b.address, Address::Tcp { host: "::1".into(), port: 0 });
    assert_eq!((b.connection_type, b.proxy_protocol), (ConnectionType::WebSocket, true));
    for (text, error) in [
        ("a {}", "a listener needs \"listen\" or \"unix\""),
        ("a { listen: 1, unix: x }", "either \"listen\" or \"unix\""),
        ("a { listen: 1, mode: 0600 }", "\"mode\" is for Unix sockets"),
        ("a { unix: x, mode: 0900 }", "permission bits"),
        ("default { listen: 1 }", "is the one of the classic keys"),
        ("a { listen: 4222 }", "two listeners have the same address"),
        ("a { listen: 1 }, b { listen: 1 }", "another listener has the same address"),
        ("a { listen: 1, connection_type: SMTP }", "unknown connection type"),
    ] {
        let errors = errors(&format!("listeners {{ {text} }}"));
        assert!(errors.iter().any(|line| line.contains(error)), "{text}: {errors:?}");
    }
}

#[test]
fn resolvers_are_memory_directories_or_addresses() {
    let key = nkeys::KeyPair::new_operator().public_key();
    for (text, resolver) in [
        ("MEMORY", Resolver::Memory),
        ("mem", Resolver::Memory),
        ("URL(http://h:1/x)", Resolver::Url("http://h:1/x".into())),
        ("\"url( https://h )\"", Resolver::Url("https://h".into())),
        ("{ type: MEM }", Resolver::Memory),
        ("{ type: full, dir: d }", Resolver::Directory("d".into())),
        ("{ type: cache, dir: d, ttl: '1h' }", Resolver::Directory("d".into())),
    ] {
        let text = format!("trusted_keys: [{key}]\nsystem_account: S\nresolver: {text}\n");
        let operator = config(&text).access.operator.expect("operator mode");
        assert_eq!(operator.resolver, resolver, "{text}");
        assert_eq!(operator.trusted_keys, [key.as_str().into()]);
    }
    assert!(config("resolver: MEMORY").access.operator.is_none());
}

#[test]
fn an_auth_callout_names_who_decides() {
    let account = nkeys::KeyPair::new_account().public_key();
    let config = config(&format!(
        "accounts {{ A {{ users [ {{user: s}} ] }} }}\n\
         authorization {{ auth_callout {{ issuer: {account}, account: A, users: [s] }} }}\n"
    ));
    let callout = Callout {
        issuer: account.into(),
        account: Some("A".into()),
        auth_users: vec!["s".into()],
        xkey: None,
        allowed_accounts: Vec::new(),
    };
    assert_eq!(config.access.callout, Some(callout));
}
