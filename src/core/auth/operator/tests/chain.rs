//! What the chain lets in, and with which rights.

use serde_json::{Value, json};

use super::fixtures::*;
use crate::config::Secret;
use crate::config::access::{ConnectionType, ResponseGrant, Rule};
use crate::core::auth::authority::Vouching;
use crate::core::auth::operator::{OperatorState, Verdict};
use crate::core::auth::{Admitted, AuthRequest, Refusal, UserLimits};

fn admitted(state: &OperatorState, request: &AuthRequest) -> Admitted {
    match state.decide_known(request, Vouching::Absent) {
        Verdict::Admit(admitted) => *admitted,
        other => panic!("{other:?}"),
    }
}
/// What becomes of a user with these claims in an account with those.
#[track_caller]
fn check(account: Value, user: Value, expected: Result<(), Refusal>) {
    let house = House::new();
    let request = house.request(&house.user_jwt(user));
    assert_eq!(outcome(&house.state(account), &request), expected);
}

#[test]
fn a_user_comes_in_by_its_account_and_operator() {
    let house = House::new();
    let found = admitted(&house.state(json!({})), &house.request(&house.user_jwt(json!({}))));
    assert_eq!(*found.account, house.account.public_key());
    assert_eq!(found.user.as_deref(), Some(&house.user.public_key()[..]));
    assert!(found.permissions.is_none());
    assert_eq!((found.expires_ms, found.limits), (None, UserLimits::default()));
    let grant = found.grant.unwrap();
    assert_eq!((&*grant.name, grant.issued_s), ("ann", NOW));
}

#[test]
fn both_versions_of_jwts_are_read() {
    let house = House::new();
    let limits = json!({"subs": 5, "payload": -1, "conn": 3, "imports": -1, "exports": -1});
    let account = json!({"sub": house.account.public_key(), "type": "account", "name": "old",
        "nats": {"limits": limits}});
    let operator = json!({"sub": house.operator.public_key(), "type": "operator", "nats": {}});
    let mut written = house.written();
    written.jwts = vec![sign_old(operator, &house.operator).into()];
    let (mut state, _) = OperatorState::new(&written, &surroundings()).unwrap();
    let text = sign_old(account, &house.operator);
    state.learn(&house.account.public_key(), &text).unwrap();
    let user = json!({"sub": house.user.public_key(), "type": "user",
        "issuer_account": house.account.public_key(),
        "nats": {"src": "10.0.0.0/8, 127.0.0.0/8", "sub": {"deny": ["b"]}}});
    let found = admitted(&state, &house.request(&sign_old(user, &house.account)));
    assert_eq!(&*found.permissions.unwrap().written().subscribe.deny[0].subject, "b");
    assert_eq!(found.limits.subscriptions_max, None);
    let (accounts, _) = state.accounts(NOW);
    assert_eq!(accounts[0].limits.connections_max, Some(3));
}

#[test]
fn times_are_absolute_and_the_last_second_counts() {
    let at = |exp: i64, nbf: i64| json!({"exp": exp, "nbf": nbf});
    check(json!({}), at(0, 0), Ok(()));
    check(json!({}), at(NOW, 0), Ok(()));
    check(json!({}), at(NOW - 1, 0), Err(Refusal::Expired));
    check(json!({}), at(-1, 0), Err(Refusal::Expired));
    check(json!({}), at(0, NOW), Ok(()));
    check(json!({}), at(0, NOW + 1), Err(Refusal::Jwt));
    check(at(NOW + 1, 0), json!({}), Ok(()));
    check(at(NOW, 0), json!({}), Err(Refusal::AccountExpired));
    check(at(0, NOW + 1), json!({}), Err(Refusal::Jwt));
}

#[test]
fn a_clock_that_jumps_changes_the_answer_and_nothing_else() {
    let house = House::new();
    let state = house.state(json!({}));
    let mut request = house.request(&house.user_jwt(json!({"exp": NOW + 10, "nbf": NOW - 10})));
    assert_eq!(
        admitted(&state, &request).expires_ms,
        Some(1000 * u64::try_from(NOW + 10).unwrap())
    );
    for (wall_s, expected) in [
        (NOW + 11, Err(Refusal::Expired)),
        (NOW - 11, Err(Refusal::Jwt)),
        (0, Err(Refusal::Jwt)),
        (NOW, Ok(())),
    ] {
        request.wall_ms = u64::try_from(wall_s).unwrap() * 1000;
        assert_eq!(outcome(&state, &request), expected, "{wall_s}");
    }
    request.wall_ms = u64::MAX;
    assert_eq!(outcome(&state, &request), Err(Refusal::Expired));
}

