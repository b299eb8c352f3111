//! Every method with right, wrong, missing, second-listed and other-type credentials.

use super::*;
use crate::config::access::Rule;

#[test]
fn without_users_everybody_is_let_in() {
    let open = authority(&Access::default());
    assert!(open.is_open() && !open.is_required() && !open.wants_nonce());
    for request in [request(), named("a", "b"), token("t")] {
        assert!(open.is_cheap(&request));
        assert_eq!(outcome(&open, &request), "$G/");
    }
}

#[test]
fn users_are_known_by_name_and_password() {
    let access = users(vec![user("a", "one"), user("b", &hashed("two", 4)), user("c", "three")]);
    let ready = authority(&access);
    assert!(!ready.is_open() && ready.is_required() && !ready.wants_nonce());
    for (name, pass, expected) in [
        ("a", "one", "$G/a"),
        ("b", "two", "$G/b"),
        ("c", "three", "$G/c"),
        ("a", "two", "Credentials"),
        ("a", "", "Credentials"),
        ("b", "one", "Credentials"),
        ("b", "", "Credentials"),
        ("A", "one", "Credentials"),
        ("a ", "one", "Credentials"),
        ("d", "one", "Credentials"),
        ("", "one", "Credentials"),
    ] {
        assert_eq!(outcome(&ready, &named(name, pass)), expected, "{name} {pass}");
    }
    check(&access, &request(), "Credentials");
    check(&access, &token("one"), "Credentials");
    check(&access, &with(|it| it.pass = Some(Secret::new("one"))), "Credentials");
    // The hash itself is no password.
    check(&access, &named("b", &hashed("two", 4)), "Credentials");
    // Other credentials beside the right ones do not matter.
    let mut both = named("a", "one");
    both.credentials.token = Some(Secret::new("t"));
    both.credentials.jwt = Some(Secret::new("j"));
    both.credentials.nkey = Some("k".into());
    check(&access, &both, "$G/a");
}

#[test]
fn a_token_is_all_that_is_asked_for() {
    for stored in ["s3cret".to_owned(), hashed("s3cret", 4)] {
        let access = Access { token: Some(Secret::new(stored.as_str())), ..Access::default() };
        let ready = authority(&access);
        assert!(ready.is_required());
        check(&access, &token("s3cret"), "$G/");
        for wrong in [
            request(),
            token("s3cre"),
            token(""),
            token("s3cret "),
            named("s3cret", "s3cret"),
            with(|it| it.pass = Some(Secret::new("s3cret"))),
        ] {
            check(&access, &wrong, "Credentials");
        }
    }
}

#[test]
fn the_single_user_has_a_name_and_a_password() {
    for stored in ["s3cret".to_owned(), hashed("s3cret", 4)] {
        let single = Some(("a".into(), Secret::new(stored.as_str())));
        let access = Access { single, ..Access::default() };
        assert!(authority(&access).is_required());
        check(&access, &named("a", "s3cret"), "$G/a");
        for wrong in [request(), named("a", ""), named("b", "s3cret"), token("s3cret")] {
            check(&access, &wrong, "Credentials");
        }
    }
}

#[test]
fn keys_are_proved_by_signing_the_nonce() {
    let (first, second, other) = (KeyPair::new_user(), KeyPair::new_user(), KeyPair::new_user());
    let access = users(vec![nkey_user(&first), nkey_user(&second), user("a", "one")]);
    let ready = authority(&access);
    assert!(ready.wants_nonce());
    for pair in [&first, &second] {
        let key = pair.public_key();
        assert_eq!(outcome(&ready, &signed(&key, pair, NONCE)), format!("$G/{key}"));
        for wrong in [
            signed(&key, pair, "another nonce"),
            signed(&key, pair, ""),
            signed(&key, &other, NONCE),
            with(|it| it.nkey = Some(key.as_str().into())),
            with(|it| it.sig = Some(sign(pair, NONCE))),
            signed(&key.to_lowercase(), pair, NONCE),
        ] {
            assert_eq!(outcome(&ready, &wrong), "Credentials");
        }
    }
    let stranger = signed(&other.public_key(), &other, NONCE);
    assert_eq!(outcome(&ready, &stranger), "Credentials");
    // A key that is presented must be right, whatever else is.
    let mut both = named("a", "one");
    both.credentials.nkey = Some("UABC".into());
    assert_eq!(outcome(&ready, &both), "Credentials");
    assert_eq!(outcome(&ready, &named("a", "one")), "$G/a");
}

