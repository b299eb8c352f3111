//! The subjects of one import, on the importer's side and on the exporter's, and the ways between.
//!
//! Absent: whether the import is allowed (`shares`), and who listens. Only wildcards move, and all
//! of them do, so that each way is the other one back: a message of a stream gets its local
//! subject, a filter of the importer becomes the filter that it needs at the exporter's, and a
//! request to a local subject gets the service's.

use fanfare_protocol::subject::{Filter, matches, tokens};

use super::transform::{Placeholder, Shape, TransformError, TransformProblem, placeholder};

/// See the module's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportMap {
    exported: Side,
    local: Side,
}

/// The subjects of one side.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Side {
    pattern: Box<str>,
    pieces: Box<[Piece]>,
}

/// One token of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(Box<[u8]>),
    /// The wildcard with this number, which is the same on both sides.
    Wildcard(usize),
    /// Whatever follows, at least one token.
    Rest,
}

impl ImportMap {
    /// From the exporter's subject to the importer's (`to`), which refers to its wildcards by `$1`,
    /// or by `*` in their order, and is the same when absent.
    pub fn new(subject: &str, to: Option<&str>) -> Result<Self, TransformError> {
        let to = to.filter(|to| !to.is_empty()).unwrap_or(subject);
        let bad = || TransformError::new(TransformProblem::BadSubject, "");
        let Some(from) = Shape::of(subject) else { return Err(bad()) };
        let shape = Shape::of(to).ok_or_else(bad)?;
        let exported = Side::exported(subject);
        if from.stars.is_empty() && !from.rest {
            // One subject: nothing is moved, and a service may have many local names.
            return Ok(Self { exported, local: Side::fixed(to) });
        }
        if shape.rest != from.rest {
            return Err(bad());
        }
        let local = Side::local(to, from.stars.len())?;
        let used = |n| local.pieces.contains(&Piece::Wildcard(n));
        if !(0..from.stars.len()).all(used) {
            let problem = TransformProblem::NotAllWildcards;
            return Err(TransformError::new(problem, &local.template()));
        }
        Ok(Self { exported, local })
    }

    /// The pattern of subjects on the exporter's side.
    pub fn exported(&self) -> &str {
        &self.exported.pattern
    }

    /// The pattern of subjects on the importer's side.
    pub fn local(&self) -> &str {
        &self.local.pattern
    }

    /// Appends the local subject of a message that a stream brings; nothing, and `false`, for a
    /// subject that is not imported.
    pub fn to_local(&self, subject: &[u8], out: &mut Vec<u8>) -> bool {
        matches(self.exported.pattern.as_bytes(), subject)
            && self.exported.rewrite(subject, &self.local, out)
    }

    /// Appends the service's subject of a request to a local one; nothing, and `false`, for a
    /// subject that is not imported.
    pub fn to_exported(&self, subject: &[u8], out: &mut Vec<u8>) -> bool {
        matches(self.local.pattern.as_bytes(), subject)
            && self.local.rewrite(subject, &self.exported, out)
    }

    /// Appends the filter of the local subjects of all messages that the exporter's filter selects;
    /// nothing, and `false`, when there can be none.
    pub fn local_filter(&self, exported: &[u8], out: &mut Vec<u8>) -> bool {
        let mut common = Vec::new();
        intersect(self.exported.pattern.as_bytes(), exported, &mut common)
            && self.exported.rewrite(&common, &self.local, out)
    }

    /// Appends the filter that selects, at the exporter's, exactly the messages whose local
    /// subjects the local filter selects; nothing, and `false`, when there can be none.
    pub fn exported_filter(&self, local: &[u8], out: &mut Vec<u8>) -> bool {
        let mut common = Vec::new();
        intersect(self.local.pattern.as_bytes(), local, &mut common)
            && self.local.rewrite(&common, &self.exported, out)
    }
}

impl Side {
    /// A pattern whose wildcards are numbered as they come.
    fn exported(pattern: &str) -> Self {
        let mut wildcards = 0;
        let pieces = pattern.split('.').map(|token| match token {
            ">" => Piece::Rest,
            "*" => {
                wildcards += 1;
                Piece::Wildcard(wildcards - 1)
            }
            _ => Piece::Text(token.as_bytes().into()),
        });
        Self { pieces: pieces.collect(), pattern: pattern.into() }
    }

    /// A pattern whose wildcards mean nothing to the other side.
    fn fixed(pattern: &str) -> Self {
        let pieces = pattern.split('.').map(|token| Piece::Text(token.as_bytes().into()));
        Self { pieces: pieces.collect(), pattern: pattern.into() }
    }

