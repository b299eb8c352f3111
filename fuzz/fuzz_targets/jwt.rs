//! JWTs: any text, and any claims that the right key has signed. Nothing panics, and who is let in
//! came by the chain.
//!
//! Absent: forging a signature, which no fuzzer does.

#![no_main]

use std::sync::LazyLock;

use data_encoding::BASE64URL_NOPAD;
use fanfare::config::Secret;
use fanfare::config::access::{ConnectionType, Operator};
use fanfare::core::auth::authority::Vouching;
use fanfare::core::auth::callout_claims::ResponsePart;
use fanfare::core::auth::claims::{AccountPart, ActivationPart, OperatorPart, UserPart};
use fanfare::core::auth::jwt::decode;
use fanfare::core::auth::operator::{OperatorState, Surroundings, Verdict};
use fanfare::core::auth::{AuthRequest, ClientFacts, Credentials};
use libfuzzer_sys::fuzz_target;
use nkeys::{KeyPair, KeyPairType};
use serde_json::{Value, json};

/// Keys that are the same in every run.
struct Keys {
    operator: KeyPair,
    account: KeyPair,
    user: KeyPair,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let key = |kind, byte| KeyPair::new_from_raw(kind, [byte; 32]).expect("any bytes are a seed");
    Keys {
        operator: key(KeyPairType::Operator, 1),
        account: key(KeyPairType::Account, 2),
        user: key(KeyPairType::User, 3),
    }
});

static STATE: LazyLock<OperatorState> = LazyLock::new(|| {
    let trusted_keys = vec![KEYS.operator.public_key().into()];
    let written = Operator { trusted_keys, ..Operator::default() };
    let (mut state, _) = OperatorState::new(&written, &Surroundings::default())
        .expect("a trusted key is all it needs");
    let limits = json!({"subs": -1, "payload": -1, "conn": -1});
    let nats = json!({"type": "account", "version": 2, "limits": limits});
    let claims = json!({"sub": KEYS.account.public_key(), "nats": nats});
    let text = sign(claims, &KEYS.operator);
    state.learn(&KEYS.account.public_key(), &text).expect("it is in order");
    state
});

fn sign(mut claims: Value, key: &KeyPair) -> String {
    if let Some(fields) = claims.as_object_mut() {
        fields.insert("iss".to_owned(), key.public_key().into());
    }
    raw(claims.to_string().as_bytes(), key)
}

fn raw(payload: &[u8], key: &KeyPair) -> String {
    let header = BASE64URL_NOPAD.encode(br#"{"typ":"JWT","alg":"ed25519-nkey"}"#);
    let signed = format!("{header}.{}", BASE64URL_NOPAD.encode(payload));
    let signature = key.sign(signed.as_bytes()).expect("it has a seed");
    format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))
}

/// Claims with these in the part that is special to the kind.
fn claims(part: &[u8], kind: &str, subject: &KeyPair) -> Option<Value> {
    let mut part: Value = serde_json::from_slice(part).ok()?;
    let fields = part.as_object_mut()?;
    fields.insert("type".to_owned(), kind.into());
    fields.insert("version".to_owned(), 2.into());
    Some(json!({"sub": subject.public_key(), "nats": part}))
}

fn ask(state: &OperatorState, text: &str) -> Verdict {
    let nonce = "bm9uY2U";
    let signature = KEYS.user.sign(nonce.as_bytes()).expect("it has a seed");
    let request = AuthRequest {
        credentials: Credentials {
            jwt: Some(Secret::new(text)),
            sig: Some(Secret::new(BASE64URL_NOPAD.encode(&signature))),
            ..Credentials::default()
        },
        nonce: nonce.into(),
        address: Some([127, 0, 0, 1].into()),
        connection_type: ConnectionType::Standard,
        tls: None,
        map_certificate: false,
        wall_ms: 1_800_000_000_000,
        number: 1,
        client: ClientFacts::default(),
    };
    state.decide(&request, Vouching::Absent)
}

fuzz_target!(|input: &[u8]| {
    let Some((mode, rest)) = input.split_first() else { return };
    match mode % 5 {
        0 => {
            let text = String::from_utf8_lossy(rest);
            // Nobody has the keys, so nothing may be taken.
            assert!(decode::<OperatorPart>(&text).is_err());
            assert!(decode::<ActivationPart>(&text).is_err());
            assert!(decode::<ResponsePart>(&text).is_err());
            assert!(!matches!(ask(&STATE, &text), Verdict::Admit(_)));
        }
        1 => {
            let text = raw(rest, &KEYS.account);
            if let Ok(signed) = decode::<UserPart>(&text) {
                assert_eq!(signed.claims.issuer, KEYS.account.public_key());
            }
            ask(&STATE, &text);
        }
        2 => {
            let Some(claims) = claims(rest, "account", &KEYS.account) else { return };
            let text = sign(claims, &KEYS.operator);
            let _ = decode::<AccountPart>(&text);
            let mut state = STATE.clone();
            if state.learn(&KEYS.account.public_key(), &text).is_ok() {
                state.missing();
                let (accounts, _) = state.accounts(1_800_000_000);
                assert_eq!(accounts.len(), 1);
            }
        }
        3 => {
            let Some(claims) = claims(rest, "user", &KEYS.user) else { return };
            if let Verdict::Admit(admitted) = ask(&STATE, &sign(claims, &KEYS.account)) {
                assert_eq!(*admitted.account, KEYS.account.public_key());
            }
        }
        _ => {
            let template: Value = match serde_json::from_slice(rest) {
                Ok(template) => template,
                Err(_) => return,
            };
            let key = KeyPair::new_from_raw(KeyPairType::Account, [4; 32]).expect("a seed");
            let scope =
                json!({"kind": "user_scope", "key": key.public_key(), "template": template});
            let nats = json!({"type": "account", "version": 2, "signing_keys": [scope],
                "tags": ["a:1", "b:*"]});
            let account = json!({"sub": KEYS.account.public_key(), "nats": nats});
            let mut state = STATE.clone();
            let _ = state.learn(&KEYS.account.public_key(), &sign(account, &KEYS.operator));
            let nats = json!({"type": "user", "version": 2, "tags": ["a:1", "a:2.3", "b:>"],
                "issuer_account": KEYS.account.public_key()});
            let user = json!({"sub": KEYS.user.public_key(), "name": "ann", "nats": nats});
            ask(&state, &sign(user, &key));
        }
    }
});