#[test]
fn signatures_come_padded_or_not() {
    let pair = KeyPair::new_user();
    let signature = pair.sign(NONCE.as_bytes()).unwrap();
    let key = pair.public_key();
    for text in [
        data_encoding::BASE64URL_NOPAD.encode(&signature),
        data_encoding::BASE64.encode(&signature),
    ] {
        let request = with(|it| {
            it.nkey = Some(key.as_str().into());
            it.sig = Some(Secret::new(text));
        });
        check(&users(vec![nkey_user(&pair)]), &request, &format!("$G/{key}"));
    }
}

#[test]
fn connection_types_are_held_to_on_every_way() {
    use super::super::super::certificate::tests::{CN, UTF8, certificate};
    let pair = KeyPair::new_user();
    let cert = certificate(&[&[(CN, UTF8, b"c")]], &[]);
    let only = |mut user: access::User| {
        user.connection_types = vec![ConnectionType::WebSocket, ConnectionType::Mqtt];
        user
    };
    let mut access = users(vec![
        only(user("a", "one")),
        only(user("b", &hashed("two", 4))),
        only(nkey_user(&pair)),
        only(user("CN=c", "")),
        only(user("guest", "g")),
    ]);
    access.no_auth_user = Some("guest".into());
    let ready = authority(&access);
    let key = pair.public_key();
    for (request, name, unmapped) in [
        (named("a", "one"), "a", "ConnectionType"),
        (named("b", "two"), "b", "ConnectionType"),
        (signed(&key, &pair, NONCE), &*key, "ConnectionType"),
        (certified(cert), "CN=c", "Credentials"),
        (request(), "guest", "ConnectionType"),
    ] {
        let over = |way| AuthRequest { connection_type: way, ..request.clone() };
        for way in [ConnectionType::WebSocket, ConnectionType::Mqtt] {
            assert_eq!(outcome(&ready, &over(way)), format!("$G/{name}"));
        }
        for way in [
            ConnectionType::Standard,
            ConnectionType::MqttWs,
            ConnectionType::InProcess,
            ConnectionType::LeafNode,
            ConnectionType::LeafNodeWs,
        ] {
            assert_eq!(outcome(&ready, &over(way)), unmapped, "{name} {way:?}");
        }
    }
}

#[test]
fn who_presents_nothing_becomes_the_guest() {
    let mut access = users(vec![user("a", "one"), user("guest", "secret")]);
    access.no_auth_user = Some("guest".into());
    let ready = authority(&access);
    assert!(!ready.is_required() && !ready.is_open());
    assert!(ready.is_cheap(&request()));
    for (request, expected) in [
        (request(), "$G/guest"),
        (with(|it| it.jwt = Some(Secret::new("j"))), "$G/guest"),
        (named("guest", "secret"), "$G/guest"),
        (named("guest", ""), "Credentials"),
        (named("a", "one"), "$G/a"),
        (named("a", "two"), "Credentials"),
        (token("t"), "Credentials"),
        (with(|it| it.pass = Some(Secret::new("secret"))), "Credentials"),
    ] {
        assert_eq!(outcome(&ready, &request), expected, "{request:?}");
    }
}

#[test]
fn a_key_may_be_the_guest() {
    let pair = KeyPair::new_user();
    let mut access = users(vec![nkey_user(&pair), user("a", "one")]);
    access.no_auth_user = Some(pair.public_key().into());
    let key = pair.public_key();
    let guest = format!("$G/{key}");
    check(&access, &request(), &guest);
    // What everybody may be needs no proof, as nats-server has it.
    check(&access, &with(|it| it.nkey = Some(key.as_str().into())), &guest);
    check(&access, &named("a", "one"), "$G/a");
    check(&access, &named("a", "two"), "Credentials");
    check(&access, &with(|it| it.nkey = Some("UABC".into())), "Credentials");
}

#[test]
fn a_guest_with_a_hashed_password_is_let_in_by_neither_broker() {
    let mut access = users(vec![user("guest", &hashed("secret", 4))]);
    access.no_auth_user = Some("guest".into());
    check(&access, &request(), "Credentials");
    check(&access, &named("guest", "secret"), "$G/guest");
}

