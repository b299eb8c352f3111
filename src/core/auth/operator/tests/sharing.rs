//! Accounts as the core gets to know them: bounds, exports, imports and their tokens.

use nkeys::KeyPair;
use serde_json::{Value, json};

use super::fixtures::*;
use crate::config::access::{
    Account, Destination, Latency, Mapping, ResponseType, Sampling, ShareKind,
};
use crate::core::auth::operator::{AccountError, OperatorState};

/// An account with these exports, and another with one import of it.
struct Pair {
    house: House,
    importer: KeyPair,
    state: OperatorState,
}

impl Pair {
    fn new(exporter: Value) -> Self {
        let house = House::new();
        let state = house.state(json!({"nats": exporter}));
        Self { house, importer: KeyPair::new_account(), state }
    }
    fn learn(&mut self, import: Value) -> Result<(), AccountError> {
        let key = self.importer.public_key();
        let base = json!({"type": "stream", "subject": "orders.>",
            "account": self.house.account.public_key()});
        let over = json!({"sub": key, "nats": {"imports": [with(base, &import)]}});
        self.state.learn(&key, &self.house.account_jwt(over)).map(|_| ())
    }
    /// Imports that are made, and when that changes.
    fn made(&self, now: i64) -> (usize, Option<i64>) {
        let (accounts, change) = self.state.accounts(now);
        let key = self.importer.public_key();
        let importer = accounts.iter().find(|account| *account.name == key).unwrap();
        (importer.imports.len(), change)
    }
    /// An activation token with claims laid over the right ones, by the exporter unless another
    /// key signs.
    fn token(&self, over: Value, signer: Option<&KeyPair>) -> String {
        let nats = json!({"type": "activation", "version": 2, "kind": "stream",
            "subject": "orders.>"});
        let claims = json!({"sub": self.importer.public_key(), "nats": nats});
        sign(with(claims, &over), signer.unwrap_or(&self.house.account))
    }
}

fn private() -> Value {
    json!({"exports": [{"type": "stream", "subject": "orders.>", "token_req": true}]})
}

#[test]
fn a_public_export_is_imported_without_a_token() {
    let exports = json!({"exports": [{"type": "stream", "subject": "orders.*.new"},
        {"type": "service", "subject": "orders.>"}]});
    let mut pair = Pair::new(exports);
    for (import, made) in [
        (json!({"subject": "orders.*.new"}), 1),
        (json!({"subject": "orders.eu.new"}), 1),
        (json!({"subject": "orders.>"}), 0),
        (json!({"subject": "orders.eu.old"}), 0),
        (json!({"subject": "orders.eu.old", "type": "service"}), 1),
    ] {
        pair.learn(import.clone()).unwrap();
        assert_eq!(pair.made(NOW), (made, None), "{import}");
    }
    pair.state.forget(&pair.house.account.public_key());
    assert_eq!(pair.made(NOW), (0, None));
    let missing: Vec<String> = pair.state.missing().into_iter().map(str::to_owned).collect();
    assert_eq!(missing, [pair.house.account.public_key()]);
}

#[test]
fn a_private_export_wants_a_token_of_the_exporter() {
    let mut pair = Pair::new(private());
    let mut with_token = |over: Value, signer: Option<&KeyPair>| {
        let token = pair.token(over, signer);
        pair.learn(json!({"token": token})).map(|()| pair.made(NOW).0)
    };
    assert_eq!(with_token(json!({}), None), Ok(1));
    assert_eq!(with_token(json!({"nats": {"subject": ">"}}), None), Ok(1));
    // For another account, subject or kind, or from somebody else, the whole JWT is void.
    let other = KeyPair::new_account();
    let foreign = json!({"sub": other.public_key()});
    assert_eq!(with_token(foreign, None), Err(AccountError::Claims));
    let narrow = json!({"nats": {"subject": "orders.eu"}});
    assert_eq!(with_token(narrow, None), Err(AccountError::Claims));
    let service = json!({"nats": {"kind": "service"}});
    assert_eq!(with_token(service, None), Err(AccountError::Claims));
    assert_eq!(with_token(json!({}), Some(&other)), Err(AccountError::Claims));
    let user = KeyPair::new_user();
    assert_eq!(with_token(json!({}), Some(&user)), Err(AccountError::Claims));
    assert_eq!(pair.learn(json!({"token": "eyJhbGciOi"})), Err(AccountError::Claims));
    // Without one, the account stands and the import does not.
    assert_eq!(pair.learn(json!({"token": null})), Ok(()));
    assert_eq!(pair.made(NOW).0, 0);
}

