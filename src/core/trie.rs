//! The subject trie: from a subject to the wildcard filters that match it.
//!
//! Absent: literal filters, which one hash probe finds (`interest`), and what a filter is worth.
//! Children are found through one table keyed by (parent, token), so that a node is small and a
//! literal step costs one probe. No recursion: a match walks all reachable nodes level by level,
//! and never meets a node twice, so its work is bounded by the nodes along the subject's tokens.

use foldhash::quality::FixedState;
use slab::Slab;
use std::hash::{BuildHasher, Hasher};

use super::ids::Slot;
use super::pages::PagedTable;
use super::short_text::ShortText;

/// Index of a node, `NONE` for no node.
type NodeKey = u32;

const NONE: NodeKey = NodeKey::MAX;
const ROOT: NodeKey = 0;

#[derive(Debug)]
struct Node {
    parent: NodeKey,
    /// The token on the edge from the parent; `*` for the wildcard child.
    token: ShortText,
    /// The child behind `*`.
    star: NodeKey,
    /// Children behind literal tokens.
    literals: u32,
    /// The filter that ends here.
    leaf: Option<Slot>,
    /// The filter that ends in `.>` below here.
    tail: Option<Slot>,
}

impl Node {
    fn new(parent: NodeKey, token: &[u8]) -> Self {
        Self { parent, token: token.into(), star: NONE, literals: 0, leaf: None, tail: None }
    }

    fn is_bare(&self) -> bool {
        self.star == NONE && self.literals == 0 && self.leaf.is_none() && self.tail.is_none()
    }
}

/// Room for a match's intermediate nodes, reused from match to match.
#[derive(Debug, Default)]
pub(crate) struct Frontier {
    here: Vec<NodeKey>,
    next: Vec<NodeKey>,
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Trie {
    nodes: Slab<Node>,
    children: PagedTable<NodeKey>,
    hasher: FixedState,
    filters: usize,
}

impl Trie {
    pub(crate) fn new(seed: u64) -> Self {
        let mut nodes = Slab::new();
        nodes.insert(Node::new(NONE, b""));
        Self { nodes, children: PagedTable::new(), hasher: FixedState::with_seed(seed), filters: 0 }
    }

    /// Filters in the trie.
    pub(crate) fn len(&self) -> usize {
        self.filters
    }

    /// The slot stored for exactly this filter.
    pub(crate) fn find(&self, filter: &[u8]) -> Option<Slot> {
        let mut node = ROOT;
        for token in filter.split(|byte| *byte == b'.') {
            if token == b">" {
                return self.nodes[node as usize].tail;
            }
            node = self.child(node, token)?;
        }
        self.nodes[node as usize].leaf
    }

    /// Stores a slot for a valid filter that is not in the trie yet.
    pub(crate) fn insert(&mut self, filter: &[u8], slot: Slot) {
        let mut node = ROOT;
        self.filters += 1;
        for token in filter.split(|byte| *byte == b'.') {
            if token == b">" {
                debug_assert!(self.nodes[node as usize].tail.is_none(), "inserted once");
                self.nodes[node as usize].tail = Some(slot);
                return;
            }
            node = match self.child(node, token) {
                Some(child) => child,
                None => self.add_child(node, token),
            };
        }
        debug_assert!(self.nodes[node as usize].leaf.is_none(), "inserted once");
        self.nodes[node as usize].leaf = Some(slot);
    }

    /// Removes a filter and the nodes that only it needed.
    pub(crate) fn remove(&mut self, filter: &[u8]) {
        let mut node = ROOT;
        let mut removed = None;
        for token in filter.split(|byte| *byte == b'.') {
            if token == b">" {
                removed = self.nodes[node as usize].tail.take();
                break;
            }
            let Some(child) = self.child(node, token) else { return };
            node = child;
        }
        removed = removed.or_else(|| self.nodes[node as usize].leaf.take());
        if removed.is_some() {
            self.filters -= 1;
        }
        while node != ROOT && self.nodes[node as usize].is_bare() {
            node = self.remove_node(node);
        }
    }

