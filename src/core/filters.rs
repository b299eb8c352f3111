//! The filters that somebody in the broker subscribes to, found by text and by matching subject.
//!
//! Absent: what peers are told (`interest`). Literal filters are found by one hash probe, wildcard
//! ones by the subject trie: most filters of a busy broker are literal, and a probe does not get
//! slower with their number.

use std::hash::{BuildHasher, Hasher};

use fanfare_protocol::subject::Filter as FilterText;
use foldhash::quality::FixedState;

use super::blocks::BlockSlab;
use super::hot_subjects::{HotSubjects, Known};
use super::ids::{AccountId, Generation, Handle, Slot};
use super::pages::PagedTable;
use super::short_text::ShortText;
use super::trie::{Frontier, Trie};
use super::wants::Wants;

/// One filter that somebody in the broker subscribes to.
#[derive(Debug)]
pub(crate) struct Filter {
    pub(crate) text: ShortText,
    pub(crate) generation: Generation,
    pub(crate) account: AccountId,
    pub(crate) wants: Wants,
    /// Peers that believe this shard has plain subscribers.
    pub(crate) told: u64,
    /// Peers in whose dirty set the filter is.
    pub(crate) dirty: u64,
}

impl Filter {
    fn new(account: AccountId, text: &[u8], generation: Generation) -> Self {
        Self { text: text.into(), generation, account, wants: Wants::default(), told: 0, dirty: 0 }
    }

    /// Whether nobody needs the entry any more (I9: nor does a peer believe in it).
    pub(crate) fn is_unused(&self) -> bool {
        self.wants.is_empty() && self.told == 0 && self.dirty == 0
    }
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Filters {
    slab: BlockSlab<Filter>,
    literals: PagedTable<Slot>,
    /// One trie an account; `None` for accounts without wildcard filters.
    wildcards: Vec<Option<Box<Trie>>>,
    hasher: FixedState,
    frontier: Frontier,
    hot: HotSubjects,
    seed: u64,
    /// Filters of the system account.
    pub(crate) of_system: usize,
}

impl Filters {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            slab: BlockSlab::new(),
            literals: PagedTable::new(),
            wildcards: Vec::new(),
            hasher: FixedState::with_seed(seed.wrapping_add(1)),
            frontier: Frontier::default(),
            hot: HotSubjects::default(),
            seed,
            of_system: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    #[inline]
    pub(crate) fn get(&self, slot: Slot) -> &Filter {
        &self.slab[slot.key()]
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, slot: Slot) -> &mut Filter {
        &mut self.slab[slot.key()]
    }

    /// The filter behind a handle, if it is still the one that was meant (I9).
    #[inline]
    pub(crate) fn resolve(&self, handle: Handle) -> Option<Slot> {
        let filter = self.slab.get(handle.slot.key())?;
        (filter.generation == handle.generation).then_some(handle.slot)
    }

    /// The filter with this text.
    pub(crate) fn find(&self, account: AccountId, filter: &[u8]) -> Option<Slot> {
        if is_literal(filter) {
            self.find_literal(hash(&self.hasher, account, filter), account, filter)
        } else {
            self.trie(account)?.find(filter)
        }
    }

    /// Appends the filters of an account that match a published subject. Whoever asks again with
    /// the same version of interest may be answered out of memory.
    #[inline]
    pub(crate) fn matches(
        &mut self,
        account: AccountId,
        subject: &[u8],
        version: u64,
        found: &mut Vec<Slot>,
    ) {
        let hash = hash(&self.hasher, account, subject);
        let Some(Some(trie)) = self.wildcards.get(account.index()) else {
            found.extend(self.find_literal(hash, account, subject));
            return;
        };
        let before = found.len();
        let known = self.hot.look_up(hash, account, subject, version);
        if let Known::Filters(filters) = known {
            found.extend_from_slice(filters);
            return;
        }
        let is_seen = matches!(known, Known::Seen);
        found.extend(self.find_literal(hash, account, subject));
        trie.matches(subject, &mut self.frontier, found);
        if is_seen {
            // INVARIANT: `found` has only grown since it had this length.
            self.hot.keep(hash, account, subject, version, &found[before..]);
        }
    }

    /// The same for whoever only looks, and not often.
    pub(crate) fn matching(&self, account: AccountId, subject: &[u8]) -> Vec<Slot> {
        let hash = hash(&self.hasher, account, subject);
        let mut found: Vec<Slot> = self.find_literal(hash, account, subject).into_iter().collect();
        if let Some(Some(trie)) = self.wildcards.get(account.index()) {
            trie.matches(subject, &mut Frontier::default(), &mut found);
        }
        found
    }

