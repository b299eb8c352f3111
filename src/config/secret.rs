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

    /// Whether it is a bcrypt hash (`$2a$…`, `$2b$…`, `$2x$…` or `$2y$…`) rather than a plain text.
    pub fn is_bcrypt(&self) -> bool {
        let bytes = self.0.as_bytes();
        bytes.len() >= 4
            && bytes.starts_with(b"$2")
            && matches!(bytes[2], b'a' | b'b' | b'x' | b'y')
            && bytes[3] == b'$'
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
        assert!(Secret::new("$2a$11$abc").is_bcrypt());
        assert!(["$2a", "", "$1a$", "2a$11", "$2z$1"].iter().all(|t| !Secret::new(*t).is_bcrypt()));
    }
}
