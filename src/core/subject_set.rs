//! A fixed list of subject patterns, and whether any of them selects a text, or which one does.
//!
//! Absent: all that do, and changing the list; `trie` does both. Everything stands in four
//! arrays, and a question allocates nothing. Children of a node are sorted and searched, not
//! hashed, so that nobody can aim at a table. A walk follows the literal child first and comes back
//! for the `*`; it meets no node twice, so that its work is bounded by the set.

use std::collections::BTreeMap;

use fanfare_protocol::subject::{matches, token_count, tokens};

/// See the module's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SubjectSet {
    nodes: Box<[Node]>,
    edges: Box<[Edge]>,
    texts: Box<[u8]>,
    /// Patterns with more tokens than a walk remembers branches; compared one by one.
    deep: Box<[(usize, Box<[u8]>)]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    /// Its literal children: so many edges from here on.
    edges_from: usize,
    edges: usize,
    /// The child behind `*`; the root, which is nobody's child, for none.
    star: usize,
    /// The pattern that ends here.
    leaf: Option<usize>,
    /// The pattern that ends in `>` below here.
    rest: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Edge {
    text_from: usize,
    text_len: usize,
    child: usize,
}

impl SubjectSet {
    /// Makes a set of valid patterns.
    pub(crate) fn new<'a>(patterns: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut drafts = vec![Draft::default()];
        let mut deep = Vec::new();
        for (index, pattern) in patterns.into_iter().enumerate() {
            if token_count(pattern) > BRANCHES_MAX {
                deep.push((index, pattern.into()));
            } else {
                insert(&mut drafts, pattern, index);
            }
        }
        let (mut nodes, mut edges, mut texts) = (Vec::new(), Vec::new(), Vec::new());
        for draft in &drafts {
            nodes.push(Node {
                edges_from: edges.len(),
                edges: draft.literals.len(),
                star: draft.star,
                leaf: draft.leaf,
                rest: draft.rest,
            });
            for (token, child) in &draft.literals {
                let (text_from, text_len) = (texts.len(), token.len());
                edges.push(Edge { text_from, text_len, child: *child });
                texts.extend_from_slice(token);
            }
        }
        Self { nodes: nodes.into(), edges: edges.into(), texts: texts.into(), deep: deep.into() }
    }

    /// Whether some pattern selects the text, whose tokens all count as literal ones.
    ///
    /// A text with an empty token is selected by nothing.
    pub(crate) fn selects(&self, text: &[u8]) -> bool {
        let mut branches = Branches::<BRANCHES_MAX>::new();
        let (mut key, mut rest) = (ROOT, text);
        loop {
            let node = &self.nodes[key];
            let (token, after) = split_token(rest);
            if token.is_empty() {
                return false;
            }
            if node.rest.is_some() {
                return after.is_none_or(has_no_empty_token);
            }
            let literal = self.literal_child(node, token);
            if let Some(after) = after {
                if literal != ROOT {
                    if node.star != ROOT {
                        branches.push(node.star, after);
                    }
                    (key, rest) = (literal, after);
                    continue;
                }
                if node.star != ROOT {
                    (key, rest) = (node.star, after);
                    continue;
                }
            } else if self.is_leaf(literal) || self.is_leaf(node.star) {
                return true;
            }
            match branches.pop(text) {
                Some(branch) => (key, rest) = branch,
                None => break,
            }
        }
        self.deep.iter().any(|(_, pattern)| matches(pattern, text))
    }

    /// The place in the list of the pattern that selects the text, the most specific one of
    /// several: from the left, a literal token goes before `*`, and `*` before `>`.
    ///
    /// The list must have been in such an order, for its deepest patterns are compared by it.
    pub(crate) fn most_specific(&self, text: &[u8]) -> Option<usize> {
        if !has_no_empty_token(text) {
            return None;
        }
        let deep = self.deep.iter().find(|(_, pattern)| matches(pattern, text));
        let deep = deep.map(|(index, _)| *index);
        let found = self.walk(text);
        deep.into_iter().chain(found).min()
    }

    /// Of the patterns in the nodes.
    fn walk(&self, text: &[u8]) -> Option<usize> {
        // For each token the `*`, and the pattern that ends in `>` there, whose text is over.
        let mut branches = Branches::<{ 2 * BRANCHES_MAX }>::new();
        let mut here = Some((ROOT, text));
        while let Some((key, rest)) = here.take().or_else(|| branches.pop(text)) {
            if rest.is_empty() {
                return Some(key);
            }
            let node = &self.nodes[key];
            let (token, after) = split_token(rest);
            let literal = self.literal_child(node, token);
            if let Some(index) = node.rest {
                branches.push(index, b"");
            }
            if let Some(after) = after {
                if node.star != ROOT {
                    branches.push(node.star, after);
                }
                here = (literal != ROOT).then_some((literal, after));
            } else {
                let leaf = |key: usize| if key == ROOT { None } else { self.nodes[key].leaf };
                if let Some(index) = leaf(literal).or_else(|| leaf(node.star)) {
                    return Some(index);
                }
            }
        }
        None
    }

    fn is_leaf(&self, key: usize) -> bool {
        key != ROOT && self.nodes[key].leaf.is_some()
    }

    /// The child behind a literal token; the root for none.
    fn literal_child(&self, node: &Node, token: &[u8]) -> usize {
        let edges = &self.edges[node.edges_from..node.edges_from + node.edges];
        if edges.len() > SCANNED_MAX {
            let found = edges.binary_search_by(|edge| self.text(edge).cmp(token));
            return found.map_or(ROOT, |index| edges[index].child);
        }
        let found = edges.iter().find(|edge| self.text(edge) == token);
        found.map_or(ROOT, |edge| edge.child)
    }

    fn text(&self, edge: &Edge) -> &[u8] {
        &self.texts[edge.text_from..edge.text_from + edge.text_len]
    }
}

