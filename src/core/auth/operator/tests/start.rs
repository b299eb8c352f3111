//! What a configuration of operator mode may say, and what it is told when it is wrong.

use nkeys::KeyPair;
use serde_json::{Value, json};

use super::fixtures::*;
use crate::config::access::{Operator, Resolver};
use crate::core::auth::authority::Vouching;
use crate::core::auth::jwt::JwtError;
use crate::core::auth::operator::{
    AccountError, OperatorError, OperatorState, Surroundings, Verdict,
};

fn start(written: &Operator) -> Result<OperatorState, OperatorError> {
    OperatorState::new(written, &surroundings()).map(|(state, _)| state)
}
/// What becomes of an operator with these claims.
fn operator(over: Value) -> Result<OperatorState, OperatorError> {
    let house = House::new();
    start(&Operator { jwts: vec![house.operator_jwt(over).into()], ..Operator::default() })
}

#[test]
fn an_operator_signs_its_own_jwt() {
    let (house, other) = (House::new(), KeyPair::new_operator());
    let claims = json!({"sub": house.operator.public_key(),
        "nats": {"type": "operator", "version": 2}});
    let written =
        |claims: Value| Operator { jwts: vec![sign(claims, &other).into()], ..Operator::default() };
    assert_eq!(start(&written(claims.clone())), Err(OperatorError::NotSelfSigned(0)));
    let signing = json!({"nats": {"signing_keys": [other.public_key()]}});
    assert!(start(&written(with(claims, &signing))).is_ok());
    let wrong = Operator { jwts: vec!["eyJ.eyJ.x".into()], ..Operator::default() };
    assert_eq!(start(&wrong), Err(OperatorError::Operator(0, JwtError::Malformed)));
}

#[test]
fn keys_of_an_operator_are_keys() {
    let account = KeyPair::new_account().public_key();
    let signing = json!({"nats": {"signing_keys": [account]}});
    assert_eq!(operator(signing), Err(OperatorError::OperatorKey(0)));
    let system = json!({"nats": {"system_account": "SYS"}});
    assert_eq!(operator(system), Err(OperatorError::OperatorKey(0)));
    let trusted = Operator { trusted_keys: vec![account.as_str().into()], ..Operator::default() };
    assert_eq!(start(&trusted), Err(OperatorError::Key(account.as_str().into())));
    let pinned = Operator { pinned_accounts: vec!["A".into()], ..Operator::default() };
    assert_eq!(start(&pinned), Err(OperatorError::Key("A".into())));
    let mut both = House::new().written();
    both.trusted_keys = vec![KeyPair::new_operator().public_key().into()];
    assert_eq!(start(&both), Err(OperatorError::TrustedTwice));
}

#[test]
fn an_operator_may_want_a_later_server() {
    let wanting = |version: &str| operator(json!({"nats": {"assert_server_version": version}}));
    for fine in ["", "2.14.0", "2.13.99", "1.99.99"] {
        assert!(wanting(fine).is_ok(), "{fine}");
    }
    for refused in ["2.14.1", "2.15.0", "3.0.0", "2.14", "a.b.c", "-1.0.0"] {
        assert_eq!(wanting(refused), Err(OperatorError::Version(refused.into())));
    }
}

#[test]
fn accounts_are_signed_by_trusted_keys() {
    let house = House::new();
    let signing = KeyPair::new_operator();
    let account = house.account.public_key();
    let learn = |state: &OperatorState, key: &KeyPair| {
        state.clone().learn(&account, &sign(house.account_claims(), key)).map(|_| ())
    };
    let keys = json!({"nats": {"signing_keys": [signing.public_key()]}});
    let state = |over: Value| {
        let jwts = vec![house.operator_jwt(over).into()];
        start(&Operator { jwts, ..Operator::default() }).unwrap()
    };
    let both = state(keys.clone());
    assert_eq!((learn(&both, &signing), learn(&both, &house.operator)), (Ok(()), Ok(())));
    let strict = state(with(keys, &json!({"nats": {"strict_signing_key_usage": true}})));
    assert_eq!(learn(&strict, &signing), Ok(()));
    assert_eq!(learn(&strict, &house.operator), Err(AccountError::Issuer));
    let trusted = vec![signing.public_key().into()];
    let listed = start(&Operator { trusted_keys: trusted, ..Operator::default() }).unwrap();
    assert_eq!(learn(&listed, &signing), Ok(()));
    assert_eq!(learn(&listed, &house.operator), Err(AccountError::Issuer));
}

