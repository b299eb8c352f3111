//! Whether text that comes in pieces is UTF-8, known as early as possible.
//!
//! Absent: the text, of which at most three bytes are kept.

/// See the module's head.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Utf8 {
    /// The beginning of a character that has not come whole.
    begun: [u8; 4],
    length: u8,
}

impl Utf8 {
    /// Takes the next piece; says whether it can still become text.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> bool {
        while self.length > 0 {
            let Some((byte, rest)) = bytes.split_first() else { return true };
            bytes = rest;
            let Some(place) = self.begun.get_mut(usize::from(self.length)) else { return false };
            *place = *byte;
            self.length += 1;
            let begun = self.begun.get(..usize::from(self.length)).unwrap_or_default();
            match core::str::from_utf8(begun) {
                Ok(_) => self.length = 0,
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return false,
            }
        }
        let Err(error) = core::str::from_utf8(bytes) else { return true };
        if error.error_len().is_some() {
            return false;
        }
        for byte in bytes.get(error.valid_up_to()..).unwrap_or_default() {
            let Some(place) = self.begun.get_mut(usize::from(self.length)) else { return false };
            *place = *byte;
            self.length += 1;
        }
        true
    }

    /// Whether the text may end here.
    pub(super) fn is_whole(self) -> bool {
        self.length == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_are_judged_like_the_whole(
            bytes in prop_oneof![
                any::<alloc::string::String>().prop_map(alloc::string::String::into_bytes),
                prop::collection::vec(prop_oneof![0u8..3, 0x7e..0xa2u8, 0xbe..=255u8], 0..12),
            ],
            cuts in prop::collection::vec(0usize..12, 0..4),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let mut judge = Utf8::default();
            let good = cuts.windows(2).all(|cut| judge.take(&bytes[cut[0]..cut[1]]));
            prop_assert_eq!(good && judge.is_whole(), core::str::from_utf8(&bytes).is_ok());
        }
    }

    #[test]
    fn what_cannot_become_text_is_refused_at_once() {
        let mut judge = Utf8::default();
        assert!(judge.take(&[0xf4]));
        assert!(!judge.take(&[0x90]), "above the last character");
        assert!(!Utf8::default().take(&[0xed, 0xa0]), "half of a surrogate pair");
    }
}