#[test]
fn revocations_take_what_was_issued_until_then() {
    let house = House::new();
    let key = house.user.public_key();
    for (list, issued, expected) in [
        (json!({&key: NOW}), NOW, Err(Refusal::Revoked)),
        (json!({&key: NOW}), NOW + 1, Ok(())),
        (json!({"*": NOW}), NOW, Err(Refusal::Revoked)),
        (json!({"*": NOW, &key: NOW + 5}), NOW + 5, Err(Refusal::Revoked)),
        (json!({"*": NOW}), NOW + 1, Ok(())),
        (json!({"another": NOW}), NOW, Ok(())),
    ] {
        let state = house.state(json!({"nats": {"revocations": list}}));
        let request = house.request(&house.user_jwt(json!({"iat": issued})));
        assert_eq!(outcome(&state, &request), expected, "{list} {issued}");
    }
}

#[test]
fn bearers_need_no_signature_unless_the_account_wants_one() {
    let house = House::new();
    let bearer = house.user_jwt(json!({"nats": {"bearer_token": true}}));
    let mut request = house.request(&bearer);
    request.credentials.sig = None;
    assert_eq!(outcome(&house.state(json!({})), &request), Ok(()));
    let strict = house.state(json!({"nats": {"limits": {"disallow_bearer": true}}}));
    assert_eq!(outcome(&strict, &request), Err(Refusal::Jwt));
    request.credentials.jwt = Some(Secret::new(house.user_jwt(json!({}))));
    assert_eq!(outcome(&house.state(json!({})), &request), Err(Refusal::Credentials));
}

#[test]
fn ways_to_connect_are_those_allowed() {
    let types = |list: Value| json!({"nats": {"allowed_connection_types": list}});
    check(json!({}), types(json!(["standard", "TELEX"])), Ok(()));
    check(json!({}), types(json!(["WEBSOCKET"])), Err(Refusal::ConnectionType));
    check(json!({}), types(json!(["TELEX"])), Err(Refusal::ConnectionType));
    let house = House::new();
    let jwt = house.user_jwt(types(json!(["WEBSOCKET"])));
    let request = AuthRequest { connection_type: ConnectionType::WebSocket, ..house.request(&jwt) };
    assert_eq!(outcome(&house.state(json!({})), &request), Ok(()));
}

#[test]
fn networks_and_times_restrict() {
    let user = |nats: Value| json!({"nats": nats});
    check(json!({}), user(json!({"src": ["10.0.0.0/8", "127.0.0.0/8"]})), Ok(()));
    check(json!({}), user(json!({"src": ["10.0.0.0/8"]})), Err(Refusal::Restricted));
    check(json!({}), user(json!({"src": ["nowhere"]})), Err(Refusal::Jwt));
    // The tests' time is 08:00:00 UTC.
    let times = |start: &str, end: &str| json!({"times": [{"start": start, "end": end}]});
    check(json!({}), user(times("07:00:00", "09:00:00")), Ok(()));
    check(json!({}), user(times("09:00:00", "10:00:00")), Err(Refusal::Restricted));
    check(json!({}), user(times("nine", "ten")), Err(Refusal::Jwt));
    check(json!({}), user(json!({"times_location": "Nowhere/Land"})), Err(Refusal::Jwt));
    let house = House::new();
    let nats = json!({"times": [{"start": "07:00:00", "end": "09:00:00"}], "src": ["::1/128"]});
    let jwt = house.user_jwt(json!({"exp": NOW + 7200, "nats": nats}));
    let mut request = house.request(&jwt);
    request.address = Some("::1".parse().unwrap());
    let hour = 1000 * u64::try_from(NOW + 3600).unwrap();
    assert_eq!(admitted(&house.state(json!({})), &request).expires_ms, Some(hour));
    request.address = None;
    assert_eq!(outcome(&house.state(json!({})), &request), Err(Refusal::Restricted));
}