    /// Returns the memory of a burst, once most of what was reserved is unused.
    pub(crate) fn shrink(&mut self) {
        if self.nodes.len() * 4 < self.nodes.capacity() {
            self.nodes.shrink_to_fit();
        }
    }

    /// Appends the slots of all filters that match a published subject.
    ///
    /// A subject with an empty token matches nothing (nats-server accepts it silently).
    pub(crate) fn matches(&self, subject: &[u8], room: &mut Frontier, found: &mut Vec<Slot>) {
        let before = found.len();
        room.here.clear();
        room.here.push(ROOT);
        for token in subject.split(|byte| *byte == b'.') {
            if token.is_empty() {
                found.truncate(before);
                return;
            }
            let token_hash = self.token_hash(token);
            room.next.clear();
            for key in &room.here {
                let node = &self.nodes[*key as usize];
                found.extend(node.tail);
                if node.star != NONE {
                    room.next.push(node.star);
                }
                if node.literals > 0 {
                    room.next.extend(self.literal_child(*key, token, token_hash));
                }
            }
            std::mem::swap(&mut room.here, &mut room.next);
            // An empty frontier can still meet an empty token further on, which voids the match.
            if room.here.is_empty() && found.len() == before {
                return;
            }
        }
        for key in &room.here {
            found.extend(self.nodes[*key as usize].leaf);
        }
    }

    /// Walks the invariants.
    pub(crate) fn check(&self) {
        let mut filters = 0;
        for (key, node) in &self.nodes {
            filters += usize::from(node.leaf.is_some()) + usize::from(node.tail.is_some());
            assert!(key == ROOT as usize || !node.is_bare(), "no node without a purpose");
            if node.parent != NONE {
                let found = self.child(node.parent, &node.token);
                assert_eq!(found.map(|child| child as usize), Some(key), "reachable from above");
            }
        }
        assert_eq!(filters, self.filters);
        self.children.check(|key| {
            let node = &self.nodes[*key as usize];
            edge_hash(node.parent, self.token_hash(&node.token))
        });
    }

    fn child(&self, parent: NodeKey, token: &[u8]) -> Option<NodeKey> {
        if token == b"*" {
            let star = self.nodes[parent as usize].star;
            return (star != NONE).then_some(star);
        }
        self.literal_child(parent, token, self.token_hash(token))
    }

    fn literal_child(&self, parent: NodeKey, token: &[u8], token_hash: u64) -> Option<NodeKey> {
        let is_child = |key: &NodeKey| {
            let node = &self.nodes[*key as usize];
            node.parent == parent && *node.token == *token
        };
        self.children.find(edge_hash(parent, token_hash), is_child).copied()
    }

    fn add_child(&mut self, parent: NodeKey, token: &[u8]) -> NodeKey {
        if self.nodes.len() == self.nodes.capacity() {
            // By an eighth instead of to the double, as with the filters themselves.
            self.nodes.reserve_exact((self.nodes.len() / 8).max(4));
        }
        let key = self.nodes.insert(Node::new(parent, token));
        assert!(key < NONE as usize, "filters are bounded far below 2^32");
        // INVARIANT: asserted above.
        #[expect(clippy::cast_possible_truncation)]
        let key = key as NodeKey;
        if token == b"*" {
            self.nodes[parent as usize].star = key;
            return key;
        }
        self.nodes[parent as usize].literals += 1;
        let (nodes, hasher) = (&self.nodes, &self.hasher);
        let hash = edge_hash(parent, hash(hasher, token));
        self.children.insert_unique(hash, key, |key| {
            let node = &nodes[*key as usize];
            edge_hash(node.parent, self::hash(hasher, &node.token))
        });
        key
    }

    fn remove_node(&mut self, key: NodeKey) -> NodeKey {
        let node = self.nodes.remove(key as usize);
        if *node.token == *b"*" {
            self.nodes[node.parent as usize].star = NONE;
            return node.parent;
        }
        self.nodes[node.parent as usize].literals -= 1;
        let hash = edge_hash(node.parent, self.token_hash(&node.token));
        let (nodes, hasher) = (&self.nodes, &self.hasher);
        let removed = self.children.remove(
            hash,
            |other| *other == key,
            |other| {
                let node = &nodes[*other as usize];
                edge_hash(node.parent, self::hash(hasher, &node.token))
            },
        );
        debug_assert!(removed.is_some(), "a literal child is in the table");
        node.parent
    }

