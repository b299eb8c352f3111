//! A counted table of texts: each distinct text once, named by a small number.
//!
//! Absent: what the texts mean. Used for unusual sids (`sids`) and for names of queue groups
//! (`interest`). A text lives as long as somebody holds a reference.

use foldhash::quality::FixedState;
use hashbrown::HashTable;
use slab::Slab;
use std::hash::{BuildHasher, Hasher};
use std::num::NonZeroU32;

/// Names one text of one table; four bytes even where it may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TextId(NonZeroU32);

impl TextId {
    /// The name with this number; numbers are far below the last one.
    pub(crate) const fn from_value(value: u32) -> Self {
        Self(NonZeroU32::MIN.saturating_add(value))
    }

    pub(crate) const fn value(self) -> u32 {
        self.0.get() - 1
    }

    fn key(self) -> usize {
        self.value() as usize
    }
}

#[derive(Debug)]
struct Text {
    bytes: Box<[u8]>,
    references: u32,
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct TextTable {
    texts: Slab<Text>,
    by_text: HashTable<TextId>,
    hasher: FixedState,
}

impl TextTable {
    pub(crate) fn new(seed: u64) -> Self {
        Self { texts: Slab::new(), by_text: HashTable::new(), hasher: FixedState::with_seed(seed) }
    }

    pub(crate) fn find(&self, text: &[u8]) -> Option<TextId> {
        let is_text = |id: &TextId| *self.texts[id.key()].bytes == *text;
        self.by_text.find(hash(&self.hasher, text), is_text).copied()
    }

    /// The name of a text, with one reference for the caller.
    pub(crate) fn intern(&mut self, text: &[u8]) -> TextId {
        if let Some(id) = self.find(text) {
            self.acquire(id);
            return id;
        }
        let key = self.texts.insert(Text { bytes: text.into(), references: 1 });
        assert!(key < Self::TEXTS_MAX, "texts are bounded by subscriptions");
        // INVARIANT: asserted above.
        #[expect(clippy::cast_possible_truncation)]
        let id = TextId::from_value(key as u32);
        let (texts, hasher) = (&self.texts, &self.hasher);
        self.by_text
            .insert_unique(hash(hasher, text), id, |id| hash(hasher, &texts[id.key()].bytes));
        id
    }

    pub(crate) fn acquire(&mut self, id: TextId) {
        self.texts[id.key()].references += 1;
    }

    pub(crate) fn release(&mut self, id: TextId) {
        let key = id.key();
        self.texts[key].references -= 1;
        if self.texts[key].references > 0 {
            return;
        }
        let text = self.texts.remove(key);
        let entry = self.by_text.find_entry(hash(&self.hasher, &text.bytes), |other| *other == id);
        debug_assert!(entry.is_ok(), "every text is in the table");
        if let Ok(entry) = entry {
            entry.remove();
        }
        if self.texts.is_empty() {
            self.texts.shrink_to_fit();
            self.by_text = HashTable::new();
        }
    }

    /// The text itself; the caller holds a reference.
    pub(crate) fn text(&self, id: TextId) -> &[u8] {
        &self.texts[id.key()].bytes
    }

    /// Texts that somebody holds.
    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }

    /// Most texts of one table: half the numbers stay free for other uses (`sids`).
    const TEXTS_MAX: usize = (1 << 31) - 2;
}

fn hash(hasher: &FixedState, text: &[u8]) -> u64 {
    let mut state = hasher.build_hasher();
    state.write(text);
    state.finish()
}
