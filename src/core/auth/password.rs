//! Whether a presented password or token is the one that was set, in a time that tells nothing.
//!
//! Absent: whose it is (`users`). A password that is wrong, and one of somebody who does not
//! exist, cost the same hashing: as much as the dearest hash of the table (`Floor`).

use std::hint::black_box;
use std::str::FromStr;

use bcrypt::HashParts;
use subtle::{Choice, ConstantTimeEq};

use crate::config::Secret;

/// What a decision cost. Counted, so that it can be compared without a clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Rounds of bcrypt: two to the power of the cost, for each hash.
    pub rounds: u64,
    /// Signatures that were verified.
    pub signatures: u32,
}

/// A password or token as it was set.
#[derive(Debug, Clone)]
pub(super) enum Stored {
    /// Compared as it is.
    Plain(Secret),
    /// A bcrypt hash and its cost.
    Hashed(Secret, u32),
    /// Begins like a bcrypt hash and is none: nothing matches it.
    Unmatchable,
}

impl Stored {
    pub(super) fn new(secret: &Secret) -> Self {
        if !secret.is_bcrypt() {
            return Self::Plain(secret.clone());
        }
        let cost = HashParts::from_str(secret.expose()).map(|parts| parts.get_cost());
        match cost {
            Ok(cost) if COSTS.contains(&cost) => Self::Hashed(secret.clone(), cost),
            Ok(_) | Err(_) => Self::Unmatchable,
        }
    }

    /// Whether comparing with it costs next to nothing.
    pub(super) fn is_cheap(&self) -> bool {
        !matches!(self, Self::Hashed(..))
    }

    /// Whether a client without a password could be meant.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Plain(secret) if secret.expose().is_empty())
    }
}

/// How much hashing every refusal of a table costs: that of its dearest hash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Floor(Option<u32>);

impl Floor {
    pub(super) fn of<'a>(stored: impl Iterator<Item = &'a Stored>) -> Self {
        let cost = |stored: &Stored| match stored {
            Stored::Hashed(_, cost) => Some(*cost),
            Stored::Plain(_) | Stored::Unmatchable => None,
        };
        Self(stored.filter_map(cost).max())
    }

    /// Whether there is no hash in the table.
    pub(super) fn is_free(self) -> bool {
        self.0.is_none()
    }

    /// Compares a password with the one that was set, if there is such a user at all.
    pub(super) fn matches(self, stored: Option<&Stored>, presented: &str, work: &mut Work) -> bool {
        let (right, done) = match stored {
            Some(Stored::Hashed(hash, cost)) => {
                work.rounds += 1 << cost;
                let right = bcrypt::verify(presented, hash.expose()).unwrap_or(false);
                (right, Some(*cost))
            }
            Some(Stored::Plain(secret)) => (equal(secret.expose(), presented), None),
            Some(Stored::Unmatchable) | None => {
                // Looked at like anybody's, and thrown away.
                black_box(equal("", presented));
                (false, None)
            }
        };
        if !right {
            self.fill(done, presented, work);
        }
        right
    }

    /// Hashes what is missing to the floor: hashes of costs c, c+1, … below f take together what
    /// one of cost f takes beyond one of cost c.
    fn fill(self, done: Option<u32>, presented: &str, work: &mut Work) {
        let Some(floor) = self.0 else { return };
        let costs = match done {
            Some(done) => done..floor,
            None => floor..floor + 1,
        };
        for cost in costs {
            work.rounds += 1 << cost;
            // The hash is for the time it takes; there is nobody whose it could be.
            let _ = black_box(bcrypt::hash_with_salt(presented, cost, [0; 16]));
        }
    }
}

/// Compares in a time that depends on the presented text's length alone.
fn equal(stored: &str, presented: &str) -> bool {
    let (stored, presented) = (stored.as_bytes(), presented.as_bytes());
    let mut same: Choice = stored.len().ct_eq(&presented.len());
    for (presented, stored) in presented.iter().zip(stored.iter().chain([&0]).cycle()) {
        same &= presented.ct_eq(stored);
    }
    same.into()
}

/// Costs that bcrypt knows.
const COSTS: std::ops::RangeInclusive<u32> = 4..=31;

#[cfg(test)]
mod tests {
    use super::*;

    fn hashed(password: &str, cost: u32) -> Stored {
        Stored::new(&Secret::new(
            bcrypt::hash_with_salt(password, cost, [7; 16]).unwrap().to_string(),
        ))
    }

    fn plain(password: &str) -> Stored {
        Stored::new(&Secret::new(password))
    }

    #[test]
    fn texts_are_equal_only_to_themselves() {
        let texts = ["", "a", "b", "aa", "ab", "aaa", "ü", "\0", "\0\0", "a\0", &"x".repeat(4000)];
        for (n, stored) in texts.iter().enumerate() {
            for (m, presented) in texts.iter().enumerate() {
                assert_eq!(equal(stored, presented), n == m, "{stored:?} {presented:?}");
            }
        }
    }

    #[test]
    fn hashes_match_their_password_only() {
        let floor = Floor::default();
        let stored = hashed("s3cret", 4);
        let check = |text: &str| floor.matches(Some(&stored), text, &mut Work::default());
        assert!(check("s3cret"));
        for wrong in ["", "s3cre", "s3crett", "S3cret", "s3cret\0", "\0", &"s3cret".repeat(700)] {
            assert!(!check(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn hashes_of_other_implementations_match() {
        // The example of Go's implementation, and one of PHP's.
        let go = Secret::new("$2a$10$XajjQvNhvvRt5GSeFk1xFeyqRrsxkhBkUiQeg0dt.wU1qD4aFDcga");
        assert!(Floor::default().matches(Some(&Stored::new(&go)), "allmine", &mut Work::default()));
    }

    #[test]
    fn what_only_begins_like_a_hash_matches_nothing() {
        for text in ["$2a$11$", "$2a$99$XajjQvNhvvRt5GSeFk1xFeyqRrsxkhBkUiQeg0dt.wU1qD4aFDcga"] {
            let stored = Stored::new(&Secret::new(text));
            assert!(matches!(stored, Stored::Unmatchable), "{text}");
            for presented in ["", text] {
                let mut work = Work::default();
                assert!(!Floor::default().matches(Some(&stored), presented, &mut work));
            }
        }
    }

    #[test]
    fn every_refusal_costs_the_same() {
        let table = [hashed("a", 4), hashed("b", 6), plain("c"), Stored::Unmatchable];
        let floor = Floor::of(table.iter());
        for stored in table.iter().map(Some).chain([None]) {
            for presented in ["", "x", "abcdefgh"] {
                let mut work = Work::default();
                assert!(!floor.matches(stored, presented, &mut work));
                assert_eq!(work.rounds, 1 << 6, "{stored:?} {presented}");
            }
        }
    }

    #[test]
    fn what_is_right_costs_its_own_hash() {
        let table = [hashed("a", 4), hashed("b", 6), plain("c")];
        let floor = Floor::of(table.iter());
        for (stored, presented, rounds) in
            [(&table[0], "a", 1 << 4), (&table[1], "b", 1 << 6), (&table[2], "c", 0)]
        {
            let mut work = Work::default();
            assert!(floor.matches(Some(stored), presented, &mut work));
            assert_eq!(work.rounds, rounds);
        }
    }

    #[test]
    fn without_hashes_nothing_is_hashed() {
        let mut work = Work::default();
        let floor = Floor::of([plain("c")].iter());
        assert!(floor.is_free());
        assert!(!floor.matches(None, "x", &mut work));
        assert_eq!(work, Work::default());
    }
}
