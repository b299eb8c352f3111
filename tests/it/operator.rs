//! An operator, its account and its users, as `nsc` would write them: what a server is configured
//! with, and files of credentials. Beside them, files with nkeys.
//!
//! Absent: limits, signing keys, and anything that is good beyond a test.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;
use nkeys::KeyPair;
use serde_json::{Value, json};

use crate::broker::scratch;

/// An operator with one account.
pub(crate) struct Operator {
    operator: KeyPair,
    account: KeyPair,
}

impl Operator {
    /// A new one with a new account.
    pub(crate) fn new() -> Self {
        Self { operator: KeyPair::new_operator(), account: KeyPair::new_account() }
    }

    /// The configuration of a server that trusts it and knows its account.
    pub(crate) fn config(&self) -> String {
        let own = json!({ "type": "operator", "version": 2 });
        let operator = jwt(&self.operator, &self.operator, own, None);
        let unlimited = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1,
            "wildcards": true, "conn": -1, "leaf": -1
        });
        let claims = json!({
            "limits": unlimited, "default_permissions": { "pub": {}, "sub": {} },
            "type": "account", "version": 2
        });
        let account = jwt(&self.operator, &self.account, claims, None);
        let public = self.account.public_key();
        let file = written("operator.jwt", &operator);
        format!(
            "operator: \"{}\"\nresolver: MEMORY\nresolver_preload: {{ {public}: {account} }}\n",
            shown(&file)
        )
    }

    /// A file of credentials for a new user, as `nsc` writes it; `permissions` are the claims `pub`
    /// and `sub`. The user is valid until `expires_s`, if that is given.
    pub(crate) fn creds(&self, permissions: &Value, expires_s: Option<u64>) -> PathBuf {
        let user = KeyPair::new_user();
        let claims = json!({
            "pub": permissions["pub"], "sub": permissions["sub"],
            "subs": -1, "data": -1, "payload": -1, "type": "user", "version": 2
        });
        let jwt = jwt(&self.account, &user, claims, expires_s);
        let seed = user.seed().unwrap();
        let text = format!(
            "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        );
        written("user.creds", &text)
    }
}

/// A JWT about the subject.
fn jwt(signer: &KeyPair, subject: &KeyPair, nats: Value, expires_s: Option<u64>) -> String {
    // Made long ago, so that one that has expired was valid once.
    let mut claims = json!({
        "jti": "test", "iat": now_s() - LONG_S, "iss": signer.public_key(),
        "name": "test", "sub": subject.public_key(), "nats": nats
    });
    if let Some(expires_s) = expires_s {
        claims["exp"] = json!(expires_s);
    }
    let header = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let parts = [header, claims].map(|part| BASE64URL_NOPAD.encode(part.to_string().as_bytes()));
    let signed = parts.join(".");
    let signature = BASE64URL_NOPAD.encode(&signer.sign(signed.as_bytes()).unwrap());
    format!("{signed}.{signature}")
}

/// A user's key: its public form and a file with its seed.
pub(crate) fn nkey() -> (String, PathBuf) {
    let key = KeyPair::new_user();
    (key.public_key(), written("user.nk", &format!("{}\n", key.seed().unwrap())))
}

/// Some days ago.
pub(crate) fn past_s() -> u64 {
    now_s() - 3 * 86_400
}

/// A file with this text that no other test uses.
pub(crate) fn written(name: &str, text: &str) -> PathBuf {
    let file = scratch(name);
    fs::write(&file, text).unwrap();
    file
}

/// A path as an argument.
pub(crate) fn shown(path: &Path) -> &str {
    path.to_str().expect("the build directory has a plain name")
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

const LONG_S: u64 = 30 * 86_400;
