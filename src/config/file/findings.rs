//! What is wrong or noteworthy about a configuration, and values in the type that a key wants.
//!
//! Absent: what keys mean. No value of a string appears in an error here, for it may be a secret.
//!
//! Reading goes on after an error, so that an operator sees all of them at once.

use super::super::text::{Entry, Map, Node, Position, Tree, Value};
use super::super::{duration, nearest};

/// Everything found so far.
pub(super) struct Findings<'t> {
    tree: &'t Tree,
    errors: Vec<String>,
    warnings: Vec<String>,
    omitted: usize,
}

impl<'t> Findings<'t> {
    pub(super) fn new(tree: &'t Tree) -> Self {
        Self { tree, errors: Vec::new(), warnings: Vec::new(), omitted: 0 }
    }

    /// Something that makes the configuration unusable.
    pub(super) fn error(&mut self, at: Position, text: impl AsRef<str>) {
        if self.errors.len() < FINDINGS_MAX {
            self.errors.push(format!("{}: {}", self.tree.place(at), text.as_ref()));
        } else {
            self.omitted += 1;
        }
    }

    /// Something that an operator should know.
    pub(super) fn warn(&mut self, at: Position, text: impl AsRef<str>) {
        if self.warnings.len() < FINDINGS_MAX {
            self.warnings.push(format!("{}: {}", self.tree.place(at), text.as_ref()));
        }
    }

    /// A warning without a place.
    pub(super) fn general_warning(&mut self, text: impl Into<String>) {
        if self.warnings.len() < FINDINGS_MAX {
            self.warnings.push(text.into());
        }
    }

    /// An error without a place.
    pub(super) fn general(&mut self, text: impl Into<String>) {
        if self.errors.len() < FINDINGS_MAX {
            self.errors.push(text.into());
        } else {
            self.omitted += 1;
        }
    }

    pub(super) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// Errors, or warnings if there are none.
    pub(super) fn finish(mut self) -> Result<Vec<String>, Vec<String>> {
        if self.errors.is_empty() {
            return Ok(self.warnings);
        }
        if self.omitted > 0 {
            self.errors.push(format!("… and {} more errors", self.omitted));
        }
        Err(self.errors)
    }

    /// A key that has no meaning here; one that a variable refers to needs none.
    pub(super) fn unknown(&mut self, entry: &Entry, known: &[&[&str]]) {
        if entry.used {
            return;
        }
        let known = known.iter().flat_map(|keys| keys.iter().copied());
        let hint = match nearest::nearest(&entry.key, known) {
            Some(near) => format!("; did you mean {near:?}?"),
            None => String::new(),
        };
        self.error(entry.node.at, format!("unknown field {:?}{hint}", entry.key));
    }

    /// A value of the wrong kind.
    pub(super) fn mismatch(&mut self, entry: &Entry, want: &str) {
        let got = entry.node.value.kind();
        self.error(entry.node.at, format!("{:?} must be {want}, not {got}", entry.key));
    }

