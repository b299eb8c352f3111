//! The last few answers of one client's publish permissions.
//!
//! Absent: the permissions, and answers that depend on time. Whoever changes a client's
//! permissions replaces its cache. It has one place for each of a few hashes and takes no subject
//! that is too long for its place, so that it never grows and a full one costs no allocation; who
//! makes subjects collide only slows itself, down to asking the permissions each time.

use super::permissions::Permissions;

/// See the module's head. One word while it is empty.
#[derive(Debug, Default)]
pub struct PublishCache(Option<Box<[Place; PLACES]>>);

/// An answer and its subject, in one cache line.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// 0 in a place that has no answer yet: there is no empty subject.
    length: u8,
    allowed: bool,
    subject: [u8; SUBJECT_MAX],
}

impl PublishCache {
    /// What `permissions.may_publish(subject)` answers; always the same permissions.
    #[inline]
    pub fn may_publish(&mut self, permissions: &Permissions, subject: &[u8]) -> bool {
        if !permissions.restricts_publish() {
            return true;
        }
        let length = match u8::try_from(subject.len()) {
            Ok(length) if subject.len() <= SUBJECT_MAX => length,
            _ => return permissions.may_publish(subject),
        };
        if let Some(places) = &self.0 {
            let place = &places[index(subject)];
            if place.length == length && place.subject[..subject.len()] == *subject && length > 0 {
                return place.allowed;
            }
        }
        self.ask(permissions, subject, length)
    }

    #[cold]
    fn ask(&mut self, permissions: &Permissions, subject: &[u8], length: u8) -> bool {
        let allowed = permissions.may_publish(subject);
        let places = self.0.get_or_insert_with(|| Box::new([Place::EMPTY; PLACES]));
        let place = &mut places[index(subject)];
        (place.length, place.allowed) = (length, allowed);
        place.subject[..subject.len()].copy_from_slice(subject);
        allowed
    }
}

impl Place {
    const EMPTY: Self = Self { length: 0, allowed: false, subject: [0; SUBJECT_MAX] };
}

/// The place of a subject, by its end, where subjects of one client differ most.
#[inline]
fn index(subject: &[u8]) -> usize {
    let end = match subject.last_chunk::<8>() {
        Some(end) => u64::from_le_bytes(*end),
        None => subject.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte)),
    };
    let mixed = (end ^ subject.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    // INVARIANT: only the highest bits are left.
    #[expect(clippy::cast_possible_truncation)]
    let index = (mixed >> (64 - PLACES.trailing_zeros())) as usize;
    index
}

const PLACES: usize = 8;

const SUBJECT_MAX: usize = 62;

const _: () = assert!(size_of::<Place>() == 64);
const _: () = assert!(size_of::<PublishCache>() == 8, "in every client");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::access::{self, Rule, Rules};

    fn rule(subject: &str) -> Rule {
        Rule { subject: subject.into(), queue: None }
    }

    fn permissions() -> Permissions {
        let publish =
            Rules { allow: Some(vec![rule("a.>"), rule("b")]), deny: vec![rule("a.*.no")] };
        Permissions::compile(&access::Permissions { publish, ..Default::default() })
    }

    #[test]
    fn a_client_without_rules_gets_no_places() {
        let mut cache = PublishCache::default();
        let open = Permissions::compile(&access::Permissions::default());
        assert!(cache.may_publish(&open, b"anything"));
        assert!(cache.0.is_none());
    }

    #[test]
    fn a_subject_of_any_length_is_answered() {
        let (permissions, mut cache) = (permissions(), PublishCache::default());
        for length in [0, 1, 61, 62, 63, 255, 256, 318, 400] {
            let subject = ["a.", &"x".repeat(length)].concat();
            for _ in 0..2 {
                let answer = cache.may_publish(&permissions, subject.as_bytes());
                assert_eq!(answer, length > 0, "{length}");
            }
        }
        assert!(!cache.may_publish(&permissions, b""));
    }

    proptest! {
        #[test]
        fn the_cache_answers_as_the_permissions_do(
            subjects in proptest::collection::vec("[abc.]{0,4}(no|x)?", 1..200),
        ) {
            let (permissions, mut cache) = (permissions(), PublishCache::default());
            for subject in subjects {
                let subject = subject.as_bytes();
                let expected = permissions.may_publish(subject);
                prop_assert_eq!(cache.may_publish(&permissions, subject), expected);
            }
        }
    }
}