#[test]
fn permissions_are_the_users_or_the_accounts() {
    let house = House::new();
    let default = json!({"nats": {"default_permissions": {"pub": {"allow": ["default"]}}}});
    let state = house.state(default);
    let found = admitted(&state, &house.request(&house.user_jwt(json!({}))));
    let rule = |subject: &str| Rule { subject: subject.into(), queue: None };
    assert_eq!(found.permissions.unwrap().written().publish.allow, Some(vec![rule("default")]));
    let own = json!({"nats": {"sub": {"allow": ["own"]}, "resp": {"max": 3, "ttl": 5}}});
    let found = admitted(&state, &house.request(&house.user_jwt(own)));
    let written = found.permissions.unwrap().written().clone();
    assert_eq!(written.subscribe.allow, Some(vec![rule("own")]));
    assert_eq!(written.publish.allow, Some(vec![]));
    assert_eq!(written.responses, Some(ResponseGrant { max: Some(3), expires_ns: Some(5) }));
}

#[test]
fn bounds_that_are_left_out_are_nothing_and_minus_one_is_any() {
    let house = House::new();
    let state = house.state(json!({}));
    let limits = |nats: Value| {
        let found = admitted(&state, &house.request(&house.user_jwt(json!({"nats": nats})))).limits;
        (found.subscriptions_max, found.payload_max)
    };
    assert_eq!(limits(json!({"subs": null, "payload": 7})), (Some(0), Some(7)));
    assert_eq!(limits(json!({"subs": -1, "payload": i64::MAX})), (None, Some(u32::MAX)));
}

#[test]
fn scoped_keys_prescribe_what_users_may() {
    let house = House::new();
    let key = nkeys::KeyPair::new_account();
    let template = json!({
        "pub": {"allow": ["user.{{name()}}.>", "team.{{tag(team)}}"], "deny": ["x"]},
        "sub": {"allow": ["{{account-name()}}.{{subject()}}"]},
        "payload": 64,
        "bearer_token": true,
    });
    let scope = json!({"kind": "user_scope", "key": key.public_key(), "role": "r",
        "template": template, "description": ""});
    let state = house.state(json!({"nats": {"signing_keys": [scope]}}));
    let jwt = house.scoped_jwt(&key, json!({"nats": {"tags": ["team:a", "team:b"]}}));
    let mut request = house.request(&jwt);
    request.credentials.sig = None;
    let found = admitted(&state, &request);
    let written = found.permissions.unwrap().written().clone();
    let subjects = |rules: Option<Vec<Rule>>| -> Vec<String> {
        rules.unwrap().into_iter().map(|rule| rule.subject.into()).collect()
    };
    assert_eq!(subjects(written.publish.allow), ["user.ann.>", "team.a", "team.b"]);
    let own = format!("shop.{}", house.user.public_key());
    assert_eq!(subjects(written.subscribe.allow), [own]);
    assert_eq!((found.limits.payload_max, found.limits.subscriptions_max), (Some(64), None));
}

#[test]
fn signing_keys_sign_for_their_account() {
    let house = House::new();
    let key = nkeys::KeyPair::new_account();
    let state = house.state(json!({"nats": {"signing_keys": [key.public_key()]}}));
    let with_rights = json!({"nats": {"pub": {"allow": ["a"]}, "subs": 3, "payload": -1}});
    let jwt = house.scoped_jwt(&key, with_rights);
    assert_eq!(admitted(&state, &house.request(&jwt)).limits.subscriptions_max, Some(3));
}

#[test]
fn the_sentinel_stands_in_for_those_without_a_jwt() {
    let house = House::new();
    let mut written = house.written();
    let sentinel = house.user_jwt(json!({"nats": {"bearer_token": true}}));
    written.default_sentinel = Some(sentinel.into());
    written.preload =
        vec![(house.account.public_key().into(), house.account_jwt(json!({})).into())];
    let (state, problems) = OperatorState::new(&written, &surroundings()).unwrap();
    assert!(problems.is_empty());
    assert_eq!(outcome(&state, &bare_request()), Ok(()));
    let mut request = bare_request();
    request.credentials.jwt = Some(Secret::new("no JWT"));
    assert_eq!(outcome(&state, &request), Ok(()));
    // A JWT that is one is not replaced, whatever is wrong with it.
    request.credentials.jwt = Some(Secret::new(house.user_jwt(json!({"exp": NOW - 1}))));
    assert_eq!(outcome(&state, &request), Err(Refusal::Expired));
}

