//! Subjects and filters: their grammar, their tokens, and which filter selects which subject.
//!
//! Absent: an index of many filters, which is the broker's. Matching here is linear and plain, for
//! single questions and as the reference that an index is tested against. A subject with wildcard
//! characters in it is legal text to publish to, and is matched as text.

/// A subject that a message may be published to in pedantic mode: tokens, none of them a wildcard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject<'a>(&'a [u8]);

impl<'a> Subject<'a> {
    /// Accepts a valid literal subject.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        is_literal(text).then_some(Self(text))
    }

    /// The text.
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

/// A subscription's filter that was found to be valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Filter<'a>(&'a [u8]);

impl<'a> Filter<'a> {
    /// Accepts tokens without blanks or line ends, none empty, `>` only as the last one.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let mut rest_seen = false;
        let mut previous = b'.';
        let mut token_len = 0_usize;
        for byte in text {
            if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') || rest_seen {
                return None;
            }
            if *byte == b'.' {
                if token_len == 0 {
                    return None;
                }
                rest_seen = token_len == 1 && previous == b'>';
                token_len = 0;
            } else {
                token_len += 1;
            }
            previous = *byte;
        }
        (token_len > 0 && !rest_seen).then_some(Self(text))
    }

    /// The text.
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Whether no token is a wildcard, so that only the same text is selected.
    pub fn is_literal(self) -> bool {
        !tokens(self.0).any(is_wildcard)
    }

    /// Whether a message published to `subject` is selected.
    pub fn matches(self, subject: &[u8]) -> bool {
        matches(self.0, subject)
    }

    /// Whether some subject is selected by both filters.
    pub fn overlaps(self, other: Filter<'_>) -> bool {
        overlaps(self.0, other.0)
    }
}

/// Whether the text is a valid subject without wildcards.
pub fn is_literal(text: &[u8]) -> bool {
    Filter::parse(text).is_some_and(Filter::is_literal)
}

/// The tokens of a subject or filter, empty ones too.
pub fn tokens(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'.')
}

/// How many tokens the text has, empty ones too.
pub fn token_count(text: &[u8]) -> usize {
    tokens(text).count()
}

/// Whether a valid filter selects the subject, which may be any text.
///
/// A subject with an empty token is selected by nothing. A `*` or `>` in a subject is plain text.
pub fn matches(filter: &[u8], subject: &[u8]) -> bool {
    if tokens(subject).any(<[u8]>::is_empty) {
        return false;
    }
    let mut subject_tokens = tokens(subject);
    for wanted in tokens(filter) {
        let Some(found) = subject_tokens.next() else { return false };
        if wanted == b">" {
            return true;
        }
        if wanted != b"*" && wanted != found {
            return false;
        }
    }
    subject_tokens.next().is_none()
}

/// Whether some subject is selected by both valid filters.
pub fn overlaps(left: &[u8], right: &[u8]) -> bool {
    let mut left = tokens(left);
    let mut right = tokens(right);
    loop {
        match (left.next(), right.next()) {
            (None, None) | (Some(b">"), Some(_)) | (Some(_), Some(b">")) => return true,
            (Some(a), Some(b)) if a == b || a == b"*" || b == b"*" => {}
            (None | Some(_), Some(_)) | (Some(_), None) => return false,
        }
    }
}

/// Whether every subject that the valid filter `inner` selects is selected by `outer` too.
pub fn covers(outer: &[u8], inner: &[u8]) -> bool {
    let mut outer = tokens(outer);
    let mut inner = tokens(inner);
    loop {
        match (outer.next(), inner.next()) {
            (None, None) | (Some(b">"), Some(_)) => return true,
            (_, Some(b">")) => return false,
            (Some(a), Some(b)) if a == b || a == b"*" => {}
            (None | Some(_), Some(_)) | (Some(_), None) => return false,
        }
    }
}

/// Whether the subject belongs to the servers, so that no client may publish to it.
#[inline]
pub fn reserved_publish(subject: &[u8]) -> bool {
    matches!(subject.first(), Some(b'$' | b'_'))
        && (subject.starts_with(b"$NRG.") || has_more_than(subject, b"_GR_."))
}

/// Whether the reply subject belongs to the servers, so that no client may publish with it.
#[inline]
pub fn reserved_reply(reply: &[u8]) -> bool {
    // That two of these need a byte behind them and one does not is nats-server's (2.14).
    matches!(reply.first(), Some(b'$' | b'_'))
        && (reply.starts_with(b"_R_.")
            || has_more_than(reply, b"$JS.ACK.")
            || has_more_than(reply, b"_GR_."))
}

fn has_more_than(text: &[u8], prefix: &[u8]) -> bool {
    text.len() > prefix.len() && text.starts_with(prefix)
}

fn is_wildcard(token: &[u8]) -> bool {
    token == b"*" || token == b">"
}