#[test]
fn strict_operators_want_signing_keys_of_accounts_too() {
    let house = House::new();
    let (operator_key, account_key) = (KeyPair::new_operator(), KeyPair::new_account());
    let jwt = house.operator_jwt(json!({"nats": {"strict_signing_key_usage": true,
        "signing_keys": [operator_key.public_key()]}}));
    let mut state = start(&Operator { jwts: vec![jwt.into()], ..Operator::default() }).unwrap();
    let keys = json!({"nats": {"signing_keys": [account_key.public_key()]}});
    let account = sign(with(house.account_claims(), &keys), &operator_key);
    state.learn(&house.account.public_key(), &account).unwrap();
    let own = house.request(&house.user_jwt(json!({})));
    assert!(outcome(&state, &own).is_err());
    let signed = house.request(&house.scoped_jwt(&account_key, json!({})));
    assert_eq!(outcome(&state, &signed), Ok(()));
}

#[test]
fn the_system_account_is_said_once() {
    let house = House::new();
    let key = house.account.public_key();
    let start = |named: Option<&str>, written: Option<&str>| {
        let nats = json!({"nats": {"system_account": named}});
        let jwts = vec![house.operator_jwt(nats).into()];
        let system_account = written.map(Into::into);
        let around = Surroundings { system_account, ..surroundings() };
        let found = OperatorState::new(&Operator { jwts, ..Operator::default() }, &around);
        found.map(|(state, _)| state.system_account().map(str::to_owned))
    };
    let other = KeyPair::new_account().public_key();
    assert_eq!(start(None, None), Ok(None));
    assert_eq!(start(Some(&key), None), Ok(Some(key.clone())));
    assert_eq!(start(None, Some(&key)), Ok(Some(key.clone())));
    assert_eq!(start(Some(&key), Some(&key)), Ok(Some(key.clone())));
    assert_eq!(start(Some(&key), Some(&other)), Err(OperatorError::SystemAccount));
    assert_eq!(start(None, Some("SYS")), Err(OperatorError::Key("SYS".into())));
}

#[test]
fn preloaded_accounts_are_jwts_and_those_that_are_wrong_are_told() {
    let house = House::new();
    let key: Box<str> = house.account.public_key().into();
    let with_preload = |text: String| {
        let written = Operator { preload: vec![(key.clone(), text.into())], ..house.written() };
        OperatorState::new(&written, &surroundings()).map(|(state, problems)| {
            (
                state.account(&key).is_some(),
                problems.into_iter().map(|problem| problem.error).collect(),
            )
        })
    };
    assert_eq!(with_preload(house.account_jwt(json!({}))), Ok((true, vec![])));
    let stranger = sign(house.account_claims(), &KeyPair::new_operator());
    assert_eq!(with_preload(stranger), Ok((false, vec![AccountError::Issuer])));
    let other = house.account_jwt(json!({"sub": KeyPair::new_account().public_key()}));
    assert_eq!(with_preload(other), Ok((false, vec![AccountError::Subject])));
    let user = house.user_jwt(json!({}));
    let error = OperatorError::Preload(key.clone(), JwtError::Kind);
    assert_eq!(with_preload(user), Err(error));
}

#[test]
fn a_sentinel_needs_no_seed() {
    let house = House::new();
    let with_sentinel = |text: String| {
        let default_sentinel = Some(text.into());
        start(&Operator { default_sentinel, ..house.written() }).map(|_| ())
    };
    let bearer = json!({"nats": {"bearer_token": true}});
    assert_eq!(with_sentinel(house.user_jwt(bearer)), Ok(()));
    assert_eq!(with_sentinel(house.user_jwt(json!({}))), Err(OperatorError::SentinelProof));
    let scoped = house.scoped_jwt(&KeyPair::new_account(), json!({}));
    assert_eq!(with_sentinel(scoped), Ok(()));
    let account = house.account_jwt(json!({}));
    assert_eq!(with_sentinel(account), Err(OperatorError::Sentinel(JwtError::Kind)));
}

#[test]
fn a_single_operator_may_say_where_accounts_are() {
    let house = House::new();
    let url = json!({"nats": {"account_server_url": "http://localhost:9090/jwt/v1/"}});
    let mut written =
        Operator { jwts: vec![house.operator_jwt(url).into()], ..Operator::default() };
    let resolves = |written: &Operator| start(written).unwrap().resolver_url(written);
    assert_eq!(resolves(&written).as_deref(), Some("http://localhost:9090/jwt/v1/accounts"));
    let request = house.request(&house.user_jwt(json!({})));
    let verdict = start(&written).unwrap().decide(&request, Vouching::Absent);
    assert!(matches!(verdict, Verdict::Fetch(_)));
    written.resolver = Resolver::Url("http://other/".into());
    assert_eq!(resolves(&written).as_deref(), Some("http://other/"));
    written.resolver = Resolver::Directory("/jwts".into());
    assert_eq!(resolves(&written), None);
    written.resolver = Resolver::Memory;
    written.preload =
        vec![(house.account.public_key().into(), house.account_jwt(json!({})).into())];
    assert_eq!(resolves(&written), None);
}

#[test]
fn errors_are_told_in_words() {
    let told = OperatorError::Operator(1, JwtError::Signature).to_string();
    assert_eq!(told, "operator JWT 2: the signature is not the issuer's");
}
