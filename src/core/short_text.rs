//! A text that stands where it is named while it is short.
//!
//! Absent: changing it. Filters and tokens are compared far more often than made; a short one
//! beside the rest of its entry saves the miss of following a pointer, and an allocation.

use std::ops::Deref;

/// See the module's head.
#[derive(Debug, Clone)]
pub(crate) struct ShortText(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Here { length: u8, bytes: [u8; Self::HERE_MAX] },
    Elsewhere(Box<[u8]>),
}

impl Kind {
    /// Bytes that fit into three words with their length and the variant.
    const HERE_MAX: usize = 22;
}

impl From<&[u8]> for ShortText {
    fn from(text: &[u8]) -> Self {
        match u8::try_from(text.len()) {
            Ok(length) if text.len() <= Kind::HERE_MAX => {
                let mut bytes = [0; Kind::HERE_MAX];
                bytes[..text.len()].copy_from_slice(text);
                Self(Kind::Here { length, bytes })
            }
            _ => Self(Kind::Elsewhere(text.into())),
        }
    }
}

impl Deref for ShortText {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            // INVARIANT: made only by `from`, with a length of at most `HERE_MAX`.
            Kind::Here { length, bytes } => &bytes[..usize::from(*length)],
            Kind::Elsewhere(text) => text,
        }
    }
}

const _: () = assert!(size_of::<ShortText>() == 24, "three words, in entries that are many");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_any_length_comes_back() {
        let text: Vec<u8> = (0..=255).cycle().take(600).collect();
        for length in (0..40).chain([255, 256, 257, 600]) {
            assert_eq!(&*ShortText::from(&text[..length]), &text[..length]);
        }
    }
}