    /// Adds a valid filter that is not known yet.
    pub(crate) fn insert(
        &mut self,
        account: AccountId,
        text: &[u8],
        generation: Generation,
    ) -> Slot {
        self.of_system += usize::from(account == AccountId::SYSTEM);
        let slot = Slot::from_key(self.slab.insert(Filter::new(account, text, generation)));
        if is_literal(text) {
            let (slab, hasher) = (&self.slab, &self.hasher);
            self.literals.insert_unique(hash(hasher, account, text), slot, |slot| {
                let filter = &slab[slot.key()];
                hash(hasher, filter.account, &filter.text)
            });
        } else {
            if self.wildcards.len() <= account.index() {
                self.wildcards.resize_with(account.index() + 1, || None);
            }
            let seed = self.seed;
            let trie = self.wildcards.get_mut(account.index());
            if let Some(trie) = trie {
                trie.get_or_insert_with(|| Box::new(Trie::new(seed))).insert(text, slot);
            }
        }
        slot
    }

    /// Removes a filter that nobody needs any more.
    pub(crate) fn remove(&mut self, slot: Slot) {
        let filter = self.slab.remove(slot.key());
        self.of_system -= usize::from(filter.account == AccountId::SYSTEM);
        debug_assert!(filter.is_unused(), "a filter outlives everything that names it (I9)");
        if is_literal(&filter.text) {
            let hash = hash(&self.hasher, filter.account, &filter.text);
            let (slab, hasher) = (&self.slab, &self.hasher);
            let removed = self.literals.remove(
                hash,
                |other| *other == slot,
                |other| {
                    let filter = &slab[other.key()];
                    self::hash(hasher, filter.account, &filter.text)
                },
            );
            debug_assert!(removed.is_some(), "a literal filter is in the table");
        } else {
            let place = self.wildcards.get_mut(filter.account.index());
            if let Some(place) = place
                && let Some(trie) = place
            {
                trie.remove(&filter.text);
                if trie.len() == 0 {
                    *place = None;
                }
            }
        }
    }

    /// Returns the memory of a burst, once most of what was reserved is unused.
    pub(crate) fn shrink(&mut self) {
        self.slab.shrink();
        if self.slab.is_empty() {
            self.hot.clear();
        }
        self.wildcards.iter_mut().flatten().for_each(|trie| trie.shrink());
    }

    /// Slots that there may be filters in.
    pub(crate) fn slots(&self) -> usize {
        self.slab.slots()
    }

    /// The filter in a slot, if there is one.
    pub(crate) fn known(&self, slot: Slot) -> Option<&Filter> {
        self.slab.get(slot.key())
    }

    /// All filters.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Slot, &Filter)> {
        self.slab.iter().map(|(key, filter)| (Slot::from_key(key), filter))
    }

    /// Walks the invariants.
    pub(crate) fn check(&self) {
        let tries = self.wildcards.iter().flatten();
        tries.clone().for_each(|trie| trie.check());
        let wildcards: usize = tries.map(|trie| trie.len()).sum();
        assert_eq!(self.literals.len() + wildcards, self.slab.len());
        self.literals.check(|slot| {
            let filter = self.get(*slot);
            hash(&self.hasher, filter.account, &filter.text)
        });
        for (slot, filter) in self.iter() {
            let found = self.find(filter.account, &filter.text);
            assert_eq!(found, Some(slot), "a filter is found by its text");
            assert!(!filter.is_unused(), "no filter without a purpose");
        }
    }

    #[inline]
    fn find_literal(&self, hash: u64, account: AccountId, subject: &[u8]) -> Option<Slot> {
        let is_filter = |slot: &Slot| {
            let filter = &self.slab[slot.key()];
            filter.account == account && *filter.text == *subject
        };
        self.literals.find(hash, is_filter).copied()
    }

    fn trie(&self, account: AccountId) -> Option<&Trie> {
        self.wildcards.get(account.index())?.as_deref()
    }
}

fn is_literal(filter: &[u8]) -> bool {
    FilterText::parse(filter).is_none_or(FilterText::is_literal)
}

fn hash(hasher: &FixedState, account: AccountId, text: &[u8]) -> u64 {
    let mut state = hasher.build_hasher();
    state.write(text);
    // Accounts often have the same filters; without this they would share one chain.
    state.finish() ^ (account.index() as u64).wrapping_mul(ACCOUNT_MIX)
}

/// Spreads neighbouring account numbers over all bits of a hash.
const ACCOUNT_MIX: u64 = 0x9E37_79B9_7F4A_7C15;