#[test]
fn only_pinned_accounts_come_in() {
    let house = House::new();
    let mut written = house.written();
    written.preload =
        vec![(house.account.public_key().into(), house.account_jwt(json!({})).into())];
    let request = house.request(&house.user_jwt(json!({})));
    for (pinned, system, expected) in [
        (house.account.public_key(), None, Ok(())),
        (nkeys::KeyPair::new_account().public_key(), None, Err(Refusal::Jwt)),
        (nkeys::KeyPair::new_account().public_key(), Some(house.account.public_key()), Ok(())),
    ] {
        written.pinned_accounts = vec![pinned.into()];
        let mut around = surroundings();
        around.system_account = system.map(Into::into);
        let (state, _) = OperatorState::new(&written, &around).unwrap();
        assert_eq!(outcome(&state, &request), expected);
    }
}

#[test]
fn proxies_must_vouch_for_those_who_say_so() {
    let house = House::new();
    let state = house.state(json!({}));
    let request = house.request(&house.user_jwt(json!({"nats": {"proxy_required": true}})));
    assert_eq!(outcome(&state, &request), Err(Refusal::Proxy));
    let vouched = state.decide_known(&request, Vouching::Vouched);
    assert!(matches!(vouched, Verdict::Admit(_)));
}

#[test]
fn clients_are_judged_again() {
    let house = House::new();
    let key = nkeys::KeyPair::new_account();
    let signing = json!({"nats": {"signing_keys": [key.public_key()]}});
    let mut state = house.state(signing.clone());
    let grant = admitted(&state, &house.request(&house.scoped_jwt(&key, json!({})))).grant.unwrap();
    assert_eq!(state.revisit(&grant, NOW), Ok(()));
    let scope = json!({"kind": "user_scope", "key": key.public_key()});
    let user = house.user.public_key();
    for (account, now, expected) in [
        (signing.clone(), NOW + 1000, Ok(())),
        (with(signing.clone(), &json!({"exp": NOW + 5})), NOW + 4, Ok(())),
        (with(signing.clone(), &json!({"exp": NOW + 5})), NOW + 5, Err(Refusal::AccountExpired)),
        (
            with(signing.clone(), &json!({"nats": {"revocations": {user: NOW}}})),
            NOW,
            Err(Refusal::Revoked),
        ),
        (json!({}), NOW, Err(Refusal::Credentials)),
        (json!({"nats": {"signing_keys": [scope]}}), NOW, Err(Refusal::Credentials)),
    ] {
        state.learn(&house.account.public_key(), &house.account_jwt(account)).unwrap();
        assert_eq!(state.revisit(&grant, now), expected);
    }
    state.forget(&house.account.public_key());
    assert_eq!(state.revisit(&grant, NOW), Err(Refusal::Jwt));
}

#[test]
fn an_account_that_may_be_fetched_is_asked_for() {
    let house = House::new();
    let mut written = house.written();
    written.resolver = crate::config::access::Resolver::Url("http://localhost/".into());
    let (mut state, _) = OperatorState::new(&written, &surroundings()).unwrap();
    let request = house.request(&house.user_jwt(json!({})));
    let key = house.account.public_key();
    let decide = |state: &OperatorState| match state.decide(&request, Vouching::Absent) {
        Verdict::Fetch(wanted) => Some(wanted),
        _ => None,
    };
    assert_eq!(decide(&state).as_deref(), Some(&key[..]));
    assert_eq!(outcome(&state, &request), Err(Refusal::Jwt));
    state.learn(&key, &house.account_jwt(json!({"exp": NOW - 1}))).unwrap();
    assert_eq!(decide(&state).as_deref(), Some(&key[..]));
    assert_eq!(outcome(&state, &request), Err(Refusal::AccountExpired));
    state.learn(&key, &house.account_jwt(json!({}))).unwrap();
    assert_eq!(decide(&state), None);
    assert_eq!(outcome(&state, &request), Ok(()));
}