    fn token_hash(&self, token: &[u8]) -> u64 {
        hash(&self.hasher, token)
    }
}

fn hash(hasher: &FixedState, token: &[u8]) -> u64 {
    let mut state = hasher.build_hasher();
    state.write(token);
    state.finish()
}

fn edge_hash(parent: NodeKey, token_hash: u64) -> u64 {
    let mixed = token_hash ^ u64::from(parent).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    mixed ^ (mixed >> 32)
}

#[cfg(test)]
mod tests {
    use fanfare_protocol::subject::matches;
    use proptest::prelude::*;

    use super::*;

    fn found(trie: &Trie, subject: &[u8]) -> Vec<Slot> {
        let mut found = Vec::new();
        trie.matches(subject, &mut Frontier::default(), &mut found);
        found.sort_unstable();
        found
    }

    #[test]
    fn wildcards_match_as_the_protocol_says() {
        let filters: [&[u8]; 6] = [b"foo.*", b"foo.>", b">", b"*", b"*.bar.*", b"foo.*.baz"];
        let mut trie = Trie::new(1);
        for (n, filter) in filters.iter().enumerate() {
            trie.insert(filter, Slot::from_key(n));
        }
        let subjects: [&[u8]; 8] =
            [b"foo", b"foo.x", b"foo.*", b"x.bar.y", b"foo.bar.baz", b"a.b.c.d", b">", b"*"];
        for subject in subjects {
            let expected: Vec<_> = (0..filters.len())
                .filter(|n| matches(filters[*n], subject))
                .map(Slot::from_key)
                .collect();
            assert_eq!(found(&trie, subject), expected, "{}", subject.escape_ascii());
        }
    }

    #[test]
    fn an_empty_token_matches_nothing() {
        let mut trie = Trie::new(1);
        trie.insert(b">", Slot::from_key(0));
        for subject in [&b"foo..bar"[..], b".foo", b"foo.", b""] {
            assert_eq!(found(&trie, subject), []);
        }
    }

    fn filter() -> impl Strategy<Value = String> {
        let token = prop_oneof![Just("*"), Just("a"), Just("b"), Just("cc")];
        (proptest::collection::vec(token, 1..5), any::<bool>())
            .prop_map(|(tokens, full)| tokens.join(".") + if full { ".>" } else { "" })
    }

    proptest! {
        #[test]
        fn insertion_and_removal_agree_with_a_list(
            steps in proptest::collection::vec((filter(), any::<bool>()), 1..60),
            subjects in proptest::collection::vec(
                proptest::collection::vec(prop_oneof!["a", "b", "cc", "d"], 1..6), 1..10),
        ) {
            let mut trie = Trie::new(9);
            let mut model: Vec<Option<String>> = Vec::new();
            for (filter, insert) in steps {
                let known = model.iter().position(|old| old.as_deref() == Some(&filter));
                let found = trie.find(filter.as_bytes());
                prop_assert_eq!(found, known.map(Slot::from_key));
                match (insert, known) {
                    (true, None) => {
                        trie.insert(filter.as_bytes(), Slot::from_key(model.len()));
                        model.push(Some(filter));
                    }
                    (false, Some(n)) => {
                        trie.remove(filter.as_bytes());
                        model[n] = None;
                    }
                    _ => {}
                }
                trie.check();
            }
            for subject in subjects {
                let subject = subject.join(".");
                let expected: Vec<_> = model.iter().enumerate()
                    .filter(|(_, filter)| filter.as_deref()
                        .is_some_and(|f| matches(f.as_bytes(), subject.as_bytes())))
                    .map(|(n, _)| Slot::from_key(n))
                    .collect();
                prop_assert_eq!(found(&trie, subject.as_bytes()), expected);
            }
        }
    }
}