/// A node while the set is made.
#[derive(Default)]
struct Draft<'a> {
    literals: BTreeMap<&'a [u8], usize>,
    star: usize,
    leaf: Option<usize>,
    rest: Option<usize>,
}

/// Where a walk comes back to: keys, each with how much text was left there. Small, because it is
/// made anew for every question.
struct Branches<const MAX: usize> {
    list: [(u32, u32); MAX],
    count: usize,
}

impl<const MAX: usize> Branches<MAX> {
    fn new() -> Self {
        Self { list: [(0, 0); MAX], count: 0 }
    }

    #[inline]
    fn push(&mut self, key: usize, rest: &[u8]) {
        // INVARIANT: nodes and patterns are as many as somebody wrote, and a text is no longer
        // than a control line; both are far below 2^32.
        #[expect(clippy::cast_possible_truncation)]
        let branch = (key as u32, rest.len() as u32);
        // INVARIANT: there is room for what each token of the longest pattern can leave.
        self.list[self.count] = branch;
        self.count += 1;
    }

    #[inline]
    fn pop<'a>(&mut self, text: &'a [u8]) -> Option<(usize, &'a [u8])> {
        self.count = self.count.checked_sub(1)?;
        let (key, left) = self.list[self.count];
        Some((key as usize, &text[text.len() - left as usize..]))
    }
}

fn insert<'a>(drafts: &mut Vec<Draft<'a>>, pattern: &'a [u8], index: usize) {
    let mut key = ROOT;
    for token in tokens(pattern) {
        if token == b">" {
            drafts[key].rest.get_or_insert(index);
            return;
        }
        let fresh = drafts.len();
        let draft = &mut drafts[key];
        key = if token == b"*" {
            if draft.star == ROOT {
                draft.star = fresh;
            }
            draft.star
        } else {
            *draft.literals.entry(token).or_insert(fresh)
        };
        if key == fresh {
            drafts.push(Draft::default());
        }
    }
    drafts[key].leaf.get_or_insert(index);
}

/// Sorts patterns: literal tokens before `*`, and `*` before `>`, from the left.
pub(crate) fn specificity(pattern: &str) -> Vec<(u8, Box<str>)> {
    let rank = |token: &str| match token {
        ">" => 2,
        "*" => 1,
        _ => 0,
    };
    pattern.split('.').map(|token| (rank(token), token.into())).collect()
}