#[test]
fn who_signs_a_token_for_the_exporter_must_be_its_signing_key() {
    let signing = KeyPair::new_account();
    let keys = json!({"signing_keys": [signing.public_key()]});
    let mut pair = Pair::new(with(private(), &keys));
    let named = json!({"nats": {"issuer_account": pair.house.account.public_key()}});
    for (signer, made) in [(signing, 1), (KeyPair::new_account(), 0)] {
        let token = pair.token(named.clone(), Some(&signer));
        pair.learn(json!({"token": token})).unwrap();
        assert_eq!(pair.made(NOW).0, made);
    }
    let elsewhere = json!({"nats": {"issuer_account": KeyPair::new_account().public_key()}});
    let token = pair.token(elsewhere, None);
    pair.learn(json!({"token": token})).unwrap();
    assert_eq!(pair.made(NOW).0, 0);
}

#[test]
fn tokens_have_times_and_are_revoked() {
    let mut pair = Pair::new(private());
    let token = pair.token(json!({"exp": NOW + 60, "nbf": NOW - 60}), None);
    pair.learn(json!({"token": token})).unwrap();
    assert_eq!(pair.made(NOW), (1, Some(NOW + 60)));
    assert_eq!(pair.made(NOW + 60), (0, None));
    assert_eq!(pair.made(NOW - 61), (0, Some(NOW - 60)));
    for (who, at, made) in [
        (pair.importer.public_key(), NOW, 0),
        ("*".to_owned(), NOW, 0),
        ("*".to_owned(), NOW - 1, 1),
        (KeyPair::new_account().public_key(), NOW, 1),
    ] {
        let exports = json!([{"type": "stream", "subject": "orders.>", "token_req": true,
            "revocations": {who: at}}]);
        let text = pair.house.account_jwt(json!({"nats": {"exports": exports}}));
        pair.state.learn(&pair.house.account.public_key(), &text).unwrap();
        assert_eq!(pair.made(NOW).0, made);
    }
}

#[test]
fn accounts_tell_when_they_change_by_themselves() {
    let house = House::new();
    let state = house.state(json!({"exp": NOW + 9, "nbf": NOW - 9}));
    assert_eq!(state.accounts(NOW).1, Some(NOW + 9));
    assert_eq!(state.accounts(NOW - 10).1, Some(NOW - 9));
    assert_eq!(state.accounts(NOW + 9).1, None);
}

fn account(nats: Value) -> Option<Account> {
    let house = House::new();
    let mut state = OperatorState::new(&house.written(), &surroundings()).unwrap().0;
    let text = house.account_jwt(json!({"nats": nats}));
    state.learn(&house.account.public_key(), &text).ok()?;
    let account = state.account(&house.account.public_key())?;
    Some(account.written().clone())
}

#[test]
fn bounds_are_none_when_negative_and_nothing_when_left_out() {
    let limits = json!({"subs": 9, "payload": 8, "conn": 7, "leaf": -5});
    let found = account(json!({"limits": limits})).unwrap().limits;
    assert_eq!((found.subscriptions_max, found.payload_max), (Some(9), Some(8)));
    assert_eq!((found.connections_max, found.leafs_max), (Some(7), None));
    let found = account(json!({"limits": {"subs": null, "conn": null}})).unwrap().limits;
    assert_eq!((found.subscriptions_max, found.connections_max), (Some(0), Some(0)));
}

