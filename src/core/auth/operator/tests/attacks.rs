//! Each known way to get in without the right to, and to break what reads JWTs.

use nkeys::KeyPair;
use serde_json::{Value, json};

use super::fixtures::*;
use crate::config::Secret;
use crate::core::auth::Refusal;
use crate::core::auth::claims::{AccountPart, OperatorPart, UserPart};
use crate::core::auth::jwt::{JwtError, TOKEN_BYTES_MAX, decode};
use crate::core::auth::operator::AccountError;

/// What becomes of a JWT presented as a user's, by the house's own user.
#[track_caller]
fn check(house: &House, jwt: &str, expected: Result<(), Refusal>) {
    assert_eq!(outcome(&house.state(json!({})), &house.request(jwt)), expected);
}
fn read(text: &str) -> Result<(), JwtError> {
    decode::<UserPart>(text).map(|_| ())
}

#[test]
fn no_other_algorithm_is_taken() {
    let house = House::new();
    let claims = with(house.user_claims(), &json!({"iss": house.account.public_key()}));
    let payload = claims.to_string();
    for header in [
        r#"{"typ":"JWT","alg":"none"}"#,
        r#"{"typ":"JWT","alg":""}"#,
        r#"{"typ":"JWT","alg":"HS256"}"#,
        r#"{"typ":"JWT","alg":"EdDSA"}"#,
        r#"{"typ":"JWT","alg":"ed25519-nkey2"}"#,
        r#"{"typ":"JWT","alg":["ed25519-nkey"]}"#,
        r#"{"typ":"JWT","alg":"none","alg":"ed25519-nkey"}"#,
        r#"{"typ":"JWS","alg":"ed25519-nkey"}"#,
        r#"{"alg":"ed25519-nkey"}"#,
        r#"{"typ":"JWT"}"#,
        "[]",
        "",
    ] {
        let jwt = raw(header, payload.as_bytes(), &house.account);
        assert_eq!(read(&jwt), Err(JwtError::Header), "{header}");
        check(&house, &jwt, Err(Refusal::Jwt));
    }
    let good = raw(r#"{"typ":"jwt","alg":"ED25519-NKEY"}"#, payload.as_bytes(), &house.account);
    check(&house, &good, Ok(()));
    // A signature is needed, and by the key: an HMAC with the public key as its secret is none.
    let unsigned = good.rsplit_once('.').unwrap().0;
    for signature in ["", "AAAA", &base64(&[0; 32]), &base64(&[0; 64]), &base64(&[0; 65])] {
        assert_eq!(read(&format!("{unsigned}.{signature}")), Err(JwtError::Signature));
    }
}

#[test]
fn a_changed_byte_voids_it() {
    let house = House::new();
    let jwt = house.user_jwt(json!({}));
    let letters = jwt.as_bytes();
    for place in (0..letters.len()).step_by(3) {
        let mut changed = letters.to_vec();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        assert!(read(std::str::from_utf8(&changed).unwrap()).is_err(), "byte {place}");
    }
    for cut in 0..letters.len() {
        assert!(read(&jwt[..cut]).is_err());
    }
    for longer in [format!("{jwt}."), format!("{jwt}.AAAA"), format!(" {jwt}"), format!("{jwt}=")] {
        assert!(read(&longer).is_err());
    }
}

#[test]
fn issuers_must_be_keys_of_accounts() {
    let house = House::new();
    let account = house.account.public_key();
    let pairs = [
        KeyPair::new_operator(),
        KeyPair::new_user(),
        KeyPair::new_server(),
        KeyPair::new_cluster(),
        KeyPair::new_module(),
    ];
    for pair in pairs {
        assert_eq!(read(&sign(house.user_claims(), &pair)), Err(JwtError::Key));
    }
    for wrong in [
        "",
        "A",
        &account[..55],
        &format!("{account}A"),
        &account.to_lowercase(),
        &"A".repeat(56),
        &"ü".repeat(28),
    ] {
        let claims = with(house.user_claims(), &json!({"iss": wrong}));
        assert_eq!(read(&sign(claims, &house.account)), Err(JwtError::Key), "{wrong}");
    }
    let claims = with(house.user_claims(), &json!({"iss": 7}));
    assert_eq!(read(&sign(claims, &house.account)), Err(JwtError::Key));
}

#[test]
fn a_swapped_issuer_is_found_out() {
    let house = House::new();
    let thief = KeyPair::new_account();
    let claims = with(house.user_claims(), &json!({"iss": house.account.public_key()}));
    let jwt = sign(claims, &thief);
    assert_eq!(read(&jwt), Err(JwtError::Signature));
    check(&house, &jwt, Err(Refusal::Jwt));
    // The thief's own signature, for an account that does not know the thief.
    check(&house, &house.scoped_jwt(&thief, json!({})), Err(Refusal::Jwt));
    // And for an account that the operator does not know.
    check(&house, &sign(house.user_claims(), &thief), Err(Refusal::Jwt));
}

#[test]
fn nobody_signs_for_itself() {
    let house = House::new();
    check(&house, &sign(house.user_claims(), &house.user), Err(Refusal::Jwt));
    let mut state = house.state(json!({}));
    let key = house.account.public_key();
    let learn = |state: &mut crate::core::auth::operator::OperatorState, pair: &KeyPair| {
        state.learn(&key, &sign(house.account_claims(), pair))
    };
    assert_eq!(learn(&mut state, &house.account), Err(AccountError::Jwt(JwtError::Key)));
    assert_eq!(learn(&mut state, &KeyPair::new_operator()), Err(AccountError::Issuer));
    let other = KeyPair::new_account().public_key();
    let text = house.account_jwt(json!({}));
    assert_eq!(state.learn(&other, &text), Err(AccountError::Subject));
    assert_eq!(state.learn("../../etc/passwd", &text), Err(AccountError::Subject));
}

#[test]
fn one_kind_of_jwt_is_not_another() {
    let house = House::new();
    let user = house.user_jwt(json!({}));
    let account = house.account_jwt(json!({}));
    let operator = house.operator_jwt(json!({}));
    assert_eq!(decode::<AccountPart>(&user).map(|_| ()), Err(JwtError::Kind));
    assert_eq!(decode::<OperatorPart>(&account).map(|_| ()), Err(JwtError::Kind));
    for jwt in [&account, &operator] {
        assert_eq!(read(jwt), Err(JwtError::Kind));
        check(&house, jwt, Err(Refusal::Jwt));
    }
    // Claims that name two kinds are of the old version, whose signature covers less.
    let both = with(house.user_claims(), &json!({"type": "account"}));
    assert_eq!(read(&sign(both, &house.account)), Err(JwtError::Kind));
    let both = with(house.user_claims(), &json!({"type": "user"}));
    assert_eq!(read(&sign(both, &house.account)), Err(JwtError::Signature));
    for version in [json!(3), json!(1), json!(0), json!(-1), json!(null)] {
        let claims = with(house.user_claims(), &json!({"nats": {"version": version}}));
        assert_eq!(read(&sign(claims, &house.account)), Err(JwtError::Version));
    }
}

#[test]
fn subjects_must_be_keys_of_users() {
    let house = House::new();
    for wrong in [house.account.public_key(), String::new(), "U".repeat(56)] {
        let jwt = house.user_jwt(json!({"sub": wrong}));
        assert_eq!(read(&jwt), Err(JwtError::Key));
    }
    // Of small order: a signature by it would prove nothing. A bearer needs none, all the same.
    let zeros = data_encoding::BASE32_NOPAD.encode(&{
        let mut raw = vec![20 << 3];
        raw.extend([0; 32]);
        raw.extend([0x30, 0x15]);
        raw
    });
    for bearer in [true, false] {
        let claims = json!({"sub": zeros, "nats": {"bearer_token": bearer}});
        assert_eq!(read(&house.user_jwt(claims)), Err(JwtError::Key));
    }
}

#[test]
fn signatures_cannot_be_played_again() {
    let house = House::new();
    let state = house.state(json!({}));
    let mut request = house.request(&house.user_jwt(json!({})));
    assert_eq!(outcome(&state, &request), Ok(()));
    request.nonce = "YW5vdGhlci1ub25jZQ".into();
    assert_eq!(outcome(&state, &request), Err(Refusal::Credentials));
    // Without a nonce nothing can be proved.
    request.nonce = "".into();
    let signature = base64(&house.user.sign(b"").unwrap());
    request.credentials.sig = Some(Secret::new(signature));
    assert_eq!(outcome(&state, &request), Err(Refusal::Credentials));
    // Another user's signature.
    let mut request = house.request(&house.user_jwt(json!({})));
    let signature = KeyPair::new_user().sign(NONCE.as_bytes()).unwrap();
    request.credentials.sig = Some(Secret::new(base64(&signature)));
    assert_eq!(outcome(&state, &request), Err(Refusal::Credentials));
    request.credentials.sig = Some(Secret::new(""));
    assert_eq!(outcome(&state, &request), Err(Refusal::Credentials));
}

#[test]
fn users_of_scoped_keys_bring_no_rights_of_their_own() {
    let house = House::new();
    let key = KeyPair::new_account();
    let scope = json!({"kind": "user_scope", "key": key.public_key(),
        "template": {"pub": {"allow": ["a"]}}});
    let state = house.state(json!({"nats": {"signing_keys": [scope]}}));
    let with_nats = |nats: Value| {
        let jwt = house.scoped_jwt(&key, json!({"nats": nats}));
        outcome(&state, &house.request(&jwt))
    };
    assert_eq!(with_nats(json!({})), Ok(()));
    assert_eq!(with_nats(json!({"subs": 0, "tags": ["a:b"]})), Ok(()));
    for own in [
        json!({"pub": {"allow": [">"]}}),
        json!({"sub": {"deny": ["a"]}}),
        json!({"resp": {"max": 1}}),
        json!({"bearer_token": true}),
        json!({"subs": -1}),
        json!({"payload": 1}),
        json!({"data": -1}),
        json!({"src": ["0.0.0.0/0"]}),
        json!({"times": [{"start": "00:00:00", "end": "23:59:59"}]}),
        json!({"times_location": "UTC"}),
        json!({"allowed_connection_types": ["STANDARD"]}),
        json!({"proxy_required": false, "subs": 1}),
    ] {
        assert_eq!(with_nats(own.clone()), Err(Refusal::Jwt), "{own}");
    }
    // The scoped key without saying whom it signs for signs for an account of its own.
    let claims = with(house.user_claims(), &json!({"nats": {"subs": 0, "data": 0, "payload": 0}}));
    assert_eq!(outcome(&state, &house.request(&sign(claims, &key))), Err(Refusal::Jwt));
}

#[test]
fn tags_and_names_do_not_widen_a_scope() {
    let house = House::new();
    let key = KeyPair::new_account();
    let template = json!({"pub": {"allow": ["u.{{name()}}.>", "t.{{tag(t)}}"]},
        "sub": {"deny": ["d.{{tag(t)}}"]}});
    let scope =
        json!({"kind": "user_scope", "key": key.public_key(), "template": template.clone()});
    let state = house.state(json!({"nats": {"signing_keys": [scope]}}));
    let ask = |name: &str, tag: &str| {
        let claims = json!({"name": name, "nats": {"tags": [tag]}});
        outcome(&state, &house.request(&house.scoped_jwt(&key, claims)))
    };
    assert_eq!(ask("ann", "t:x"), Ok(()));
    // A deny that cannot be made as it was meant keeps the user out.
    for tag in ["t:*", "t:>", "t:x.*", "t:x y", "t:", "t:..", "other:x"] {
        assert_eq!(ask("ann", tag), Err(Refusal::Jwt), "{tag}");
    }
    assert_eq!(ask("*", "t:x"), Ok(()));
    // What `*` allows is nothing; `template` shows it entry by entry.
}

#[test]
fn json_that_two_readers_could_read_differently_is_refused() {
    let house = House::new();
    let account = house.account.public_key();
    let user = house.user.public_key();
    let nats = r#"{"type":"user","version":2,"subs":-1,"payload":-1}"#;
    let good = format!(r#"{{"iss":"{account}","sub":"{user}","nats":{nats}}}"#);
    check(&house, &raw(HEADER, good.as_bytes(), &house.account), Ok(()));
    for bad in [
        format!(r#"{{"iss":"{account}","sub":"{user}","sub":"{user}","nats":{nats}}}"#),
        format!(r#"{{"iss":"{account}","sub":"{user}","exp":1,"exp":0,"nats":{nats}}}"#),
        format!(r#"{{"iss":"{account}","sub":"{user}","exp":null,"exp":0,"nats":{nats}}}"#),
        format!(r#"{{"iss":"{account}","sub":"{user}","x":{{"a":1,"a":2}},"nats":{nats}}}"#),
        format!(r#"{{"iss":"{account}","sub":"{user}","nats":{nats}}} "#) + "{}",
        format!(r#"{{"iss":"{account}","sub":"{user}","nats":{nats}"#),
        String::new(),
    ] {
        let jwt = raw(HEADER, bad.as_bytes(), &house.account);
        assert_eq!(read(&jwt), Err(JwtError::Malformed), "{bad}");
    }
    let mut bytes = good.into_bytes();
    bytes.splice(2..2, [0xff]);
    assert_eq!(read(&raw(HEADER, &bytes, &house.account)), Err(JwtError::Malformed));
}

#[test]
fn claims_of_the_wrong_shape_are_refused() {
    let house = House::new();
    for wrong in [
        json!({"exp": "tomorrow"}),
        json!({"exp": 1.5}),
        json!({"exp": 1e30}),
        json!({"exp": u64::MAX}),
        json!({"name": 7}),
        json!({"nats": {"subs": "many"}}),
        json!({"nats": {"subs": u64::MAX}}),
        json!({"nats": {"pub": "a"}}),
        json!({"nats": {"pub": {"allow": "a"}}}),
        json!({"nats": {"pub": {"allow": [1]}}}),
        json!({"nats": {"src": 7}}),
        json!({"nats": {"times": ["09:00:00"]}}),
        json!({"nats": {"bearer_token": "no"}}),
        json!({"nats": {"tags": "a"}}),
    ] {
        let jwt = house.user_jwt(wrong.clone());
        assert_eq!(read(&jwt), Err(JwtError::Claims), "{wrong}");
    }
    for wrong in [json!({"nats": []}), json!({"nats": "user"})] {
        let jwt = sign(with(house.user_claims(), &wrong), &house.account);
        assert!(matches!(read(&jwt), Err(JwtError::Claims)), "{wrong}");
    }
}

#[test]
fn size_and_depth_are_bounded() {
    let house = House::new();
    let long = house.user_jwt(json!({"name": "n".repeat(TOKEN_BYTES_MAX)}));
    assert_eq!(read(&long), Err(JwtError::TooLong));
    check(&house, &long, Err(Refusal::Jwt));
    let header =
        format!("{{\"typ\":\"JWT\",\"alg\":\"ed25519-nkey\",\"x\":\"{}\"}}", "x".repeat(2000));
    let jwt = raw(&header, house.user_claims().to_string().as_bytes(), &house.account);
    assert_eq!(read(&jwt), Err(JwtError::TooLong));
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    assert_eq!(read(&raw(HEADER, deep.as_bytes(), &house.account)), Err(JwtError::Malformed));
    let large = house.user_jwt(json!({"name": "n".repeat(500_000)}));
    check(&house, &large, Ok(()));
}

#[test]
fn errors_do_not_show_what_was_presented() {
    let house = House::new();
    let jwt = house.user_jwt(json!({}));
    let shown = format!("{:?}", house.request(&jwt));
    assert!(!shown.contains(&jwt[..40]));
    let signature = house.request(&jwt).credentials.sig.unwrap();
    assert!(!shown.contains(signature.expose()));
    let error = decode::<AccountPart>(&jwt).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("eyJ"));
}