/// The first token, and what follows its point.
fn split_token(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|byte| *byte == b'.') {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

fn has_no_empty_token(text: &[u8]) -> bool {
    let mut previous = b'.';
    for byte in text {
        if *byte == b'.' && previous == b'.' {
            return false;
        }
        previous = *byte;
    }
    previous != b'.'
}

const ROOT: usize = 0;

/// Tokens of a pattern that stands in the nodes; a walk keeps one branch for each at most.
const BRANCHES_MAX: usize = 16;

/// Children that are compared one after the other instead of being searched.
const SCANNED_MAX: usize = 6;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(patterns: &[&str]) -> SubjectSet {
        SubjectSet::new(patterns.iter().map(|text| text.as_bytes()))
    }

    #[test]
    fn wildcards_select_as_the_protocol_says() {
        let foo = set(&["foo.*", "bar.>", "x.*.y", "lit"]);
        for text in ["foo.a", "foo.*", "foo.>", "bar.a", "bar.a.b", "x.q.y", "lit"] {
            assert!(foo.selects(text.as_bytes()), "{text}");
        }
        for text in ["foo", "foo.a.b", "bar", "bar.a..b", "bar.", "x.q", "x.q.z", "li", "", "."] {
            assert!(!foo.selects(text.as_bytes()), "{text}");
        }
        assert!(!set(&[]).selects(b"foo"));
    }

    #[test]
    fn a_pattern_deeper_than_the_branches_is_found_too() {
        let deep = ["*"; 40].join(".");
        let literal = ["a"; 40].join(".");
        let both = set(&[&deep, "b.>"]);
        assert!(both.selects(literal.as_bytes()));
        assert!(!both.selects(b"a.a"));
        // As many branches as a walk can have to come back to.
        let stars: Vec<String> = (0..BRANCHES_MAX)
            .map(|n| ["a"; BRANCHES_MAX][..n].join(".") + if n == 0 { "*" } else { ".*" })
            .collect();
        let mut patterns: Vec<&str> = stars.iter().map(String::as_str).collect();
        let long = ["a"; BRANCHES_MAX - 1].join(".") + ".z";
        patterns.push(&long);
        assert!(!set(&patterns).selects([&long, ".q"].concat().as_bytes()));
        assert!(set(&patterns).selects(long.as_bytes()));
    }

    fn text(wildcards: bool) -> impl Strategy<Value = String> {
        let words: &[&str] =
            if wildcards { &["a", "b", "cc", "*", "*"] } else { &["a", "b", "cc", "d", "", "*"] };
        let token = proptest::sample::select(words);
        (proptest::collection::vec(token, 1..6), any::<bool>()).prop_map(move |(tokens, rest)| {
            tokens.join(".") + if wildcards && rest { ".>" } else { "" }
        })
    }

    proptest! {
        #[test]
        fn a_set_agrees_with_its_list(
            patterns in proptest::collection::vec(text(true), 0..24),
            texts in proptest::collection::vec(text(false), 1..40),
        ) {
            let set = SubjectSet::new(patterns.iter().map(String::as_bytes));
            for text in texts {
                let expected = patterns.iter().any(|p| matches(p.as_bytes(), text.as_bytes()));
                prop_assert_eq!(set.selects(text.as_bytes()), expected, "{} {:?}", text, patterns);
            }
        }

        #[test]
        fn the_most_specific_is_the_first_of_a_sorted_list(
            mut patterns in proptest::collection::vec(text(true), 0..24),
            texts in proptest::collection::vec(text(false), 1..40),
        ) {
            let rank = |token: &str| (token == ">", token == "*", token.to_owned());
            patterns.sort_by_key(|text| text.split('.').map(rank).collect::<Vec<_>>());
            let deep = ["*"; BRANCHES_MAX + 1].join(".");
            patterns.insert(patterns.len() / 2, deep);
            let set = SubjectSet::new(patterns.iter().map(String::as_bytes));
            for text in texts {
                let hit = |p: &String| matches(p.as_bytes(), text.as_bytes());
                let expected = patterns.iter().position(hit);
                prop_assert_eq!(set.most_specific(text.as_bytes()), expected, "{}", text);
            }
        }

        #[test]
        fn many_children_are_searched_rightly(
            tokens in proptest::collection::vec(0u16..300, 1..200),
        ) {
            let patterns: Vec<_> = tokens.iter().map(|n| format!("p.{n}.x")).collect();
            let set = SubjectSet::new(patterns.iter().map(String::as_bytes));
            for n in 0..300u16 {
                let text = format!("p.{n}.x");
                prop_assert_eq!(set.selects(text.as_bytes()), tokens.contains(&n));
            }
        }
    }
}
