//! One subject made from another: `$1` and the functions `{{…}}` of mappings.
//!
//! Absent: which mapping applies (`mappings`), and the way back (`import_map`). The grammar of a
//! destination is `template`'s. What is odd here is nats-server's, and was measured there (2.14.0).

mod template;

use fanfare_protocol::subject::{covers, matches, token_count, tokens};

pub(crate) use template::{Placeholder, placeholder};
pub use template::{TransformError, TransformProblem};

/// See the module's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transform {
    source: Box<str>,
    pieces: Box<[Piece]>,
    /// The source token from which on the rest is appended, if both ends are `>`.
    rest_from: Option<usize>,
}

/// One token of a destination; numbers of tokens count the source's from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(Box<[u8]>),
    Token(usize),
    /// The hash of these tokens, one after the other, or of the whole subject.
    Partition {
        buckets: u32,
        of: Option<Box<[usize]>>,
    },
    Random(u32),
    Split {
        token: usize,
        at: Box<[u8]>,
    },
    Cut {
        token: usize,
        size: usize,
        cut: Cut,
    },
}

/// How one token is cut by a number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    SplitFromLeft,
    SplitFromRight,
    SliceFromLeft,
    SliceFromRight,
    Left,
    Right,
}

impl Transform {
    /// Reads a destination for subjects that the source pattern selects.
    pub fn parse(source: &str, destination: &str) -> Result<Self, TransformError> {
        template::check(destination)?;
        let bad = || TransformError::new(TransformProblem::BadSubject, "");
        let (Some(from), Some(to)) = (Shape::of(source), Shape::of(destination)) else {
            return Err(bad());
        };
        if !to.stars.is_empty() || from.rest != to.rest {
            return Err(bad());
        }
        let pieces = destination.split('.').filter(|token| *token != ">");
        let pieces = pieces.map(|token| piece(token, &from)).collect::<Result<_, _>>()?;
        let rest_from = from.rest.then(|| token_count(source.as_bytes()) - 1);
        Ok(Self { source: source.into(), pieces, rest_from })
    }

    /// The pattern of subjects that it is for.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the subject is one of the source's.
    pub(crate) fn selects(source: &[u8], subject: &[u8]) -> bool {
        // A published `>` is a wildcard here, unlike everywhere else: `*` does not select it.
        matches(source, subject) && (!subject.contains(&b'>') || covers(source, subject))
    }

    /// Appends the new subject; nothing, and `false`, when the source does not select this one.
    ///
    /// `random` gives a number below its argument, which is never 0.
    pub fn apply(
        &self,
        subject: &[u8],
        random: &mut impl FnMut(u32) -> u32,
        out: &mut Vec<u8>,
    ) -> bool {
        let selected = Self::selects(self.source.as_bytes(), subject);
        if selected {
            self.write(subject, random, out);
        }
        selected
    }

    /// Appends the new subject for one that the source is known to select.
    pub(crate) fn write(
        &self,
        subject: &[u8],
        random: &mut impl FnMut(u32) -> u32,
        out: &mut Vec<u8>,
    ) {
        for (index, piece) in self.pieces.iter().enumerate() {
            if index > 0 {
                out.push(b'.');
            }
            piece.write(subject, random, out);
        }
        let Some(from) = self.rest_from else { return };
        for (index, token) in tokens(subject).skip(from).enumerate() {
            if index > 0 || !self.pieces.is_empty() {
                out.push(b'.');
            }
            out.extend_from_slice(token);
        }
    }
}

impl Piece {
    fn write(&self, subject: &[u8], random: &mut impl FnMut(u32) -> u32, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => out.extend_from_slice(text),
            Self::Token(token) => out.extend_from_slice(nth(subject, *token)),
            Self::Partition { buckets, of } => {
                let hash = match of {
                    None => fnv1a(FNV_BASIS, subject),
                    Some(of) => {
                        of.iter().fold(FNV_BASIS, |hash, token| fnv1a(hash, nth(subject, *token)))
                    }
                };
                write_number(hash.checked_rem(*buckets).unwrap_or(0), out);
            }
            Self::Random(bound) => {
                write_number(if *bound < 2 { 0 } else { random(*bound) }, out);
            }
            Self::Split { token, at } => split(nth(subject, *token), at, out),
            Self::Cut { token, size, cut } => cut.write(nth(subject, *token), *size, out),
        }
    }
}

impl Cut {
    /// A token that is not longer than the size stays whole.
    fn write(self, token: &[u8], size: usize, out: &mut Vec<u8>) {
        if size == 0 || size >= token.len() {
            out.extend_from_slice(token);
            return;
        }
        match self {
            Self::Left => out.extend_from_slice(&token[..size]),
            Self::Right => out.extend_from_slice(&token[token.len() - size..]),
            Self::SplitFromLeft => join(&[&token[..size], &token[size..]], out),
            Self::SplitFromRight => {
                let (left, right) = token.split_at(token.len() - size);
                join(&[left, right], out);
            }
            Self::SliceFromLeft => token.chunks(size).enumerate().for_each(|part| slice(part, out)),
            Self::SliceFromRight => {
                let (odd, even) = token.split_at(token.len() % size);
                let parts = std::iter::once(odd).filter(|odd| !odd.is_empty());
                parts.chain(even.chunks(size)).enumerate().for_each(|part| slice(part, out));
            }
        }
    }
}