    /// A pattern that names so many wildcards of the other side.
    fn local(to: &str, wildcards: usize) -> Result<Self, TransformError> {
        let mut stars = 0;
        let mut pieces = Vec::new();
        for token in to.split('.') {
            let problem = |problem, text: &str| Err(TransformError::new(problem, text));
            let n = match (token, placeholder(token)?) {
                (">", _) => {
                    pieces.push(Piece::Rest);
                    continue;
                }
                ("*", _) => {
                    stars += 1;
                    stars
                }
                (_, Placeholder::Wildcard(n)) => n,
                (_, Placeholder::None) => {
                    pieces.push(Piece::Text(token.as_bytes().into()));
                    continue;
                }
                _ => return problem(TransformProblem::NotForImports, token),
            };
            let known = usize::try_from(n).ok().and_then(|n| n.checked_sub(1));
            let Some(n) = known.filter(|n| *n < wildcards) else {
                let shown = if token == "*" { format!("${n}") } else { token.to_owned() };
                let text = format!("{shown}: [{n}]");
                return problem(TransformProblem::IndexOutOfRange, &text);
            };
            pieces.push(Piece::Wildcard(n));
        }
        let mut side = Self { pattern: "".into(), pieces: pieces.into() };
        side.pattern = side.text(|_| "*".to_owned()).into();
        Ok(side)
    }

    /// As nats-server shows it: the wildcards by their numbers.
    fn template(&self) -> String {
        self.text(|n| format!("${}", n + 1))
    }

    fn text(&self, wildcard: impl Fn(usize) -> String) -> String {
        let token = |piece: &Piece| match piece {
            Piece::Text(text) => String::from_utf8_lossy(text).into_owned(),
            Piece::Wildcard(n) => wildcard(*n),
            Piece::Rest => ">".to_owned(),
        };
        self.pieces.iter().map(token).collect::<Vec<_>>().join(".")
    }

    /// Appends what a subject or filter within this side's pattern is on the other side; nothing,
    /// and `false`, when one wildcard would have to be two different tokens.
    fn rewrite(&self, text: &[u8], other: &Self, out: &mut Vec<u8>) -> bool {
        let before = out.len();
        for (index, piece) in other.pieces.iter().enumerate() {
            if index > 0 {
                out.push(b'.');
            }
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Rest => {
                    let rest = tokens(text).skip(self.pieces.len() - 1);
                    for (index, token) in rest.enumerate() {
                        if index > 0 {
                            out.push(b'.');
                        }
                        out.extend_from_slice(token);
                    }
                }
                Piece::Wildcard(n) => {
                    let Some(token) = self.token(text, *n) else {
                        out.truncate(before);
                        return false;
                    };
                    out.extend_from_slice(token);
                }
            }
        }
        true
    }

    /// What stands for a wildcard; the same in all places where this side has it.
    fn token<'a>(&self, text: &'a [u8], n: usize) -> Option<&'a [u8]> {
        let places = self.pieces.iter().zip(tokens(text));
        let mut found = places.filter(|(piece, _)| **piece == Piece::Wildcard(n));
        let (_, mut token) = found.next()?;
        for (_, again) in found {
            match (token, again) {
                (_, b"*") => {}
                (b"*", _) => token = again,
                _ if token == again => {}
                _ => return None,
            }
        }
        Some(token)
    }
}

/// Appends the filter that selects what both valid filters select; `false` when that is nothing.
fn intersect(left: &[u8], right: &[u8], out: &mut Vec<u8>) -> bool {
    if Filter::parse(right).is_none() {
        return false;
    }
    let (mut left, mut right) = (tokens(left), tokens(right));
    let mut first = true;
    loop {
        let (a, b) = (left.next(), right.next());
        let (token, rest) = match (a, b) {
            (None, None) => return true,
            (Some(b">"), Some(token)) => (token, Some(&mut right)),
            (Some(token), Some(b">")) => (token, Some(&mut left)),
            (Some(token), Some(b"*")) | (Some(b"*"), Some(token)) => (token, None),
            (Some(a), Some(b)) if a == b => (a, None),
            _ => return false,
        };
        if !first {
            out.push(b'.');
        }
        first = false;
        out.extend_from_slice(token);
        for token in rest.into_iter().flatten() {
            out.push(b'.');
            out.extend_from_slice(token);
        }
        if a == Some(b">") || b == Some(b">") {
            return true;
        }
    }
}

#[cfg(test)]
mod tests;
