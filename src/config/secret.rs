//! A text that must never be shown: passwords, tokens and seeds.
//!
//! Absent: a way to print it. `Debug` writes stars, there is no `Display`, and whoever needs the
//! text says so by [`Secret::expose`].

use std::fmt;

/// See the module's head.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that compares or uses it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it is a bcrypt hash (`$2a$11$…`; also `b`, `x` or `y`) rather than a plain text.
    ///
    /// As nats-server tells them apart (`validBcryptPrefix`): a text that only begins with `$2a$`
    /// is a password like any other.
    pub fn is_bcrypt(&self) -> bool {
        let [b'$', b'2', kind, b'$', tens, ones, b'$', ..] = self.0.as_bytes() else {
            return false;
        };
        b"abxy".contains(kind) && tens.is_ascii_digit() && ones.is_ascii_digit()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_never_shown() {
        assert_eq!(format!("{:?}", Some(Secret::new("hunter2"))), "Some(***)");
    }

    #[test]
    fn a_bcrypt_hash_is_known_by_its_head() {
        for text in ["$2a$11$abc", "$2b$04$", "$2x$99$", "$2y$10$ü"] {
            assert!(Secret::new(text).is_bcrypt(), "{text}");
        }
        for text in ["$2a", "", "$1a$11$", "2a$11$", "$2z$11$", "$2a$abc", "$2a$1$", "$2a$11", "ü"]
        {
            assert!(!Secret::new(text).is_bcrypt(), "{text}");
        }
    }
}
