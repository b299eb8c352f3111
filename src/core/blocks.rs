//! A slab that grows and shrinks a block at a time: no insertion copies what is there, and nothing
//! is reserved beyond one block.
//!
//! Absent: generations; a key of something removed may name something else later. Like `pages`, it
//! is for tables with an entry a client, whose growth in one piece would be a pause for everybody.

use std::ops::{Index, IndexMut};

/// See the module's head.
#[derive(Debug)]
pub(crate) struct BlockSlab<T> {
    blocks: Vec<Block<T>>,
    /// Blocks that may have a vacant entry, the next one last; each at most once.
    open: Vec<u32>,
    len: usize,
}

#[derive(Debug)]
struct Block<T> {
    entries: Vec<Entry<T>>,
    /// The first vacant entry, or [`END`].
    vacant: u32,
    taken: u32,
    is_open: bool,
}

#[derive(Debug)]
enum Entry<T> {
    Taken(T),
    /// The next vacant entry, or [`END`].
    Vacant(u32),
}

impl<T> Entry<T> {
    #[inline]
    fn taken(&self) -> Option<&T> {
        match self {
            Self::Taken(value) => Some(value),
            Self::Vacant(_) => None,
        }
    }
}

impl<T> BlockSlab<T> {
    pub(crate) const fn new() -> Self {
        Self { blocks: Vec::new(), open: Vec::new(), len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// No key is as large.
    pub(crate) fn slots(&self) -> usize {
        self.blocks.len() * BLOCK
    }

    #[inline]
    pub(crate) fn get(&self, key: usize) -> Option<&T> {
        self.blocks.get(key / BLOCK)?.entries.get(key % BLOCK)?.taken()
    }

    /// Stores a value and says under which key.
    pub(crate) fn insert(&mut self, value: T) -> usize {
        let block = self.open_block();
        let within = self.blocks[block].insert(value);
        self.len += 1;
        block * BLOCK + within
    }

    /// Takes a value out that is there.
    pub(crate) fn remove(&mut self, key: usize) -> T {
        let (number, within) = (key / BLOCK, key % BLOCK);
        let block = &mut self.blocks[number];
        let removed = block.remove(within);
        self.len -= 1;
        if block.taken == 0 && block.entries.len() > KEPT {
            (block.entries, block.vacant) = (Vec::new(), END);
        }
        if !std::mem::replace(&mut block.is_open, true) {
            self.open.push(narrow(number));
        }
        removed
    }

    /// Gives empty blocks at the end up. Costs nothing while most blocks are in use.
    pub(crate) fn shrink(&mut self) {
        if self.blocks.last().is_none_or(|last| last.taken > 0) || self.len * 4 > self.slots() {
            return;
        }
        while self.blocks.last().is_some_and(|last| last.taken == 0) {
            self.blocks.pop();
        }
        let left = narrow(self.blocks.len());
        self.open.retain(|block| *block < left);
        if self.blocks.len() * 4 < self.blocks.capacity() {
            self.blocks.shrink_to_fit();
            self.open.shrink_to_fit();
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.blocks.iter().enumerate().flat_map(|(number, block)| {
            let entries = block.entries.iter().enumerate();
            entries.filter_map(move |(within, entry)| {
                entry.taken().map(|value| (number * BLOCK + within, value))
            })
        })
    }

    /// A block that has a vacant entry.
    fn open_block(&mut self) -> usize {
        while let Some(last) = self.open.last() {
            let number = *last as usize;
            let block = &mut self.blocks[number];
            if (block.taken as usize) < BLOCK {
                return number;
            }
            block.is_open = false;
            self.open.pop();
        }
        let number = self.blocks.len();
        let entries = Vec::new();
        self.blocks.push(Block { entries, vacant: END, taken: 0, is_open: true });
        self.open.push(narrow(number));
        number
    }
}

impl<T> Block<T> {
    fn insert(&mut self, value: T) -> usize {
        self.taken += 1;
        let within = self.vacant as usize;
        if let Some(entry) = self.entries.get_mut(within) {
            if let Entry::Vacant(next) = std::mem::replace(entry, Entry::Taken(value)) {
                self.vacant = next;
            }
            return within;
        }
        let length = self.entries.len();
        if length == self.entries.capacity() {
            self.entries.reserve_exact((length / 2).max(4).min(BLOCK - length));
        }
        self.entries.push(Entry::Taken(value));
        length
    }

    fn remove(&mut self, within: usize) -> T {
        let vacant = Entry::Vacant(self.vacant);
        match std::mem::replace(&mut self.entries[within], vacant) {
            Entry::Taken(value) => {
                self.vacant = narrow(within);
                self.taken -= 1;
                value
            }
            // INVARIANT: a key names what is there; who holds one longer asks `get`.
            Entry::Vacant(_) => panic!("nothing is under this key"),
        }
    }
}

impl<T> Index<usize> for BlockSlab<T> {
    type Output = T;

    #[inline]
    fn index(&self, key: usize) -> &T {
        match &self.blocks[key / BLOCK].entries[key % BLOCK] {
            Entry::Taken(value) => value,
            // INVARIANT: a key names what is there; who holds one longer asks `get`.
            Entry::Vacant(_) => panic!("nothing is under this key"),
        }
    }
}

impl<T> IndexMut<usize> for BlockSlab<T> {
    #[inline]
    fn index_mut(&mut self, key: usize) -> &mut T {
        match &mut self.blocks[key / BLOCK].entries[key % BLOCK] {
            Entry::Taken(value) => value,
            // INVARIANT: a key names what is there; who holds one longer asks `get`.
            Entry::Vacant(_) => panic!("nothing is under this key"),
        }
    }
}

fn narrow(number: usize) -> u32 {
    debug_assert!(u32::try_from(number).is_ok(), "slots are four bytes");
    // INVARIANT: keys are made into slots of four bytes, which is checked there.
    #[expect(clippy::cast_possible_truncation)]
    let narrow = number as u32;
    narrow
}

/// Entries of a block.
const BLOCK: usize = 256;
/// Entries of an empty block that are kept.
const KEPT: usize = 16;
/// No entry.
const END: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::rng::Rng;
    use super::*;

    #[test]
    fn it_agrees_with_a_map_while_it_grows_and_shrinks() {
        let (mut slab, mut model) = (BlockSlab::new(), BTreeMap::new());
        let mut rng = Rng::new(7);
        for step in 0..40_000u64 {
            let grows = step / 10_000 % 2 == 0;
            if rng.below(10) < if grows { 7 } else { 2 } {
                let key = slab.insert(step);
                assert_eq!(model.insert(key, step), None, "a key names one value");
            } else if !model.is_empty() {
                let at = rng.below(u32::try_from(model.len()).expect("few")) as usize;
                let key = *model.keys().nth(at).expect("below the number of keys");
                assert_eq!(Some(slab.remove(key)), model.remove(&key));
                assert_eq!(slab.get(key), None);
            }
            if step % 100 == 0 {
                slab.shrink();
            }
            if step % 500 == 0 {
                assert!(slab.iter().eq(model.iter().map(|(key, value)| (*key, value))));
                assert!(model.keys().all(|key| *key < slab.slots()));
            }
            assert_eq!((slab.len(), slab.is_empty()), (model.len(), model.is_empty()));
        }
        for (key, value) in model {
            slab[key] += 1;
            assert_eq!(slab[key], value + 1);
            slab.remove(key);
        }
        slab.shrink();
        assert_eq!((slab.slots(), slab.open.len()), (0, 0), "everything is given back");
    }

    #[test]
    fn no_block_reserves_more_than_a_block() {
        let mut slab = BlockSlab::new();
        for value in 0..=10 * BLOCK {
            slab.insert(value);
        }
        assert!(slab.blocks.iter().all(|block| block.entries.capacity() <= BLOCK));
        assert_eq!(slab.blocks.len(), 11);
    }
}
