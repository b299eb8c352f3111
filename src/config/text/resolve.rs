//! From what is written to what is meant: variables get their values, included files their place.
//!
//! Absent: the grammar. Files and environment are asked for through `Files`.
//!
//! 1. A variable means the key of that name that was written before it, in the innermost map that
//!    has one; failing that, the environment's variable, whose value is read as configuration.
//! 2. An included file is read on its own: it sees no key of the file that includes it.
//! 3. Copies that variables make count like values that are written, so that few lines cannot
//!    become many.

use std::cell::Cell;

use super::tree::{Entry, Map, Node, Position, Tree, Value, place};
use super::written::{Broken, Form, Line, Room, Written};
use super::{
    FILE_BYTES_MAX, FILES_MAX, Files, INCLUDES_DEEP_MAX, SyntaxError, TOTAL_BYTES_MAX, VALUES_MAX,
    grammar,
};

/// Reads a file and all that it includes.
pub(super) fn file(path: &str, files: &mut dyn Files) -> Result<Tree, SyntaxError> {
    let mut reading = Reading {
        files,
        names: Vec::new(),
        including: Vec::new(),
        environment: Vec::new(),
        values: Cell::new(VALUES_MAX),
        bytes: TOTAL_BYTES_MAX,
        repeated: Vec::new(),
    };
    let root = reading.file(path, None)?;
    Ok(Tree { root, files: reading.names, repeated: reading.repeated })
}

/// The state of reading one configuration.
struct Reading<'f> {
    files: &'f mut dyn Files,
    /// Names of all files, in the order in which they were opened.
    names: Vec<Box<str>>,
    /// Paths of the files that are being read, outermost first.
    including: Vec<Box<str>>,
    /// Environment variables that are being read, outermost first.
    environment: Vec<Box<str>>,
    /// Values that may still come.
    values: Cell<u32>,
    /// Bytes of text that may still come.
    bytes: usize,
    repeated: Vec<(Position, Box<str>)>,
}

/// One text that is being read.
struct Source<'a> {
    text: &'a str,
    file: u16,
    /// Where each line begins.
    lines: Vec<usize>,
    /// Every value's place, when the text is an environment variable's.
    reference: Option<Position>,
    directory: &'a str,
}

impl<'a> Source<'a> {
    fn new(text: &'a str, file: u16, directory: &'a str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(ends).collect();
        Self { text, file, lines, reference: None, directory }
    }

    /// The place from which on this much of the text is left.
    fn position(&self, rest: &str) -> Position {
        if let Some(reference) = self.reference {
            return reference;
        }
        let offset = self.text.len().saturating_sub(rest.len());
        let line = self.lines.partition_point(|&start| start <= offset).max(1);
        let start = self.lines.get(line - 1).copied().unwrap_or_default();
        let before = self.text.get(start..offset).unwrap_or_default();
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Position { file: self.file, line: number(line), column: number(before.chars().count() + 1) }
    }
}

