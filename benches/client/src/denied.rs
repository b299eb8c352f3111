//! What a server does not permit, read from its `Permissions Violation`.
//!
//! Absent: what is permitted, which no server tells.

use std::fmt;

/// A deed that the server has refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denied<'a> {
    /// `publish` or `subscribe`.
    deed: &'static str,
    /// The subject, quoted as the server quotes it, and what may follow.
    object: &'a str,
}

impl<'a> Denied<'a> {
    /// Reads the text of an `-ERR`; none when it is about something else.
    pub fn parse(text: &'a str) -> Option<Self> {
        let head = text.get(..HEAD.len()).filter(|head| head.eq_ignore_ascii_case(HEAD))?;
        let rest = text.strip_prefix(head)?;
        let deeds = [
            ("Publish with Reply of ", "publish with the reply subject"),
            ("Publish to ", "publish to"),
            ("Subscription to ", "subscribe to"),
        ];
        deeds.into_iter().find_map(|(word, deed)| {
            Some(Self { deed, object: rest.strip_prefix(word)?.trim_end() })
        })
    }
}

impl fmt::Display for Denied<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} (Permissions Violation)", self.deed, self.object)
    }
}

const HEAD: &str = "Permissions Violation for ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_violation_names_its_subject() {
        let shown = |text| Denied::parse(text).map(|denied| denied.to_string());
        let cases = [
            ("Permissions Violation for Publish to \"a.b\"", Some("publish to \"a.b\"")),
            (
                "Permissions Violation for Subscription to \"a.>\" using queue \"q\"",
                Some("subscribe to \"a.>\" using queue \"q\""),
            ),
            (
                "permissions violation for Publish with Reply of \"r\"",
                Some("publish with the reply subject \"r\""),
            ),
            ("Permissions Violation for something else", None),
            ("Authorization Violation", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|text| format!("{text} (Permissions Violation)"));
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
