//! Keys, JWTs and certificates that scenarios name, made anew for each run.
//!
//! Absent: anything secret. A key is derived from its name, so that a name means the same key in a
//! configuration file, in a scenario and in a client program. In texts `@kind:name@` stands for the
//! thing; `tests/parity/README.md` lists the kinds.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;
use nkeys::{KeyPair, KeyPairType, XKey};
use serde_json::{Map, Value, json};

use super::certificates::Certificates;

/// What the `@kind:name@` of one scenario stand for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fixtures {
    jwts: BTreeMap<String, String>,
    variables: BTreeMap<String, String>,
}

impl Fixtures {
    /// Gives a name to a text, which is then `@name@`.
    pub(crate) fn set(&mut self, name: &str, text: String) {
        self.variables.insert(name.to_owned(), text);
    }

    /// Makes the JWT that a line `KIND NAME by SIGNER {claims}` describes.
    pub(crate) fn add_jwt(&mut self, line: &str) -> Result<(), String> {
        let (head, claims) = match line.split_once('{') {
            Some((head, claims)) => (head, self.fill(&format!("{{{claims}"))?),
            None => (line, "{}".to_owned()),
        };
        let claims = serde_json::from_str(&claims).map_err(|why| format!("{claims}: {why}"))?;
        let [kind, name, "by", signer] = head.split_whitespace().collect::<Vec<_>>()[..] else {
            return Err("not `KIND NAME by SIGNER {…}`".to_owned());
        };
        let token = jwt(kind, name, signer, claims)?;
        self.jwts.insert(name.to_owned(), token);
        Ok(())
    }

    /// The JWT of that name.
    pub(crate) fn jwt(&self, name: &str) -> Result<&str, String> {
        self.jwts.get(name).map(String::as_str).ok_or_else(|| format!("no jwt {name}"))
    }

