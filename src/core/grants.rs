//! Reply subjects that one client was sent, and may therefore publish answers to.
//!
//! Absent: whether it may publish there anyway (`permissions`), which is asked first. Entries stand
//! in the order in which they were granted, so that the oldest are the first to be dropped: when
//! their time is over, or when there are as many as a client may have.

use std::hash::{BuildHasher, Hasher};

use foldhash::quality::FixedState;
use hashbrown::HashTable;
use slab::Slab;

use super::ids::Slot;
use super::short_text::ShortText;
use super::time::Instant;
use crate::config::access::ResponseGrant;

/// See the module's head. One word while it is empty.
#[derive(Debug, Default)]
pub struct ResponseGrants(Option<Box<Inner>>);

#[derive(Debug)]
struct Inner {
    entries: Slab<Entry>,
    by_reply: HashTable<Slot>,
    hasher: FixedState,
    oldest: Option<Slot>,
    newest: Option<Slot>,
}

#[derive(Debug)]
struct Entry {
    reply: ShortText,
    /// `None` when it never ends.
    ends: Option<Instant>,
    /// Answers that may still be sent; `None` for any number.
    left: Option<u32>,
    older: Option<Slot>,
    newer: Option<Slot>,
}

/// What had to go for a new grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Displaced {
    /// Nothing that could still have been used.
    Nothing,
    /// The oldest grant, because there were [`ResponseGrants::MAX`].
    Oldest,
}

impl ResponseGrants {
    /// Grants of one client; beyond them the oldest one goes for each new one.
    pub const MAX: usize = 65_536;

    /// Lets the client answer on `reply` from now on, as often and as long as the grant says.
    pub fn grant(&mut self, reply: &[u8], now: Instant, grant: &ResponseGrant) -> Displaced {
        // Requesters choose their replies, but hardly the nanosecond of the first one, so that it
        // serves as the seed and keeps the table's order from being aimed at.
        let inner = self.0.get_or_insert_with(|| Box::new(Inner::new(now.as_ns())));
        inner.prune(now, PRUNED_AT_ONCE);
        let hash = hash(&inner.hasher, reply);
        if let Some(slot) = inner.find(hash, reply) {
            inner.remove(slot);
        }
        let mut displaced = Displaced::Nothing;
        if inner.entries.len() >= Self::MAX
            && let Some(oldest) = inner.oldest
        {
            inner.remove(oldest);
            displaced = Displaced::Oldest;
        }
        let ends = grant.expires_ns.map(|ns| now.after_ns(ns));
        inner.push(hash, reply, ends, grant.max);
        displaced
    }

    /// Whether there is an answer left to use up, now.
    pub fn holds(&self, subject: &[u8], now: Instant) -> bool {
        let Some(inner) = &self.0 else { return false };
        let found = inner.find(hash(&inner.hasher, subject), subject);
        let alive = |slot: Slot| inner.entries[slot.key()].is_alive(now);
        found.is_some_and(alive)
    }

    /// Uses one answer up; whether there was one.
    pub fn take(&mut self, subject: &[u8], now: Instant) -> bool {
        let Some(inner) = &mut self.0 else { return false };
        let Some(slot) = inner.find(hash(&inner.hasher, subject), subject) else { return false };
        let entry = &mut inner.entries[slot.key()];
        let alive = entry.is_alive(now);
        entry.left = entry.left.map(|left| left.saturating_sub(1));
        if !alive || entry.left == Some(0) {
            inner.remove(slot);
            if inner.entries.is_empty() {
                self.0 = None;
            }
        }
        alive
    }

    /// Drops all grants whose time is over, for a client that is sent no more requests.
    pub fn prune(&mut self, now: Instant) {
        let Some(inner) = &mut self.0 else { return };
        inner.prune(now, usize::MAX);
        if inner.entries.is_empty() {
            self.0 = None;
        }
    }

