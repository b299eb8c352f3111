//! Public keys and JWTs that a configuration holds, as far as their form goes.
//!
//! Absent: signatures, which are checked where clients are (`core::auth`). Neither a key nor a
//! token appears in an error: a seed may have been put in the wrong place.

use data_encoding::BASE64URL_NOPAD;
use serde_json::Value as Json;

/// What a public key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Operator,
    Account,
    User,
    Curve,
}

impl Kind {
    /// Whether the text is a public key of this kind: letter, length and checksum.
    pub(super) fn is_key(self, text: &str) -> bool {
        let letter = match self {
            Self::Operator => 'O',
            Self::Account => 'A',
            Self::User => 'U',
            Self::Curve => 'X',
        };
        text.starts_with(letter) && is_public(text)
    }
}

/// Whether the text is a public key of any kind.
pub(super) fn is_public(text: &str) -> bool {
    nkeys::from_public_key(text).is_ok()
}

/// What JWTs begin with, so that one is told from a path.
pub(super) const JWT_HEAD: &str = "eyJ";

/// Longest JWT.
pub(super) const JWT_BYTES_MAX: usize = 1024 * 1024;

/// The claims of a JWT of this type (`operator`, `account`, `user`), unverified.
pub(super) fn claims(jwt: &str, kind: &str) -> Option<Json> {
    if jwt.len() > JWT_BYTES_MAX {
        return None;
    }
    let mut parts = jwt.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let payload = BASE64URL_NOPAD.decode(payload.as_bytes()).ok()?;
    let claims: Json = serde_json::from_slice(&payload).ok()?;
    // Version 2 has the type among the claims of NATS, version 1 beside them.
    let named = claims.get("nats").and_then(|nats| nats.get("type")).or_else(|| claims.get("type"));
    (named.and_then(Json::as_str) == Some(kind)).then_some(claims)
}

/// A text among the claims of NATS; an empty one is none.
pub(super) fn claim<'c>(claims: &'c Json, name: &str) -> Option<&'c str> {
    let text = claims.get("nats")?.get(name)?.as_str()?;
    (!text.is_empty()).then_some(text)
}

/// The JWT in the text of a file, which may have lines of dashes around it.
pub(super) fn undecorated(text: &str) -> &str {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    if first.starts_with("---") { lines.next().unwrap_or_default() } else { first }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_a_letter_a_length_and_a_checksum() {
        let key = nkeys::KeyPair::new_account().public_key();
        assert!(Kind::Account.is_key(&key));
        assert!(!Kind::User.is_key(&key));
        let mut bad = key.clone().into_bytes();
        bad[20] = if bad[20] == b'A' { b'B' } else { b'A' };
        assert!(!Kind::Account.is_key(&String::from_utf8(bad).expect("still text")));
        for text in ["", "A", &key[1..], &format!("{key}A"), "ÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄ"]
        {
            assert!(!Kind::Account.is_key(text), "{text}");
        }
    }

    #[test]
    fn claims_are_those_of_the_right_type() {
        let jwt = |payload: &str| format!("eyJ.{}.x", BASE64URL_NOPAD.encode(payload.as_bytes()));
        let two = jwt("{\"nats\":{\"type\":\"operator\",\"system_account\":\"A\"}}");
        let read = claims(&two, "operator").expect("an operator");
        assert_eq!(claim(&read, "system_account"), Some("A"));
        assert!(claims(&two, "user").is_none());
        assert!(claims(&jwt("{\"type\":\"user\"}"), "user").is_some());
        for bad in ["", "a.b", "a.b.c", "a.b.c.d", &jwt("[]"), &jwt("{")] {
            assert!(claims(bad, "user").is_none(), "{bad}");
        }
    }

    #[test]
    fn decorations_are_taken_off() {
        let text = "-----BEGIN NATS OPERATOR JWT-----\neyJx\n------END NATS OPERATOR JWT------\n";
        assert_eq!(undecorated(text), "eyJx");
        assert_eq!(undecorated("\n eyJx \n"), "eyJx");
        assert_eq!(undecorated(""), "");
    }
}