impl Reading<'_> {
    fn error<T>(&self, at: Position, why: &str) -> Result<T, SyntaxError> {
        Err(SyntaxError { text: format!("{}: {why}", place(&self.names, at)) })
    }

    /// Reads one file; `asked` is where it is included.
    fn file(&mut self, path: &str, asked: Option<Position>) -> Result<Map, SyntaxError> {
        let refuse = |reading: &Self, why: String| match asked {
            Some(at) => reading.error(at, &why),
            None => Err(SyntaxError { text: why }),
        };
        if self.including.iter().any(|open| **open == *path) {
            let way = self.including.join(" -> ");
            return refuse(self, format!("files include each other: {way} -> {path}"));
        }
        if self.including.len() >= INCLUDES_DEEP_MAX {
            let why = format!("files include each other more than {INCLUDES_DEEP_MAX} deep");
            return refuse(self, why);
        }
        if self.names.len() >= FILES_MAX {
            return refuse(self, format!("there are more than {FILES_MAX} files"));
        }
        let text = match self.files.read(path) {
            Ok(text) => text,
            Err(why) if asked.is_none() => return refuse(self, why),
            Err(why) => return refuse(self, format!("cannot include {path:?}: {why}")),
        };
        if !self.spend(text.len()) || text.len() > FILE_BYTES_MAX {
            return refuse(self, format!("{path:?} is too large"));
        }
        let number = u16::try_from(self.names.len()).unwrap_or(u16::MAX);
        self.names.push(path.into());
        self.including.push(path.into());
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let source = Source::new(text, number, directory(path));
        let root = self.text(&source, &mut Vec::new())?;
        self.including.pop();
        Ok(root)
    }

    /// Takes bytes from what may still come.
    fn spend(&mut self, bytes: usize) -> bool {
        let left = self.bytes.checked_sub(bytes);
        self.bytes = left.unwrap_or(0);
        left.is_some()
    }

    fn text(&mut self, source: &Source<'_>, scopes: &mut Vec<Map>) -> Result<Map, SyntaxError> {
        let values = Cell::new(self.values.get());
        let lines = match grammar::document(source.text, Room::new(&values)) {
            Ok(lines) => lines,
            Err(Broken { at, why }) => return self.error(source.position(at), &why),
        };
        self.values.set(values.get());
        self.map(source, lines, scopes)
    }

    fn map(
        &mut self,
        source: &Source<'_>,
        lines: Vec<Line<'_>>,
        scopes: &mut Vec<Map>,
    ) -> Result<Map, SyntaxError> {
        scopes.push(Map::default());
        for line in lines {
            match line {
                Line::Pair { at, key, value } => {
                    let at = source.position(at);
                    let value = self.value(source, value, scopes)?.value;
                    let entry = Entry { key: key.into(), used: false, node: Node { value, at } };
                    self.put(scopes, entry);
                }
                Line::Include { at, path } => {
                    let at = source.position(at);
                    let path = join(source.directory, path);
                    for entry in self.file(&path, Some(at))?.into_entries() {
                        self.put(scopes, entry);
                    }
                }
            }
        }
        Ok(scopes.pop().unwrap_or_default())
    }

    /// Puts an entry into the innermost map, and notes that it replaces another.
    fn put(&mut self, scopes: &mut [Map], entry: Entry) {
        let Some(map) = scopes.last_mut() else { return };
        let (at, key) = (entry.node.at, entry.key.clone());
        if map.put(entry).is_some() {
            self.repeated.push((at, key));
        }
    }

    fn value(
        &mut self,
        source: &Source<'_>,
        written: Written<'_>,
        scopes: &mut Vec<Map>,
    ) -> Result<Node, SyntaxError> {
        let at = source.position(written.at);
        let value = match written.form {
            Form::Plain(value) => value,
            Form::Variable(name) => self.variable(name, at, scopes)?,
            Form::List(items) => {
                let mut nodes = Vec::with_capacity(items.len());
                for item in items {
                    nodes.push(self.value(source, item, scopes)?);
                }
                Value::List(nodes)
            }
            Form::Map(lines) => Value::Map(self.map(source, lines, scopes)?),
        };
        Ok(Node { value, at })
    }

    /// The value of `$name`.
    fn variable(
        &mut self,
        name: &str,
        at: Position,
        scopes: &mut [Map],
    ) -> Result<Value, SyntaxError> {
        if ["2a$", "2b$", "2x$", "2y$"].iter().any(|head| name.starts_with(head)) {
            return Ok(Value::Text(format!("${name}").into()));
        }
        for map in scopes.iter_mut().rev() {
            let Some(entry) = map.entry_mut(name) else { continue };
            entry.used = true;
            let (values, bytes) = size(&entry.node.value);
            let left = self.values.get().checked_sub(values);
            let value = entry.node.value.clone();
            if !self.spend(bytes) || left.is_none() {
                return self.error(at, "the variables of this configuration repeat too much");
            }
            self.values.set(left.unwrap_or(0));
            return Ok(value);
        }
        self.environment_variable(name, at)
    }

    fn environment_variable(&mut self, name: &str, at: Position) -> Result<Value, SyntaxError> {
        if self.environment.iter().any(|open| **open == *name) {
            let way = self.environment.join(" -> $");
            return self.error(at, &format!("variables refer to each other: ${way} -> ${name}"));
        }
        if self.environment.len() >= INCLUDES_DEEP_MAX {
            return self.error(at, "environment variables refer to each other too deeply");
        }
        let Some(text) = self.files.variable(name) else {
            let why =
                format!("variable ${name} is neither a key before this nor in the environment");
            return self.error(at, &why);
        };
        if text.len() > FILE_BYTES_MAX || !self.spend(text.len()) {
            return self.error(at, &format!("the environment variable {name} is too large"));
        }
        self.environment.push(name.into());
        let text = format!("{ENVIRONMENT_KEY}={text}");
        let mut source = Source::new(&text, at.file, "");
        source.reference = Some(at);
        let root = self.text(&source, &mut Vec::new()).map_err(|error| SyntaxError {
            text: format!("{} (in the environment variable {name})", error.text),
        })?;
        self.environment.pop();
        let entry = root.into_entries().into_iter().find(|entry| &*entry.key == ENVIRONMENT_KEY);
        match entry {
            Some(entry) => Ok(entry.node.value),
            None => self.error(at, &format!("the environment variable {name} is empty")),
        }
    }
}

/// Under which key an environment variable's value is read.
const ENVIRONMENT_KEY: &str = "value";

/// How many values and bytes of text a copy of a value has.
fn size(value: &Value) -> (u32, usize) {
    let sum = |(values, bytes): (u32, usize), (more, long): (u32, usize)| {
        (values.saturating_add(more), bytes.saturating_add(long))
    };
    match value {
        Value::Text(text) => (1, text.len()),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Date(_) => (1, 0),
        Value::List(items) => items.iter().map(|node| size(&node.value)).fold((1, 0), sum),
        Value::Map(map) => {
            let entry = |entry: &Entry| sum((1, entry.key.len()), size(&entry.node.value));
            map.entries().map(entry).fold((1, 0), sum)
        }
    }
}

/// The directory part of a path.
fn directory(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) => "/",
        Some(slash) => path.get(..slash).unwrap_or_default(),
        None => "",
    }
}

/// A path as seen from a directory, without `.` and, where it can be seen, without `..`.
fn join(directory: &str, path: &str) -> String {
    let absolute = path.starts_with('/') || directory.starts_with('/');
    let directory = if path.starts_with('/') { "" } else { directory };
    let mut parts: Vec<&str> = Vec::new();
    for part in directory.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if absolute => {}
            part => parts.push(part),
        }
    }
    let root = if absolute { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_as_they_are_seen_from_the_including_file() {
        for (file, path, joined) in [
            ("a.conf", "b.conf", "b.conf"),
            ("./a.conf", "./b.conf", "b.conf"),
            ("etc/a.conf", "b.conf", "etc/b.conf"),
            ("etc/a.conf", "../b.conf", "b.conf"),
            ("etc/a.conf", "../../b.conf", "../b.conf"),
            ("/etc/x/a.conf", "../b.conf", "/etc/b.conf"),
            ("/a.conf", "../../b.conf", "/b.conf"),
            ("etc/a.conf", "/opt/b.conf", "/opt/b.conf"),
        ] {
            assert_eq!(join(directory(file), path), joined, "{file} {path}");
        }
    }
}