    /// All grants, oldest first: the reply, until when, and how often.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], Option<Instant>, Option<u32>)> {
        let entry = |slot: Slot| self.0.as_ref().map(|inner| &inner.entries[slot.key()]);
        let mut next = self.0.as_ref().and_then(|inner| inner.oldest);
        std::iter::from_fn(move || {
            let entry = entry(next?)?;
            next = entry.newer;
            Some((&*entry.reply, entry.ends, entry.left))
        })
    }

    /// Adds a grant that stood here before, behind all others.
    pub(crate) fn restore(&mut self, reply: &[u8], ends: Option<Instant>, left: Option<u32>) {
        let seed = ends.map_or(0, Instant::as_ns);
        let inner = self.0.get_or_insert_with(|| Box::new(Inner::new(seed)));
        let hash = hash(&inner.hasher, reply);
        if inner.entries.len() < Self::MAX && inner.find(hash, reply).is_none() {
            inner.push(hash, reply, ends, left);
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |inner| inner.entries.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Walks the invariants.
    pub fn check(&self) {
        let Some(inner) = &self.0 else { return };
        assert!(inner.entries.len() <= Self::MAX);
        assert_eq!(inner.entries.len(), inner.by_reply.len());
        let (mut seen, mut next, mut older) = (0, inner.oldest, None);
        while let Some(slot) = next {
            let entry = &inner.entries[slot.key()];
            assert_eq!(entry.older, older, "linked both ways");
            let found = inner.find(hash(&inner.hasher, &entry.reply), &entry.reply);
            assert_eq!(found, Some(slot), "found by its reply");
            (seen, older, next) = (seen + 1, next, entry.newer);
        }
        assert_eq!(older, inner.newest);
        assert_eq!(seen, inner.entries.len(), "all in the order");
    }
}

impl Entry {
    fn is_alive(&self, now: Instant) -> bool {
        self.ends.is_none_or(|ends| now <= ends) && self.left != Some(0)
    }
}

impl Inner {
    fn new(seed: u64) -> Self {
        let hasher = FixedState::with_seed(seed);
        let (entries, by_reply) = (Slab::new(), HashTable::new());
        Self { entries, by_reply, hasher, oldest: None, newest: None }
    }

    fn find(&self, hash: u64, reply: &[u8]) -> Option<Slot> {
        let is_it = |slot: &Slot| *self.entries[slot.key()].reply == *reply;
        self.by_reply.find(hash, is_it).copied()
    }

    fn push(&mut self, hash: u64, reply: &[u8], ends: Option<Instant>, left: Option<u32>) {
        let older = self.newest;
        let entry = Entry { reply: reply.into(), ends, left, older, newer: None };
        let slot = Slot::from_key(self.entries.insert(entry));
        let (entries, hasher) = (&self.entries, &self.hasher);
        let rehash = |slot: &Slot| self::hash(hasher, &entries[slot.key()].reply);
        self.by_reply.insert_unique(hash, slot, rehash);
        match older {
            Some(older) => self.entries[older.key()].newer = Some(slot),
            None => self.oldest = Some(slot),
        }
        self.newest = Some(slot);
    }

    fn remove(&mut self, slot: Slot) {
        let entry = self.entries.remove(slot.key());
        match entry.older {
            Some(older) => self.entries[older.key()].newer = entry.newer,
            None => self.oldest = entry.newer,
        }
        match entry.newer {
            Some(newer) => self.entries[newer.key()].older = entry.older,
            None => self.newest = entry.older,
        }
        let hash = hash(&self.hasher, &entry.reply);
        let found = self.by_reply.find_entry(hash, |other| *other == slot);
        debug_assert!(found.is_ok(), "every entry is in the table");
        if let Ok(found) = found {
            found.remove();
        }
    }

    /// Drops at most so many grants whose time is over, oldest first.
    fn prune(&mut self, now: Instant, most: usize) {
        for _ in 0..most {
            let Some(oldest) = self.oldest else { return };
            if self.entries[oldest.key()].ends.is_none_or(|ends| now <= ends) {
                return;
            }
            self.remove(oldest);
        }
    }
}

fn hash(hasher: &FixedState, reply: &[u8]) -> u64 {
    let mut state = hasher.build_hasher();
    state.write(reply);
    state.finish()
}

/// More than one for each new grant, so that what is over goes faster than new ones come.
const PRUNED_AT_ONCE: usize = 4;

const _: () = assert!(size_of::<ResponseGrants>() == 8, "in every client");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ONCE: ResponseGrant = ResponseGrant { max: Some(1), expires_ns: Some(100) };
    const OFTEN: ResponseGrant = ResponseGrant { max: None, expires_ns: None };

    fn at(ns: u64) -> Instant {
        Instant::from_ns(ns)
    }

    #[test]
    fn one_answer_is_one_answer() {
        let mut grants = ResponseGrants::default();
        assert!(!grants.take(b"r", at(1)));
        grants.grant(b"r", at(1), &ONCE);
        assert!(!grants.take(b"other", at(1)));
        assert!(grants.holds(b"r", at(101)), "asking uses nothing up");
        assert!(!grants.holds(b"r", at(102)));
        assert!(grants.take(b"r", at(101)), "the end itself is still in time");
        assert!(!grants.take(b"r", at(101)));
        assert!(grants.is_empty(), "nothing is kept for nothing");
    }

    #[test]
    fn a_grant_ends_with_its_time() {
        let mut grants = ResponseGrants::default();
        grants.grant(b"r", at(1), &ONCE);
        assert!(!grants.take(b"r", at(102)));
        assert_eq!(grants.len(), 0);
        grants.grant(b"r", at(1), &OFTEN);
        assert!((0..1000).all(|n| grants.take(b"r", at(n << 40))));
    }

    #[test]
    fn the_same_reply_again_starts_anew() {
        let mut grants = ResponseGrants::default();
        grants.grant(b"r", at(1), &ONCE);
        grants.grant(b"r", at(90), &ONCE);
        assert_eq!(grants.len(), 1);
        assert!(grants.take(b"r", at(150)));
    }

    #[test]
    fn beyond_the_bound_the_oldest_goes() {
        let mut grants = ResponseGrants::default();
        for n in 0..ResponseGrants::MAX {
            assert_eq!(grants.grant(&n.to_le_bytes(), at(1), &OFTEN), Displaced::Nothing);
        }
        assert_eq!(grants.grant(b"one more", at(1), &OFTEN), Displaced::Oldest);
        assert_eq!(grants.len(), ResponseGrants::MAX);
        assert!(!grants.take(&0_usize.to_le_bytes(), at(2)));
        assert!(grants.take(&1_usize.to_le_bytes(), at(2)));
        grants.check();
    }

    #[test]
    fn what_is_over_goes_while_new_ones_come() {
        let mut grants = ResponseGrants::default();
        for n in 0..4_000_u64 {
            grants.grant(&n.to_le_bytes(), at(n), &ONCE);
            assert!(grants.len() <= 102);
        }
        grants.prune(at(9_000));
        assert!(grants.is_empty());
    }

    #[test]
    fn grants_that_are_moved_stay_in_their_order() {
        let mut old = ResponseGrants::default();
        for (n, grant) in [ONCE, OFTEN, ONCE].iter().enumerate() {
            old.grant(&n.to_le_bytes(), at(n as u64), grant);
        }
        let mut new = ResponseGrants::default();
        old.iter().for_each(|(reply, ends, left)| new.restore(reply, ends, left));
        new.check();
        assert!(new.iter().eq(old.iter()));
        assert!(new.take(&0_usize.to_le_bytes(), at(100)));
        assert!(!new.take(&2_usize.to_le_bytes(), at(103)));
    }

    proptest! {
        #[test]
        fn grants_agree_with_a_list(
            steps in proptest::collection::vec((0u8..3, 0u8..6, 0u64..40), 1..300),
            max in 1u32..3,
        ) {
            let grant = ResponseGrant { max: Some(max), expires_ns: Some(60) };
            let (mut grants, mut model, mut now) = (ResponseGrants::default(), Vec::new(), 0);
            for (what, reply, later) in steps {
                now += later / 3;
                let known = model.iter().position(|(name, _, _)| *name == reply);
                if what == 0 {
                    grants.grant(&[reply], at(now), &grant);
                    known.map(|index| model.remove(index));
                    model.push((reply, now, max));
                } else {
                    let expected = known.is_some_and(|index| {
                        let (_, since, left) = &mut model[index];
                        *left = left.wrapping_sub(1);
                        now - *since <= 60 && *left < max
                    });
                    prop_assert_eq!(grants.holds(&[reply], at(now)), expected);
                    prop_assert_eq!(grants.take(&[reply], at(now)), expected);
                    if what == 2 {
                        grants.prune(at(now));
                        model.retain(|(_, since, left)| now - since <= 60 && *left > 0);
                    }
                    model.retain(|(_, _, left)| *left > 0);
                }
                grants.check();
            }
        }
    }
}
