//! JWTs for tests, made by signing what a test says; and an operator with accounts and users.
//!
//! Absent: the broker's own encoder, so that what is read here was not written by what is tested.

use data_encoding::BASE64URL_NOPAD;
use nkeys::KeyPair;
use serde_json::{Value, json};

use crate::config::Secret;
use crate::config::access::{ConnectionType, Operator};
use crate::core::auth::authority::Vouching;
use crate::core::auth::operator::{OperatorState, Surroundings, Verdict};
use crate::core::auth::{AuthRequest, ClientFacts, Credentials, Refusal};

/// The header of all JWTs of NATS.
pub(crate) const HEADER: &str = r#"{"typ":"JWT","alg":"ed25519-nkey"}"#;
/// The Unix time of all tests, in seconds.
pub(crate) const NOW: i64 = 1_800_000_000;
/// What servers give out to be signed.
pub(crate) const NONCE: &str = "bm9uY2Utb2YtYS10ZXN0";

pub(crate) fn base64(text: &[u8]) -> String {
    BASE64URL_NOPAD.encode(text)
}

/// A JWT of these texts, with a right signature.
pub(crate) fn raw(header: &str, payload: &[u8], key: &KeyPair) -> String {
    let signed = format!("{}.{}", base64(header.as_bytes()), base64(payload));
    format!("{signed}.{}", base64(&key.sign(signed.as_bytes()).unwrap()))
}

/// A JWT of these claims; the issuer is the key unless they say another.
pub(crate) fn sign(mut claims: Value, key: &KeyPair) -> String {
    let fields = claims.as_object_mut().unwrap();
    fields.entry("iss").or_insert_with(|| key.public_key().into());
    fields.entry("iat").or_insert(NOW.into());
    raw(HEADER, claims.to_string().as_bytes(), key)
}

/// A JWT of version 1, whose header is not signed.
pub(crate) fn sign_old(mut claims: Value, key: &KeyPair) -> String {
    let fields = claims.as_object_mut().unwrap();
    fields.entry("iss").or_insert_with(|| key.public_key().into());
    fields.entry("iat").or_insert(NOW.into());
    let payload = base64(claims.to_string().as_bytes());
    let signature = base64(&key.sign(payload.as_bytes()).unwrap());
    format!("{}.{payload}.{signature}", base64(br#"{"typ":"jwt","alg":"ed25519"}"#))
}

/// Claims with others laid over them.
pub(crate) fn with(mut base: Value, over: &Value) -> Value {
    match (base.as_object_mut(), over.as_object()) {
        (Some(fields), Some(over)) => {
            for (key, value) in over {
                let old = fields.remove(key).unwrap_or(Value::Null);
                fields.insert(key.clone(), with(old, value));
            }
            base
        }
        _ => over.clone(),
    }
}

/// An operator, an account, and a user.
pub(crate) struct House {
    pub(crate) operator: KeyPair,
    pub(crate) account: KeyPair,
    pub(crate) user: KeyPair,
}

impl House {
    pub(crate) fn new() -> Self {
        let (operator, account) = (KeyPair::new_operator(), KeyPair::new_account());
        Self { operator, account, user: KeyPair::new_user() }
    }
    pub(crate) fn operator_jwt(&self, over: Value) -> String {
        let nats = json!({"type": "operator", "version": 2});
        let claims = json!({"sub": self.operator.public_key(), "name": "op", "nats": nats});
        sign(with(claims, &over), &self.operator)
    }
    pub(crate) fn account_claims(&self) -> Value {
        let limits = json!({"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1,
            "wildcards": true, "conn": -1, "leaf": -1});
        let nats = json!({"type": "account", "version": 2, "limits": limits});
        json!({"sub": self.account.public_key(), "name": "shop", "nats": nats})
    }
    pub(crate) fn account_jwt(&self, over: Value) -> String {
        sign(with(self.account_claims(), &over), &self.operator)
    }
    pub(crate) fn user_claims(&self) -> Value {
        let nats = json!({"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1});
        json!({"sub": self.user.public_key(), "name": "ann", "nats": nats})
    }
    pub(crate) fn user_jwt(&self, over: Value) -> String {
        sign(with(self.user_claims(), &over), &self.account)
    }
    /// A user whose JWT a scoped key signs.
    pub(crate) fn scoped_jwt(&self, key: &KeyPair, over: Value) -> String {
        let nats = json!({"type": "user", "version": 2,
            "issuer_account": self.account.public_key()});
        let claims = json!({"sub": self.user.public_key(), "name": "ann", "nats": nats});
        sign(with(claims, &over), key)
    }
    pub(crate) fn written(&self) -> Operator {
        Operator { jwts: vec![self.operator_jwt(json!({})).into()], ..Operator::default() }
    }
    /// The state with this account, which must be in order.
    pub(crate) fn state(&self, account: Value) -> OperatorState {
        let mut state = OperatorState::new(&self.written(), &surroundings()).unwrap().0;
        state.learn(&self.account.public_key(), &self.account_jwt(account)).unwrap();
        state
    }
    /// A request by the user, with a right signature.
    pub(crate) fn request(&self, jwt: &str) -> AuthRequest {
        let mut request = bare_request();
        let signature = self.user.sign(NONCE.as_bytes()).unwrap();
        request.credentials.sig = Some(Secret::new(base64(&signature)));
        request.credentials.jwt = Some(Secret::new(jwt));
        request
    }
}

pub(crate) fn surroundings() -> Surroundings {
    Surroundings { version: "2.14.0".into(), ..Surroundings::default() }
}

/// A request that presents nothing.
pub(crate) fn bare_request() -> AuthRequest {
    AuthRequest {
        credentials: Credentials::default(),
        nonce: NONCE.into(),
        address: Some("127.0.0.1".parse().unwrap()),
        connection_type: ConnectionType::Standard,
        tls: None,
        map_certificate: false,
        wall_ms: u64::try_from(NOW).unwrap() * 1000,
        number: 7,
        client: ClientFacts::default(),
    }
}

/// What becomes of a request, without what an admitted client may do.
pub(crate) fn outcome(state: &OperatorState, request: &AuthRequest) -> Result<(), Refusal> {
    match state.decide_known(request, Vouching::Absent) {
        Verdict::Admit(_) => Ok(()),
        Verdict::Refuse(refusal) => Err(refusal),
        Verdict::Ask(_) | Verdict::Fetch(_) => panic!("not decided"),
    }
}