    /// Replaces each `@…@`; a lone `@` stays.
    pub(crate) fn fill(&self, text: &str) -> Result<String, String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some(start) = rest.find('@') {
            let (before, after) = (&rest[..start], &rest[start + 1..]);
            filled.push_str(before);
            let word = after.find('@').map(|end| &after[..end]);
            let known = |word: &&str| word.contains(':') || self.variables.contains_key(*word);
            if let Some(word) = word.filter(|word| !word.contains(char::is_whitespace))
                && known(&word)
            {
                filled.push_str(&self.value(word)?);
                rest = &after[word.len() + 1..];
            } else {
                filled.push('@');
                rest = after;
            }
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// What one `@word@` stands for.
    fn value(&self, word: &str) -> Result<String, String> {
        if let Some(text) = self.variables.get(word) {
            return Ok(text.clone());
        }
        let (kind, name) = word.split_once(':').unwrap_or((word, ""));
        Ok(match kind {
            "user" => user_key(name).public_key(),
            "account" => account_key(name).public_key(),
            "operator" => operator_key(name).public_key(),
            "server" => key(KeyPairType::Server, name).public_key(),
            "curve" => curve_key(name).public_key(),
            "seed" => user_key(name).seed().map_err(|why| why.to_string())?,
            "jwt" => self.jwt(name)?.to_owned(),
            "now" => (now() + name.parse::<i64>().map_err(|why| why.to_string())?).to_string(),
            "spki" => Certificates::get().public_key_hash(name),
            _ => return Err(format!("what is @{word}@?")),
        })
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    i64::try_from(since.as_secs()).expect("a clock before the end of time")
}

/// A user's key pair.
pub(crate) fn user_key(name: &str) -> KeyPair {
    key(KeyPairType::User, name)
}

/// An account's key pair, or one of its signing keys.
pub(crate) fn account_key(name: &str) -> KeyPair {
    key(KeyPairType::Account, name)
}

/// An operator's key pair.
pub(crate) fn operator_key(name: &str) -> KeyPair {
    key(KeyPairType::Operator, name)
}

/// A key pair for encryption.
pub(crate) fn curve_key(name: &str) -> XKey {
    XKey::new_from_raw(raw(name))
}

/// The key pair that a name stands for. What follows a `/` tells variants of JWTs apart.
fn key(kind: KeyPairType, name: &str) -> KeyPair {
    KeyPair::new_from_raw(kind, raw(name)).expect("any 32 bytes are a seed")
}

/// 32 bytes that hold the name.
fn raw(name: &str) -> [u8; 32] {
    let name = name.split('/').next().unwrap_or(name).as_bytes();
    let mut raw = [0; 32];
    for (place, byte) in raw.iter_mut().zip(name.iter().chain(b"-of-the-parity-tests!")) {
        *place = *byte;
    }
    raw
}

/// A signed JWT whose claims are the usual ones of its kind, overlaid with `claims`. Times that
/// are small are seconds from now.
fn jwt(kind: &str, name: &str, signer: &str, claims: Value) -> Result<String, String> {
    let (subject, signer) = match kind {
        "operator" => (operator_key(name).public_key(), operator_key(signer)),
        "account" => (account_key(name).public_key(), operator_key(signer)),
        "user" => (user_key(name).public_key(), account_key(signer)),
        // Its subject is the importing account: given among the claims.
        "activation" => (String::new(), account_key(signer)),
        _ => return Err(format!("no JWT of kind {kind}")),
    };
    let unlimited = json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true,
        "conn": -1, "leaf": -1
    });
    let mut nats = match kind {
        "account" => json!({"limits": unlimited, "default_permissions": {"pub": {}, "sub": {}}}),
        "user" => json!({"pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1}),
        _ => json!({}),
    };
    overlay(&mut nats, json!({"type": kind, "version": 2}));
    let mut body = json!({
        "jti": format!("{kind}-{name}"), "iat": 0, "iss": signer.public_key(), "name": name,
        "sub": subject, "nats": nats
    });
    let mut header = json!({"typ": "JWT", "alg": "ed25519-nkey"});
    let mut claims = claims;
    if let Some(other) = claims.as_object_mut().and_then(|claims| claims.remove("header")) {
        overlay(&mut header, other);
    }
    overlay(&mut body, claims);
    for field in ["iat", "exp", "nbf"] {
        if let Some(time) = body.get(field).and_then(Value::as_i64)
            && time.abs() < 1_000_000_000
        {
            body[field] = json!(now() + time);
        }
    }
    sign(&signer, &header, &body)
}

/// Header, body and signature, as JWTs are written.
pub(crate) fn sign(signer: &KeyPair, header: &Value, body: &Value) -> Result<String, String> {
    let encoded = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let text = format!("{}.{}", encoded(header), encoded(body));
    let signature = signer.sign(text.as_bytes()).map_err(|why| why.to_string())?;
    Ok(format!("{text}.{}", BASE64URL_NOPAD.encode(&signature)))
}

/// Lays one JSON value over another; objects are merged, `null` removes.
pub(crate) fn overlay(under: &mut Value, over: Value) {
    let Value::Object(over) = over else {
        *under = over;
        return;
    };
    if !under.is_object() {
        *under = Value::Object(Map::new());
    }
    let Some(under) = under.as_object_mut() else { return };
    for (name, value) in over {
        if value.is_null() {
            under.remove(&name);
        } else {
            overlay(under.entry(name).or_insert(Value::Null), value);
        }
    }
}

#[test]
fn names_are_filled_in_and_other_signs_stay() {
    let mut fixtures = Fixtures::default();
    fixtures.set("port", "4222".to_owned());
    fixtures.add_jwt("user alice by A {\"exp\": 5}").unwrap();
    assert_eq!(fixtures.fill("a@b.c @port@ @ x").unwrap(), "a@b.c 4222 @ x");
    assert!(fixtures.fill("@user:alice@").unwrap().starts_with('U'));
    assert_eq!(fixtures.fill("@jwt:alice@").unwrap().split('.').count(), 3);
    assert!(fixtures.fill("@jwt:bob@").is_err() && fixtures.fill("@what:x@").is_err());
    assert_eq!(user_key("bob/expired").public_key(), user_key("bob").public_key());
}
