//! A hash table that grows a page at a time (extendible hashing; Fagin and others, 1979): no
//! insertion waits until everything that is in the table has moved.
//!
//! Absent: keys and their comparison; the caller brings hashes, and can compute them again. A table
//! that doubles moves a million entries in one step, and each of them is a cache miss. Here the
//! most that one step moves is [`PAGE_MAX`] entries, and numbers of pages.

use hashbrown::HashTable;
use slab::Slab;

/// See the module's head.
#[derive(Debug)]
pub(crate) struct PagedTable<T> {
    /// Pages by the lowest `bits` bits of a hash's upper half; a page may stand in many places.
    directory: Vec<u32>,
    pages: Slab<Page<T>>,
    bits: u32,
    len: usize,
}

/// The entries that agree in so many bits.
#[derive(Debug)]
struct Page<T> {
    entries: HashTable<T>,
    bits: u32,
}

impl<T> PagedTable<T> {
    pub(crate) fn new() -> Self {
        let mut pages = Slab::with_capacity(1);
        let first = index(pages.insert(Page { entries: HashTable::new(), bits: 0 }));
        Self { directory: vec![first], pages, bits: 0, len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The entry with this hash that is the one meant.
    #[inline]
    pub(crate) fn find(&self, hash: u64, is_it: impl FnMut(&T) -> bool) -> Option<&T> {
        self.pages[self.key(hash)].entries.find(hash, is_it)
    }

    /// Adds an entry that is not in the table.
    pub(crate) fn insert_unique(&mut self, hash: u64, entry: T, rehash: impl Fn(&T) -> u64) {
        while self.is_full(self.key(hash)) {
            self.split(hash, &rehash);
        }
        let key = self.key(hash);
        self.pages[key].entries.insert_unique(hash, entry, rehash);
        self.len += 1;
    }

    /// Takes an entry out, if it is there.
    pub(crate) fn remove(
        &mut self,
        hash: u64,
        is_it: impl FnMut(&T) -> bool,
        rehash: impl Fn(&T) -> u64,
    ) -> Option<T> {
        let key = self.key(hash);
        let page = &mut self.pages[key];
        let removed = page.entries.find_entry(hash, is_it).ok()?.remove().0;
        self.len -= 1;
        let left = page.entries.len();
        if left * 8 < page.entries.capacity() && page.entries.capacity() > ROOM_KEPT {
            page.entries.shrink_to(left * 2, &rehash);
        }
        self.merge(hash, &rehash);
        Some(removed)
    }

    /// Walks the invariants.
    pub(crate) fn check(&self, rehash: impl Fn(&T) -> u64) {
        assert_eq!(self.directory.len(), 1 << self.bits);
        let mut places = 0;
        for (key, page) in &self.pages {
            assert!(page.bits <= self.bits, "a page is known by at most the directory's bits");
            places += 1 << (self.bits - page.bits);
            for entry in &page.entries {
                assert_eq!(self.key(rehash(entry)), key, "an entry stands in its page");
            }
        }
        assert_eq!(places, self.directory.len(), "every place has one page");
        let entries: usize = self.pages.iter().map(|(_, page)| page.entries.len()).sum();
        assert_eq!(entries, self.len);
    }

    #[inline]
    fn key(&self, hash: u64) -> usize {
        // The lower half chooses the place within a page, the highest seven bits are its tags.
        let place = (hash >> 32) & ((1 << self.bits) - 1);
        // INVARIANT: the directory has a place for each number of so many bits.
        let page = self.directory[place as usize];
        page as usize
    }

    fn is_full(&self, key: usize) -> bool {
        let page = &self.pages[key];
        // Entries that do not part, because their hashes are alike, stay together: the directory
        // has at most so many places for each page that is needed.
        let may_part = 1 << page.bits < PLACES_MAX * (self.len / PAGE_MAX + 1);
        page.entries.len() >= PAGE_MAX && may_part
    }

    /// Moves half of a full page's entries to a new one.
    #[cold]
    fn split(&mut self, hash: u64, rehash: impl Fn(&T) -> u64) {
        let key = self.key(hash);
        let bits = self.pages[key].bits;
        if bits == self.bits {
            self.directory.extend_from_within(..);
            self.bits += 1;
        }
        let old = std::mem::take(&mut self.pages[key].entries);
        let mut halves = [(); 2].map(|()| HashTable::with_capacity(old.len() / 2));
        for entry in old {
            let hash = rehash(&entry);
            halves[usize::from(bit(hash, bits))].insert_unique(hash, entry, &rehash);
        }
        let [low, high] = halves;
        self.pages[key] = Page { entries: low, bits: bits + 1 };
        let new = index(self.pages.insert(Page { entries: high, bits: bits + 1 }));
        let first = ((hash >> 32) & ((1 << bits) - 1)) | (1 << bits);
        self.assign(first, bits + 1, new);
    }

    /// Joins a page with its other half when few entries are left in both.
    fn merge(&mut self, hash: u64, rehash: impl Fn(&T) -> u64) {
        let key = self.key(hash);
        let Some(bits) = self.pages[key].bits.checked_sub(1) else { return };
        let other = self.key(hash ^ (1 << (32 + bits)));
        let left = self.pages[key].entries.len() + self.pages[other].entries.len();
        if self.pages[other].bits != bits + 1 || left > PAGE_MAX / 4 {
            return;
        }
        let moved = self.pages.remove(other).entries;
        let page = &mut self.pages[key];
        page.bits = bits;
        for entry in moved {
            page.entries.insert_unique(rehash(&entry), entry, &rehash);
        }
        self.assign((hash >> 32) & ((1 << bits) - 1), bits, index(key));
        self.halve();
    }

    /// Gives up halves of the directory that say nothing.
    fn halve(&mut self) {
        while self.bits > 0 {
            let half = self.directory.len() / 2;
            // Halves that differ do so early: a page that is in one only stands in few places.
            if self.pages.len() > half || self.directory[..half] != self.directory[half..] {
                break;
            }
            self.directory.truncate(half);
            self.bits -= 1;
        }
        self.directory.shrink_to(self.directory.len() * 2);
        if self.pages.len() * 4 < self.pages.capacity() {
            self.pages.shrink_to_fit();
        }
    }

    /// Lets all places whose lowest bits are these name a page.
    fn assign(&mut self, first: u64, bits: u32, page: u32) {
        // INVARIANT: the directory has this place.
        #[expect(clippy::cast_possible_truncation)]
        let first = first as usize;
        self.directory.iter_mut().skip(first).step_by(1 << bits).for_each(|place| *place = page);
    }
}

fn bit(hash: u64, number: u32) -> bool {
    hash & (1 << (32 + number)) != 0
}

fn index(key: usize) -> u32 {
    debug_assert!(u32::try_from(key).is_ok(), "pages are far fewer than entries");
    // INVARIANT: entries are bounded far below 2^32.
    #[expect(clippy::cast_possible_truncation)]
    let narrow = key as u32;
    narrow
}

/// Entries of a page: what 512 places of the table below hold before it would grow.
const PAGE_MAX: usize = 448;
/// Places of the directory for each page that is needed.
const PLACES_MAX: usize = 16;
/// Room of an emptied page that is kept.
const ROOM_KEPT: usize = 28;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::rng::Rng;
    use super::*;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the table lends its entries")]
    fn hash(entry: &u64) -> u64 {
        let mixed = (entry ^ (entry >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) ^ mixed
    }

    fn remove(table: &mut PagedTable<u64>, entry: u64) -> Option<u64> {
        table.remove(hash(&entry), |other| *other == entry, hash)
    }

    #[test]
    fn it_agrees_with_a_set_while_it_grows_and_shrinks() {
        let (mut table, mut model) = (PagedTable::new(), HashSet::new());
        let mut rng = Rng::new(3);
        for step in 0..60_000u64 {
            let entry = u64::from(rng.below(20_000));
            let grows = step / 15_000 % 2 == 0;
            let known = table.find(hash(&entry), |other| *other == entry).is_some();
            assert_eq!(known, model.contains(&entry));
            if known && rng.below(if grows { 8 } else { 1 }) == 0 {
                assert_eq!(remove(&mut table, entry), Some(entry));
                model.remove(&entry);
            } else if !known && (grows || rng.below(8) == 0) {
                table.insert_unique(hash(&entry), entry, hash);
                model.insert(entry);
            }
            if step % 1_000 == 0 {
                table.check(hash);
            }
            assert_eq!(table.len(), model.len());
        }
        assert!(table.pages.len() > 1, "it has grown by pages");
        for entry in model {
            assert_eq!(remove(&mut table, entry), Some(entry));
        }
        table.check(hash);
        assert_eq!((table.pages.len(), table.directory.len()), (1, 1), "and given all back");
    }

    #[test]
    fn no_page_holds_more_than_a_page() {
        let mut table = PagedTable::new();
        (0..50_000).for_each(|entry| table.insert_unique(hash(&entry), entry, hash));
        assert!(table.pages.iter().all(|(_, page)| page.entries.len() <= PAGE_MAX));
        assert!(table.pages.iter().all(|(_, page)| page.entries.capacity() <= PAGE_MAX));
    }

    #[test]
    fn entries_that_never_part_stay_in_one_page() {
        let mut table = PagedTable::new();
        let same = |_: &u64| 7;
        (0..600u64).for_each(|entry| table.insert_unique(7, entry, same));
        assert_eq!(table.find(7, |entry| *entry == 599), Some(&599));
        table.check(same);
    }
}