#[test]
fn exports_come_over() {
    let found = account(json!({"exports": [
        {"type": "service", "subject": "a.*", "response_type": "Chunked",
            "response_threshold": 5, "account_token_position": 2, "allow_trace": true,
            "service_latency": {"sampling": 40, "results": "lat"}},
        {"type": "service", "subject": "b", "response_type": "Stream",
            "service_latency": {"sampling": "headers", "results": "lat"}},
    ]}));
    let exports = found.unwrap().exports;
    let first = &exports[0];
    assert_eq!((first.kind, &*first.subject), (ShareKind::Service, "a.*"));
    assert_eq!((first.response, first.response_threshold_ns), (ResponseType::Chunked, Some(5)));
    assert_eq!((first.account_token_position, first.allow_trace), (Some(2), true));
    let latency = |sampling| Some(Latency { subject: "lat".into(), sampling });
    assert_eq!(first.latency, latency(Sampling::Percent(40)));
    assert_eq!(exports[1].response, ResponseType::Stream);
    assert_eq!(exports[1].latency, latency(Sampling::Headers));
}

#[test]
fn exports_that_are_wrong_void_the_account() {
    for wrong in [
        json!({"type": "stream", "subject": ""}),
        json!({"type": "stream", "subject": "a..b"}),
        json!({"type": "telex", "subject": "a"}),
        json!({"subject": "a"}),
        json!({"type": "stream", "subject": "a", "response_type": "Stream"}),
        json!({"type": "service", "subject": "a", "response_type": "Telex"}),
        json!({"type": "stream", "subject": "a", "response_threshold": 1}),
        json!({"type": "service", "subject": "a", "response_threshold": -1}),
        json!({"type": "stream", "subject": "a", "allow_trace": true}),
        json!({"type": "service", "subject": "a.b", "account_token_position": 1}),
        json!({"type": "service", "subject": "*.b", "account_token_position": 2}),
        json!({"type": "service", "subject": "*", "account_token_position": 3}),
        json!({"type": "service", "subject": "*", "account_token_position": -1}),
        json!({"type": "service", "subject": "a",
            "service_latency": {"sampling": 101, "results": "l"}}),
        json!({"type": "service", "subject": "a",
            "service_latency": {"sampling": 50, "results": "l.*"}}),
        json!({"type": "stream", "subject": "a",
            "service_latency": {"sampling": 50, "results": "l"}}),
    ] {
        assert_eq!(account(json!({"exports": [wrong.clone()]})), None, "{wrong}");
    }
    let overlap =
        json!([{"type": "stream", "subject": "a.*"}, {"type": "stream", "subject": "a.b"}]);
    assert_eq!(account(json!({"exports": overlap})), None);
    let apart =
        json!([{"type": "stream", "subject": "a.*"}, {"type": "service", "subject": "a.b"}]);
    assert!(account(json!({"exports": apart})).is_some());
    let limits =
        |nats: Value| with(json!({"exports": [{"type": "stream", "subject": "a.*"}]}), &nats);
    assert_eq!(account(limits(json!({"limits": {"exports": 0}}))), None);
    let no_wildcards = json!({"limits": {"exports": 1, "wildcards": false}});
    assert_eq!(account(limits(no_wildcards)), None);
    assert!(account(limits(json!({"limits": {"exports": 1}}))).is_some());
}

