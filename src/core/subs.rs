//! One client's subscriptions: from the sid it chose to the place in a list of receivers.
//!
//! Absent: filters and delivery (`interest`, `deliver`). A client with few subscriptions has a
//! short list, one with many a table.

use foldhash::quality::FixedState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

use super::ids::Slot;
use super::sids::Sid;

/// Which list of receivers a subscription stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    /// The plain subscribers of a filter.
    Plain(Slot),
    /// The members of a queue group on one filter.
    Queue(Slot),
}

/// One subscription, from its client's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sub {
    pub(crate) sid: Sid,
    /// Index in the list; the list's owner keeps it true.
    pub(crate) position: u32,
    pub(crate) list: List,
}

/// See the module's head.
#[derive(Debug)]
pub(crate) enum Subs {
    Few(Vec<Sub>),
    Many(Box<HashTable<Sub>>),
}

impl Subs {
    pub(crate) fn new() -> Self {
        Self::Few(Vec::new())
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Few(subs) => subs.len(),
            Self::Many(table) => table.len(),
        }
    }

    pub(crate) fn find(&self, sid: Sid) -> Option<&Sub> {
        match self {
            Self::Few(subs) => subs.iter().find(|sub| sub.sid == sid),
            Self::Many(table) => table.find(hash(sid), |sub| sub.sid == sid),
        }
    }

    pub(crate) fn insert(&mut self, sub: Sub) {
        debug_assert!(self.find(sub.sid).is_none(), "a sid names one subscription");
        match self {
            Self::Few(subs) if subs.len() < FEW => {
                if subs.len() == subs.capacity() {
                    subs.reserve_exact(subs.len().max(1));
                }
                subs.push(sub);
            }
            Self::Few(subs) => {
                let mut table = HashTable::with_capacity(FEW * 2);
                for old in subs.drain(..).chain([sub]) {
                    table.insert_unique(hash(old.sid), old, |sub| hash(sub.sid));
                }
                *self = Self::Many(Box::new(table));
            }
            Self::Many(table) => {
                table.insert_unique(hash(sub.sid), sub, |sub| hash(sub.sid));
            }
        }
    }

    pub(crate) fn remove(&mut self, sid: Sid) -> Option<Sub> {
        match self {
            Self::Few(subs) => {
                let index = subs.iter().position(|sub| sub.sid == sid)?;
                Some(subs.swap_remove(index))
            }
            Self::Many(table) => {
                let entry = table.find_entry(hash(sid), |sub| sub.sid == sid).ok()?;
                let (removed, _) = entry.remove();
                if table.is_empty() {
                    *self = Self::new();
                }
                Some(removed)
            }
        }
    }

    /// Notes that a subscription's receiver moved inside its list.
    pub(crate) fn moved(&mut self, sid: Sid, position: u32) {
        let sub = match self {
            Self::Few(subs) => subs.iter_mut().find(|sub| sub.sid == sid),
            Self::Many(table) => table.find_mut(hash(sid), |sub| sub.sid == sid),
        };
        debug_assert!(sub.is_some(), "a receiver's sid names a subscription");
        if let Some(sub) = sub {
            sub.position = position;
        }
    }

    /// Takes any one subscription out.
    pub(crate) fn pop(&mut self) -> Option<Sub> {
        match self {
            Self::Few(subs) => subs.pop(),
            Self::Many(table) => {
                let sub = *table.iter().next()?;
                self.remove(sub.sid)
            }
        }
    }

    pub(crate) fn iter(&self) -> Box<dyn Iterator<Item = &Sub> + '_> {
        match self {
            Self::Few(subs) => Box::new(subs.iter()),
            Self::Many(table) => Box::new(table.iter()),
        }
    }
}

fn hash(sid: Sid) -> u64 {
    // The client chooses its sids and meets only itself in this table: a fixed seed will do.
    FixedState::with_seed(0x5349_4453).hash_one(sid)
}

/// Up to here a scan beats a table and costs less memory.
const FEW: usize = 8;

#[cfg(test)]
mod tests {
    use super::super::sids::SidTable;
    use super::*;

    #[test]
    fn few_and_many_behave_alike() {
        let mut sids = SidTable::new(0);
        let mut subs = Subs::new();
        let names: Vec<Sid> = (0..40).map(|n| sids.intern(n.to_string().as_bytes())).collect();
        for (n, sid) in names.iter().enumerate() {
            let list = List::Plain(Slot::from_key(n));
            subs.insert(Sub { sid: *sid, position: 0, list });
            subs.moved(*sid, 9);
            assert_eq!(subs.len(), n + 1);
            assert_eq!(subs.find(names[0]).map(|sub| sub.position), Some(9));
        }
        assert_eq!(subs.iter().count(), 40);
        for sid in &names[..20] {
            assert!(subs.remove(*sid).is_some());
            assert!(subs.remove(*sid).is_none());
        }
        assert!(subs.pop().is_some());
        assert_eq!(subs.len(), 19);
        while subs.pop().is_some() {}
        assert_eq!(subs.len(), 0);
    }
}
