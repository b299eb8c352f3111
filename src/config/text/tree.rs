//! What a configuration file says, as a tree whose every value knows where it was written.
//!
//! Absent: what the words mean (`file`) and how they are written (`grammar`).
//!
//! 1. A map holds each key once; writing a key again replaces its value.

use std::collections::BTreeMap;

/// Where something was written; lines and columns count from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Position {
    /// Which file, an index into [`Tree::files`].
    pub file: u16,
    /// Line.
    pub line: u32,
    /// Column, in characters.
    pub column: u32,
}

/// A value without its place.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A text, bare or quoted.
    Text(Box<str>),
    /// A whole number, its suffix applied.
    Integer(i64),
    /// A number with a point.
    Float(f64),
    /// `true`, `yes`, `on` and their opposites.
    Boolean(bool),
    /// A time in Zulu form, as seconds since 1970.
    Date(i64),
    /// `[ … ]`.
    List(Vec<Node>),
    /// `{ … }`.
    Map(Map),
}

impl Value {
    /// What kind of value it is, with its article.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a number with a point",
            Self::Boolean(_) => "a boolean",
            Self::Date(_) => "a date",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

/// A value and its place: that of its key in a map, its own in a list.
///
/// Two nodes are equal when they say the same, wherever it is written.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it says.
    pub value: Value,
    /// Where.
    pub at: Position,
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// One key of a map with its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key as it is written.
    pub key: Box<str>,
    /// A variable has referred to it, so that it may have any name.
    pub used: bool,
    /// The value; its place is the key's.
    pub node: Node,
}

/// Keys and values in the order of the file.
#[derive(Debug, Clone, Default)]
pub struct Map {
    entries: Vec<Entry>,
    places: BTreeMap<Box<str>, usize>,
}

impl PartialEq for Map {
    fn eq(&self, other: &Self) -> bool {
        self.entries.len() == other.entries.len()
            && self.sorted().zip(other.sorted()).all(|(a, b)| a.key == b.key && a.node == b.node)
    }
}

impl Map {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Its entries in the order of the file.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Its entries in the order of their keys' bytes.
    pub fn sorted(&self) -> impl Iterator<Item = &Entry> {
        // INVARIANT: `places` holds indices of `entries`, which never shrinks.
        self.places.values().map(|&place| &self.entries[place])
    }

    /// The entry with exactly this key.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.places.get(key).and_then(|&place| self.entries.get(place))
    }

    /// The same, to mark it as used.
    pub(super) fn entry_mut(&mut self, key: &str) -> Option<&mut Entry> {
        self.places.get(key).and_then(|&place| self.entries.get_mut(place))
    }

    /// Puts an entry, in the place of one with the same key if there is any, which is given back.
    pub(super) fn put(&mut self, entry: Entry) -> Option<Entry> {
        if let Some(old) = self.entry_mut(&entry.key) {
            return Some(std::mem::replace(old, entry));
        }
        self.places.insert(entry.key.clone(), self.entries.len());
        self.entries.push(entry);
        None
    }

    pub(super) fn into_entries(self) -> Vec<Entry> {
        self.entries
    }
}

/// A file with all that it includes.
#[derive(Debug, Clone)]
pub struct Tree {
    /// Its keys and values.
    pub root: Map,
    /// The names of the files, the first being the one that was asked for.
    pub files: Vec<Box<str>>,
    /// Keys that were written more than once in one map: the later place and the key.
    pub repeated: Vec<(Position, Box<str>)>,
}

impl Tree {
    /// A place as `file:line:column`.
    pub fn place(&self, at: Position) -> String {
        place(&self.files, at)
    }
}

pub(super) fn place(files: &[Box<str>], at: Position) -> String {
    let file = files.get(usize::from(at.file)).map_or("", |file| &**file);
    format!("{file}:{}:{}", at.line, at.column)
}