#[test]
fn imports_come_over_in_both_spellings() {
    let other = KeyPair::new_account().public_key();
    let import = |over: Value| {
        let base = json!({"type": "stream", "subject": "a.*", "account": other});
        let found = account(json!({"imports": [with(base, &over)]}))?;
        let import = found.imports.into_iter().next()?;
        Some((String::from(import.subject), import.to.map(String::from)))
    };
    let same = |subject: &str, to: &str| Some((subject.to_owned(), Some(to.to_owned())));
    assert_eq!(import(json!({})), Some(("a.*".to_owned(), None)));
    assert_eq!(import(json!({"local_subject": "x.$1"})), same("a.*", "x.$1"));
    assert_eq!(import(json!({"local_subject": "x.*"})), same("a.*", "x.*"));
    assert_eq!(import(json!({"to": "x"})), same("a.*", "x.a.*"));
    assert_eq!(import(json!({"to": "x", "type": "service", "subject": "y"})), same("x", "y"));
    let service = json!({"type": "service", "local_subject": "x.$1"});
    assert_eq!(import(service), same("a.*", "x.$1"));
    for wrong in [
        json!({"account": ""}),
        json!({"subject": ""}),
        json!({"local_subject": "x"}),
        json!({"local_subject": "x.$2"}),
        json!({"local_subject": "x.$0"}),
        json!({"local_subject": "x.$1.$1"}),
        json!({"local_subject": "x.>"}),
        json!({"local_subject": "x.*", "to": "y"}),
        json!({"share": true}),
        json!({"type": "service", "allow_trace": true}),
        json!({"type": "telex"}),
    ] {
        assert_eq!(import(wrong.clone()), None, "{wrong}");
    }
}

#[test]
fn services_of_one_account_may_not_overlap() {
    let (one, two) = (KeyPair::new_account().public_key(), KeyPair::new_account().public_key());
    let import = |account: &str, local: &str| {
        let base = json!({"type": "service", "subject": "a.*", "account": account});
        with(base, &json!({"local_subject": local}))
    };
    let both = |left: Value, right: Value| account(json!({"imports": [left, right]})).is_some();
    assert!(both(import(&one, "x.$1"), import(&one, "y.$1")));
    assert!(!both(import(&one, "x.$1"), import(&one, "x.*")));
    assert!(both(import(&one, "x.$1"), import(&two, "x.$1")));
}

#[test]
fn mappings_come_over() {
    let found = account(json!({"mappings": {"a": [{"subject": "b", "weight": 30},
        {"subject": "c", "weight": 70}, {"subject": "d", "cluster": "east"}]}}));
    let destination = |subject: &str, weight, cluster: Option<&str>| Destination {
        subject: subject.into(),
        weight,
        cluster: cluster.map(Into::into),
    };
    let destinations = vec![
        destination("b", 30, None),
        destination("c", 70, None),
        destination("d", 100, Some("east")),
    ];
    assert_eq!(found.unwrap().mappings, [Mapping { source: "a".into(), destinations }]);
    for wrong in [
        json!({"a": [{"subject": "b", "weight": 101}]}),
        json!({"a": [{"subject": "b", "weight": 60}, {"subject": "c", "weight": 41}]}),
        json!({"a": [{"subject": ""}]}),
        json!({"a..b": [{"subject": "c"}]}),
        json!({"a": [{"subject": "b", "weight": 256}]}),
    ] {
        assert_eq!(account(json!({"mappings": wrong.clone()})), None, "{wrong}");
    }
}

#[test]
fn the_rest_of_an_account_is_checked_too() {
    let (account_key, user_key) = (KeyPair::new_account().public_key(), KeyPair::new_user());
    let user_key = user_key.public_key();
    for wrong in [
        json!({"signing_keys": [user_key]}),
        json!({"signing_keys": ["A"]}),
        json!({"signing_keys": [{"kind": "telex", "key": account_key}]}),
        json!({"signing_keys": [{"kind": "user_scope", "key": user_key}]}),
        json!({"signing_keys": [account_key, {"kind": "user_scope", "key": account_key}]}),
        json!({"default_permissions": {"pub": {"allow": ["a..b"]}}}),
        json!({"authorization": {"auth_users": [account_key]}}),
        json!({"authorization": {"allowed_accounts": [account_key]}}),
        json!({"authorization": {"auth_users": [user_key],
            "allowed_accounts": ["*", account_key]}}),
        json!({"authorization": {"auth_users": [user_key], "xkey": account_key}}),
        json!({"exports": [null]}),
        json!({"imports": [null]}),
    ] {
        assert_eq!(account(wrong.clone()), None, "{wrong}");
    }
    let known = json!({"authorization": {"auth_users": [user_key], "allowed_accounts": ["*"]}});
    assert!(account(known).is_some());
}