fn slice((index, part): (usize, &[u8]), out: &mut Vec<u8>) {
    if index > 0 {
        out.push(b'.');
    }
    out.extend_from_slice(part);
}

fn join(parts: &[&[u8]], out: &mut Vec<u8>) {
    parts.iter().enumerate().for_each(|(index, part)| slice((index, part), out));
}

/// Parts between delimiters become tokens. Delimiters in a row, or at an end, leave the traces that
/// they leave in nats-server, even a subject that nobody can hear.
fn split(token: &[u8], at: &[u8], out: &mut Vec<u8>) {
    let mut parts = Parts { rest: Some(token), at }.peekable();
    let mut first = true;
    while let Some(part) = parts.next() {
        out.extend_from_slice(part);
        let leading = first && part.is_empty();
        if !leading && parts.peek().is_some_and(|next| !next.is_empty()) {
            out.push(b'.');
        }
        first = false;
    }
}

/// What stands between the delimiters; between all characters when the delimiter is empty.
struct Parts<'a> {
    rest: Option<&'a [u8]>,
    at: &'a [u8],
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let found = if self.at.is_empty() {
            Some(first_character(rest)).filter(|length| *length < rest.len())
        } else {
            rest.windows(self.at.len()).position(|window| window == self.at)
        };
        let Some(length) = found else {
            self.rest = None;
            return Some(rest);
        };
        self.rest = Some(&rest[length + self.at.len()..]);
        Some(&rest[..length])
    }
}

/// Bytes of the first character; 1 for what is no UTF-8.
fn first_character(text: &[u8]) -> usize {
    let head = &text[..text.len().min(4)];
    let valid = match std::str::from_utf8(head) {
        Ok(valid) => valid,
        // INVARIANT: the error says up to where the text is valid.
        Err(error) => std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default(),
    };
    valid.chars().next().map_or(1, char::len_utf8)
}

fn nth(subject: &[u8], token: usize) -> &[u8] {
    tokens(subject).nth(token).unwrap_or_default()
}

const FNV_BASIS: u32 = 0x811C_9DC5;

/// FNV-1a with 32 bits (Fowler, Noll and Vo), going on from a hash.
fn fnv1a(basis: u32, text: &[u8]) -> u32 {
    text.iter().fold(basis, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

fn write_number(number: u32, out: &mut Vec<u8>) {
    let mut digits = [0; 10];
    let (mut from, mut rest) = (digits.len(), number);
    loop {
        from -= 1;
        // INVARIANT: a remainder by ten is one digit, and 32 bits have ten digits at most.
        digits[from] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[from..]);
}

/// What matters of a pattern's tokens.
pub(crate) struct Shape {
    /// Where the `*` stand.
    pub(crate) stars: Vec<usize>,
    /// Whether the last token is `>`.
    pub(crate) rest: bool,
}

impl Shape {
    /// Of a pattern without empty tokens, and with `>` only at its end.
    pub(crate) fn of(pattern: &str) -> Option<Self> {
        let mut shape = Self { stars: Vec::new(), rest: false };
        for (index, token) in pattern.split('.').enumerate() {
            if token.is_empty() || shape.rest {
                return None;
            }
            match token {
                ">" => shape.rest = true,
                "*" => shape.stars.push(index),
                _ => {}
            }
        }
        Some(shape)
    }

    /// Where the n-th `*` stands. What is below 1 means the first token, as in nats-server.
    fn star(&self, n: i64) -> Option<usize> {
        let Ok(n) = usize::try_from(n) else { return Some(0) };
        if n == 0 { Some(0) } else { self.stars.get(n - 1).copied() }
    }
}

fn piece(token: &str, from: &Shape) -> Result<Piece, TransformError> {
    let literal_source = from.stars.is_empty() && !from.rest;
    let found = placeholder(token)?;
    let out_of_range = |index: Option<i64>| {
        let text = index.map_or(token.to_owned(), |index| format!("{token}: [{index}]"));
        TransformError::new(TransformProblem::IndexOutOfRange, &text)
    };
    let star = |n: i64| match from.star(n) {
        _ if literal_source => Err(out_of_range(None)),
        Some(index) => Ok(index),
        None => Err(out_of_range(Some(n))),
    };
    Ok(match found {
        Placeholder::None => Piece::Text(token.as_bytes().into()),
        Placeholder::Random { bound } => Piece::Random(bound.unsigned_abs()),
        Placeholder::Partition { buckets, .. } if literal_source => {
            // There is one subject, and nats-server hashes none of it.
            Piece::Partition { buckets, of: Some([].into()) }
        }
        Placeholder::Partition { buckets, of } => {
            let of = of.into_iter().map(star).collect::<Result<Box<[_]>, _>>()?;
            Piece::Partition { buckets, of: Some(of).filter(|of| !of.is_empty()) }
        }
        Placeholder::Wildcard(n) => Piece::Token(star(n)?),
        Placeholder::Split { of, at } => {
            Piece::Split { token: star(of)?, at: at.as_bytes().into() }
        }
        Placeholder::Cut { cut, of, size } => {
            Piece::Cut { token: star(of)?, size: usize::try_from(size).unwrap_or(0), cut }
        }
    })
}

#[cfg(test)]
mod tests;