    pub(super) fn text<'n>(&mut self, entry: &'n Entry) -> Option<&'n str> {
        if let Value::Text(text) = &entry.node.value {
            return Some(text);
        }
        self.mismatch(entry, "a string");
        None
    }

    pub(super) fn boxed(&mut self, entry: &Entry) -> Option<Box<str>> {
        self.text(entry).map(Box::from)
    }

    pub(super) fn boolean(&mut self, entry: &Entry) -> Option<bool> {
        if let Value::Boolean(boolean) = &entry.node.value {
            return Some(*boolean);
        }
        self.mismatch(entry, "true or false");
        None
    }

    pub(super) fn integer(&mut self, entry: &Entry) -> Option<i64> {
        if let Value::Integer(number) = &entry.node.value {
            return Some(*number);
        }
        self.mismatch(entry, "an integer");
        None
    }

    /// An integer that fits the type it is kept in.
    pub(super) fn count<T: TryFrom<i64>>(&mut self, entry: &Entry) -> Option<T> {
        let number = self.integer(entry)?;
        let count = T::try_from(number).ok();
        if count.is_none() {
            let why = if number < 0 { "must not be negative" } else { "value is too big" };
            self.error(entry.node.at, format!("{} {why}", entry.key));
        }
        count
    }

    /// A bound; zero and negative numbers mean that there is none, which is kept as `none`.
    pub(super) fn bound_or<T: TryFrom<i64>>(&mut self, entry: &Entry, none: T) -> Option<T> {
        let number = self.integer(entry)?;
        if number <= 0 {
            return Some(none);
        }
        let bound = T::try_from(number).ok();
        if bound.is_none() {
            self.error(entry.node.at, format!("{} value is too big", entry.key));
        }
        bound
    }

    /// The same for bounds that may be absent.
    pub(super) fn bound<T: TryFrom<i64>>(&mut self, entry: &Entry, place: &mut Option<T>) {
        match self.integer(entry) {
            Some(number) if number <= 0 => *place = None,
            Some(_) => *place = self.count(entry),
            None => {}
        }
    }

    pub(super) fn map<'n>(&mut self, entry: &'n Entry) -> Option<&'n Map> {
        if let Value::Map(map) = &entry.node.value {
            return Some(map);
        }
        self.mismatch(entry, "a map");
        None
    }

    pub(super) fn list<'n>(&mut self, entry: &'n Entry) -> Option<&'n [Node]> {
        if let Value::List(items) = &entry.node.value {
            return Some(items);
        }
        self.mismatch(entry, "a list");
        None
    }

    /// The maps of a list of maps.
    pub(super) fn maps<'n>(&mut self, entry: &'n Entry) -> Vec<(Position, &'n Map)> {
        let mut maps = Vec::new();
        for item in self.list(entry).unwrap_or_default() {
            if let Value::Map(map) = &item.value {
                maps.push((item.at, map));
            } else {
                let kind = item.value.kind();
                self.error(item.at, format!("{:?} holds maps, not {kind}", entry.key));
            }
        }
        maps
    }

    /// One string, or a list of them.
    pub(super) fn texts<'n>(&mut self, entry: &'n Entry) -> Option<Vec<(Position, &'n str)>> {
        match &entry.node.value {
            Value::Text(text) => Some(vec![(entry.node.at, text)]),
            Value::List(items) => {
                let mut texts = Vec::with_capacity(items.len());
                for item in items {
                    if let Value::Text(text) = &item.value {
                        texts.push((item.at, &**text));
                    } else {
                        let kind = item.value.kind();
                        self.error(item.at, format!("{:?} holds strings, not {kind}", entry.key));
                    }
                }
                Some(texts)
            }
            _ => {
                self.mismatch(entry, "a string or a list of strings");
                None
            }
        }
    }

    /// A list of strings without their places.
    pub(super) fn words(&mut self, entry: &Entry) -> Option<Vec<Box<str>>> {
        let texts = self.texts(entry)?;
        Some(texts.into_iter().map(|(_, text)| text.into()).collect())
    }

    /// A duration in nanoseconds, written as one.
    pub(super) fn duration(&mut self, entry: &Entry) -> Option<u64> {
        let text = self.text(entry)?;
        let read = duration::parse(text);
        if read.is_none() {
            let why =
                format!("error parsing {}: {text:?} is no duration such as \"2s\"", entry.key);
            self.error(entry.node.at, why);
        }
        read
    }

    /// A duration in nanoseconds; a bare number counts seconds, as it once did everywhere.
    pub(super) fn duration_or_seconds(&mut self, entry: &Entry) -> Option<u64> {
        let Value::Integer(number) = entry.node.value else { return self.duration(entry) };
        let why = format!(
            "invalid use of field {:?}: {} should be converted to a duration",
            entry.key, entry.key
        );
        self.warn(entry.node.at, why);
        let read = u64::try_from(number).ok().and_then(|n| n.checked_mul(1_000_000_000));
        if read.is_none() {
            self.error(entry.node.at, format!("{} is out of range", entry.key));
        }
        read
    }

    /// Seconds, with or without a point, or a duration.
    pub(super) fn seconds(&mut self, entry: &Entry) -> Option<u64> {
        let read = match &entry.node.value {
            Value::Integer(number) => {
                u64::try_from(*number).ok().and_then(|n| n.checked_mul(1_000_000_000))
            }
            Value::Float(number) => duration::seconds(*number),
            Value::Text(_) => return self.duration(entry),
            _ => {
                self.mismatch(entry, "a number of seconds or a duration");
                return None;
            }
        };
        if read.is_none() {
            self.error(entry.node.at, format!("{} is out of range", entry.key));
        }
        read
    }
}

/// Puts a value into its place, if it could be read.
pub(super) fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

/// Most errors, and most warnings, that are reported one by one.
const FINDINGS_MAX: usize = 200;
