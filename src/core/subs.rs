//! One client's subscriptions: from the sid it chose to the place in a list of receivers.
//!
//! Absent: filters and delivery (`interest`, `deliver`). A client with few subscriptions has a
//! short list, one with many a table beside it.

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
pub(crate) struct Subs {
    /// All of them, in no order that means anything.
    all: Vec<Sub>,
    /// Indexes into `all`, once there are more than a scan should pass.
    by_sid: Option<Box<BySid>>,
}

/// Indexes by sid. The seed is the shard's secret: clients choose their sids, and a chain of
/// collisions would cost their neighbours' time.
#[derive(Debug)]
struct BySid {
    table: HashTable<u32>,
    seed: u64,
}

impl Subs {
    pub(crate) fn new() -> Self {
        Self { all: Vec::new(), by_sid: None }
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn find(&self, sid: Sid) -> Option<&Sub> {
        self.all.get(self.index_of(sid)?)
    }

    pub(crate) fn insert(&mut self, sub: Sub, seed: u64) {
        debug_assert!(self.find(sub.sid).is_none(), "a sid names one subscription");
        let index = self.all.len();
        if index == self.all.capacity() {
            // By a half or an eighth instead of to the double: there may be a million in all.
            let more = if index < FEW { index / 2 } else { index / 8 };
            self.all.reserve_exact(more.max(1));
        }
        self.all.push(sub);
        let all = &self.all;
        match &mut self.by_sid {
            Some(by_sid) => by_sid.add(all, index),
            None if all.len() > FEW => {
                let table = HashTable::with_capacity(FEW * 2);
                let mut by_sid = Box::new(BySid { table, seed });
                (0..all.len()).for_each(|index| by_sid.add(all, index));
                self.by_sid = Some(by_sid);
            }
            None => {}
        }
    }

    pub(crate) fn remove(&mut self, sid: Sid) -> Option<Sub> {
        let index = self.index_of(sid)?;
        let removed = self.all.swap_remove(index);
        let moved_from = narrow(self.all.len());
        if let Some(by_sid) = &mut self.by_sid {
            let (table, seed) = (&mut by_sid.table, by_sid.seed);
            if let Ok(entry) = table.find_entry(hash(seed, sid), |at| *at == narrow(index)) {
                entry.remove();
            }
            if let Some(moved) = self.all.get(index)
                && let Some(at) = table.find_mut(hash(seed, moved.sid), |at| *at == moved_from)
            {
                *at = narrow(index);
            }
        }
        self.shrink();
        Some(removed)
    }

    /// Notes that a subscription's receiver moved inside its list.
    pub(crate) fn moved(&mut self, sid: Sid, position: u32) {
        let sub = self.index_of(sid).and_then(|index| self.all.get_mut(index));
        debug_assert!(sub.is_some(), "a receiver's sid names a subscription");
        if let Some(sub) = sub {
            sub.position = position;
        }
    }

    /// Takes any one subscription out.
    pub(crate) fn pop(&mut self) -> Option<Sub> {
        self.remove(self.all.last()?.sid)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Sub> {
        self.all.iter()
    }

    fn index_of(&self, sid: Sid) -> Option<usize> {
        match &self.by_sid {
            None => self.all.iter().position(|sub| sub.sid == sid),
            Some(by_sid) => {
                let is_it = |at: &u32| sid_at(&self.all, *at) == sid;
                by_sid.table.find(hash(by_sid.seed, sid), is_it).map(|at| *at as usize)
            }
        }
    }

    /// Gives back what a client with many subscriptions no longer uses.
    fn shrink(&mut self) {
        if self.all.is_empty() {
            *self = Self::new();
        } else if self.all.len() * 2 <= FEW {
            self.by_sid = None;
            self.all.shrink_to_fit();
        } else if self.all.len() * 4 < self.all.capacity() {
            self.all.shrink_to(self.all.len() * 2);
            if let Some(by_sid) = &mut self.by_sid {
                let (all, seed) = (&self.all, by_sid.seed);
                by_sid.table.shrink_to(all.len() * 2, |at| hash(seed, sid_at(all, *at)));
            }
        }
    }
}

impl BySid {
    fn add(&mut self, all: &[Sub], index: usize) {
        let at = narrow(index);
        let rehash = |at: &u32| hash(self.seed, sid_at(all, *at));
        self.table.insert_unique(hash(self.seed, sid_at(all, at)), at, rehash);
    }
}

fn sid_at(all: &[Sub], index: u32) -> Sid {
    all.get(index as usize).map_or(Sid::NONE, |sub| sub.sid)
}

fn narrow(index: usize) -> u32 {
    // INVARIANT: subscriptions of a client are bounded far below 2^32.
    u32::try_from(index).unwrap_or(u32::MAX)
}

fn hash(seed: u64, sid: Sid) -> u64 {
    FixedState::with_seed(seed).hash_one(sid)
}

/// Up to here a scan beats a table and costs less memory.
const FEW: usize = 16;

#[cfg(test)]
mod tests {
    use super::super::rng::Rng;
    use super::super::sids::SidTable;
    use super::*;

    #[test]
    fn few_and_many_behave_as_a_list_does() {
        let mut sids = SidTable::new(0);
        let names: Vec<Sid> = (0..40).map(|n| sids.intern(n.to_string().as_bytes())).collect();
        let (mut subs, mut model) = (Subs::new(), Vec::new());
        let mut rng = Rng::new(2);
        for step in 0..5_000u32 {
            let sid = names[rng.below(if step % 1_000 < 500 { 40 } else { 9 }) as usize];
            let known = model.iter().position(|sub: &Sub| sub.sid == sid);
            assert_eq!(subs.find(sid), known.map(|at| &model[at]));
            match (known, rng.below(3)) {
                (None, 0 | 1) => {
                    let list = List::Plain(Slot::from_key(step as usize));
                    let sub = Sub { sid, position: 0, list };
                    subs.insert(sub, 5);
                    model.push(sub);
                }
                (Some(at), 0) => {
                    assert_eq!(subs.remove(sid), Some(model.swap_remove(at)));
                }
                (Some(at), _) => {
                    subs.moved(sid, step);
                    model[at].position = step;
                }
                (None, _) => assert_eq!(subs.remove(sid), None),
            }
            assert_eq!((subs.len(), subs.iter().count()), (model.len(), model.len()));
        }
        while let Some(sub) = subs.pop() {
            let at = model.iter().position(|other| *other == sub).expect("known");
            model.swap_remove(at);
        }
        assert!(model.is_empty());
    }
}