#[test]
fn users_of_the_system_account_alone_close_nothing() {
    let system = access::User { account: "$SYS".into(), ..user("s", "secret") };
    let account = Account { name: "$SYS".into(), ..Account::default() };
    let access =
        Access { users: vec![system.clone()], accounts: vec![account], ..Access::default() };
    let ready = authority(&access);
    assert!(!ready.is_open() && ready.is_required());
    for (request, expected) in [
        (request(), "$G/"),
        (named("s", "secret"), "$SYS/s"),
        (named("s", "wrong"), "Credentials"),
        (named("x", ""), "Credentials"),
        (token("t"), "Credentials"),
    ] {
        assert_eq!(outcome(&ready, &request), expected, "{request:?}");
    }
    // An authorization block, or an account more, and nobody is let in unasked.
    let mut closed = access.clone();
    closed.authorization_block = true;
    check(&closed, &request(), "Credentials");
    let mut closed = access.clone();
    closed.accounts.push(Account { name: "A".into(), ..Account::default() });
    check(&closed, &request(), "Credentials");
    let mut closed = access;
    closed.system_account = Some("SYS".into());
    check(&closed, &request(), "Credentials");
}

#[test]
fn permissions_are_the_users_own_or_its_accounts() {
    let denies = |subject: &str| {
        let rule = Rule { subject: subject.into(), queue: None };
        let publish = access::Rules { allow: None, deny: vec![rule] };
        Some(access::Permissions { publish, ..access::Permissions::default() })
    };
    let of = |name: &str, account: &str, permissions| access::User {
        account: account.into(),
        permissions,
        ..user(name, "p")
    };
    let mut access = users(vec![
        of("own", "A", denies("own")),
        of("account", "A", None),
        of("none", "B", None),
        of("top", "$G", None),
        of("own-top", "$G", denies("own-top")),
    ]);
    access.default_permissions = denies("top");
    let account = |name: &str, default_permissions| Account {
        name: name.into(),
        default_permissions,
        ..Account::default()
    };
    access.accounts = vec![account("A", denies("account")), account("B", None)];
    let ready = authority(&access);
    for name in ["own", "account", "none", "top", "own-top"] {
        let Decision::Admit(admitted) = ready.decide(&named(name, "p")) else { panic!("{name}") };
        let denied = admitted.permissions.map(|it| it.written().publish.deny[0].subject.clone());
        let expected = Some(name).filter(|name| *name != "none");
        assert_eq!(denied.as_deref(), expected, "{name}");
    }
}

#[test]
fn the_rate_of_a_user_goes_with_it() {
    let rate = access::Rate { messages: Some(7), bytes: None };
    let access = users(vec![access::User { rate, ..user("a", "one") }]);
    let Decision::Admit(admitted) = authority(&access).decide(&named("a", "one")) else { panic!() };
    assert_eq!(admitted.limits, UserLimits { rate, ..UserLimits::default() });
}

#[test]
fn what_cannot_decide_is_refused_at_the_start() {
    let error = |access: &Access| Authority::new(access, &[], &Premises::default(), 7).unwrap_err();
    let twice = users(vec![user("a", "one"), user("a", "two")]);
    assert_eq!(error(&twice), AuthorityError::DuplicateUser("a".into()));
    let key = access::User { identity: Identity::Nkey("UABC".into()), ..user("", "") };
    assert_eq!(error(&users(vec![key])), AuthorityError::InvalidUserKey("UABC".into()));
    let account = KeyPair::new_account().public_key();
    let key = access::User { identity: Identity::Nkey(account.clone().into()), ..user("", "") };
    assert_eq!(error(&users(vec![key])), AuthorityError::InvalidUserKey(account.into()));
    let guest = Access { no_auth_user: Some("x".into()), ..users(vec![user("a", "one")]) };
    assert_eq!(error(&guest), AuthorityError::UnknownNoAuthUser("x".into()));
    let proxy = Access { trusted_proxies: vec!["x".into()], ..Access::default() };
    assert_eq!(error(&proxy), AuthorityError::InvalidProxyKey("x".into()));
    // What cannot be decided must never be an open door.
    let operator = Some(access::Operator::default());
    let error = error(&Access { operator, ..Access::default() });
    assert!(matches!(error, AuthorityError::Delegation(_)), "{error}");
}
