//! A configuration file as it is written: nothing looked up, nothing included yet.
//!
//! Absent: reading it (`grammar`, `words`) and giving it meaning (`resolve`).

use std::cell::Cell;

use nom::IResult;
use nom::error::{ErrorKind, ParseError};

use super::tree::Value;

/// The rest of the input, from which a place follows by its length.
pub(super) type Input<'a> = &'a str;

/// What a parser answers.
pub(super) type Read<'a, T> = IResult<Input<'a>, T, Broken<'a>>;

/// One value.
pub(super) struct Written<'a> {
    /// The input from its first character on.
    pub(super) at: Input<'a>,
    pub(super) form: Form<'a>,
}

/// The forms that a value takes.
pub(super) enum Form<'a> {
    /// A text, number, boolean or date.
    Plain(Value),
    /// `$name`.
    Variable(&'a str),
    /// `[ … ]`.
    List(Vec<Written<'a>>),
    /// `{ … }`.
    Map(Vec<Line<'a>>),
}

/// What stands in a map.
pub(super) enum Line<'a> {
    /// A key and its value.
    Pair { at: Input<'a>, key: &'a str, value: Written<'a> },
    /// `include path`.
    Include { at: Input<'a>, path: &'a str },
}

/// Why a text is no configuration, and where it went wrong.
#[derive(Debug)]
pub(super) struct Broken<'a> {
    pub(super) at: Input<'a>,
    pub(super) why: String,
}

impl<'a> ParseError<Input<'a>> for Broken<'a> {
    fn from_error_kind(at: Input<'a>, _: ErrorKind) -> Self {
        Self { at, why: format!("unexpected {}", next(at)) }
    }
    fn append(_: Input<'a>, _: ErrorKind, other: Self) -> Self {
        other
    }
}

/// A refusal that no other reading of the input can mend.
pub(super) fn refuse<T>(at: Input<'_>, why: impl Into<String>) -> Read<'_, T> {
    Err(nom::Err::Failure(Broken { at, why: why.into() }))
}

/// The next character, as an error names it.
pub(super) fn next(at: Input<'_>) -> String {
    match at.chars().next() {
        None => "end of file".to_owned(),
        Some('\n' | '\r') => "end of line".to_owned(),
        Some(one) => format!("{one:?}"),
    }
}

/// How deep and how much may still be written; copies share one count of values.
#[derive(Clone, Copy)]
pub(super) struct Room<'c> {
    depth: u32,
    values: &'c Cell<u32>,
}

impl<'c> Room<'c> {
    pub(super) fn new(values: &'c Cell<u32>) -> Self {
        Self { depth: super::DEPTH_MAX, values }
    }

    /// The room inside one more bracket.
    pub(super) fn deeper(self, at: Input<'_>) -> Result<Self, nom::Err<Broken<'_>>> {
        let Some(depth) = self.depth.checked_sub(1) else {
            let why = format!("brackets are nested deeper than {}", super::DEPTH_MAX);
            return Err(nom::Err::Failure(Broken { at, why }));
        };
        Ok(Self { depth, ..self })
    }

    /// Counts one value.
    pub(super) fn take(self, at: Input<'_>) -> Result<(), nom::Err<Broken<'_>>> {
        let Some(left) = self.values.get().checked_sub(1) else {
            let why = format!("there are more than {} values", super::VALUES_MAX);
            return Err(nom::Err::Failure(Broken { at, why }));
        };
        self.values.set(left);
        Ok(())
    }
}
