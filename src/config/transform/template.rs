//! The grammar of one token of a transform's destination, and what can be wrong with it.
//!
//! Absent: the source that a token refers to. nats-server finds functions with regular expressions
//! anywhere in a token that is enclosed in braces; so does this, and it reads as they do.

use std::fmt;

use super::Cut;

/// What is wrong with a transform; its text is nats-server's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransformError {
    problem: TransformProblem,
    /// The token, or the destination, that has it.
    token: Box<str>,
}

/// Kinds of wrong transforms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransformProblem {
    /// Source or destination is not valid, or only one of them ends in `>`.
    BadSubject,
    /// The destination has empty tokens, blanks, or tokens behind `>`.
    InvalidTransform,
    /// An import leaves out a wildcard of its subject.
    NotAllWildcards,
    /// No function of this name.
    UnknownFunction,
    /// A reference to a wildcard that the source does not have.
    IndexOutOfRange,
    /// Too few arguments.
    NotEnoughArguments,
    /// An argument that is no number, or no delimiter.
    InvalidArgument,
    /// Too many arguments.
    TooManyArguments,
    /// An import may only move wildcards.
    NotForImports,
}

impl TransformError {
    pub(crate) fn new(problem: TransformProblem, token: &str) -> Self {
        Self { problem, token: token.into() }
    }

    /// Its kind.
    pub fn problem(&self) -> TransformProblem {
        self.problem
    }
}

impl fmt::Display for TransformError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.problem {
            TransformProblem::BadSubject => return f.write_str("invalid subject"),
            TransformProblem::InvalidTransform => "invalid transform",
            TransformProblem::NotAllWildcards => "not using all of the token wildcard(s)",
            TransformProblem::UnknownFunction => "unknown function",
            TransformProblem::IndexOutOfRange => "wildcard index out of range",
            TransformProblem::NotEnoughArguments => "not enough arguments passed to the function",
            TransformProblem::InvalidArgument => {
                "function argument is invalid or in the wrong format"
            }
            TransformProblem::TooManyArguments => "too many arguments passed to the function",
            TransformProblem::NotForImports => {
                "the only mapping function allowed for import transforms is {{Wildcard()}}"
            }
        };
        write!(f, "invalid mapping destination: {text}")?;
        if self.token.is_empty() { Ok(()) } else { write!(f, " in {}", self.token) }
    }
}

impl std::error::Error for TransformError {}

/// What one token of a destination stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Placeholder<'a> {
    /// Only itself.
    None,
    /// The n-th wildcard.
    Wildcard(i64),
    Partition {
        buckets: u32,
        of: Vec<i64>,
    },
    Random {
        bound: i32,
    },
    Split {
        of: i64,
        at: &'a str,
    },
    Cut {
        cut: Cut,
        of: i64,
        size: i32,
    },
}

/// Reads one token.
pub(crate) fn placeholder(token: &str) -> Result<Placeholder<'_>, TransformError> {
    if let Some(number) = token.strip_prefix('$') {
        // `$JS` and the like are ordinary tokens.
        return Ok(number.parse().map_or(Placeholder::None, Placeholder::Wildcard));
    }
    if !is_function(token) {
        return Ok(Placeholder::None);
    }
    let wrong = |problem| TransformError::new(problem, token);
    for (name, function) in FUNCTIONS {
        if let Some(arguments) = arguments(name, token) {
            return read(*function, &arguments).map_err(wrong);
        }
    }
    Err(wrong(TransformProblem::UnknownFunction))
}

/// Checks what is checked before a destination is compared with its source.
pub(crate) fn check(destination: &str) -> Result<(), TransformError> {
    let invalid = |token| Err(TransformError::new(TransformProblem::InvalidTransform, token));
    let mut rest = false;
    for token in destination.split('.') {
        if token.is_empty() || rest {
            return invalid(token);
        }
        rest = token == ">";
        if is_function(token) {
            if !FUNCTIONS.iter().any(|(name, _)| arguments(name, token).is_some()) {
                return Err(TransformError::new(TransformProblem::UnknownFunction, token));
            }
        } else if token.contains(is_blank) {
            return invalid("");
        }
    }
    Ok(())
}

#[derive(Debug, Clone, Copy)]
enum Function {
    Wildcard,
    Partition,
    Split,
    Random,
    Cut(Cut),
}

/// In the order in which a token is searched for them. The first letter and capitals match in
/// either case, other letters only as they are.
const FUNCTIONS: &[(&str, Function)] = &[
    ("wildcard", Function::Wildcard),
    ("partition", Function::Partition),
    ("splitFromLeft", Function::Cut(Cut::SplitFromLeft)),
    ("splitFromRight", Function::Cut(Cut::SplitFromRight)),
    ("sliceFromLeft", Function::Cut(Cut::SliceFromLeft)),
    ("sliceFromRight", Function::Cut(Cut::SliceFromRight)),
    ("right", Function::Cut(Cut::Right)),
    ("left", Function::Cut(Cut::Left)),
    ("split", Function::Split),
    ("random", Function::Random),
];

fn read<'a>(
    function: Function,
    arguments: &[&'a str],
) -> Result<Placeholder<'a>, TransformProblem> {
    use TransformProblem::{InvalidArgument, NotEnoughArguments, TooManyArguments};
    let number = |text: &str| text.trim_matches(' ').parse().map_err(|_| InvalidArgument);
    let [first, more @ ..] = arguments else { return Err(NotEnoughArguments) };
    Ok(match function {
        Function::Wildcard => match (*first, more) {
            ("", []) => return Err(NotEnoughArguments),
            (first, []) => Placeholder::Wildcard(number(first)?),
            _ => return Err(TooManyArguments),
        },
        Function::Partition => {
            let buckets = count(number(first)?)?.cast_unsigned();
            let of = more.iter().map(|text| number(text)).collect::<Result<_, _>>()?;
            Placeholder::Partition { buckets, of }
        }
        Function::Random => match more {
            [] => Placeholder::Random { bound: count(number(first)?)? },
            _ => return Err(NotEnoughArguments),
        },
        Function::Split => {
            let at = second(more)?;
            let of = number(first)?;
            if at.contains([' ', '.']) {
                return Err(InvalidArgument);
            }
            Placeholder::Split { of, at }
        }
        Function::Cut(cut) => {
            let size = second(more)?;
            let of = number(first)?;
            let size = size.trim_matches(' ').parse().map_err(|_| InvalidArgument)?;
            Placeholder::Cut { cut, of, size }
        }
    })
}

fn second<'a>(more: &[&'a str]) -> Result<&'a str, TransformProblem> {
    match more {
        [] => Err(TransformProblem::NotEnoughArguments),
        [second] => Ok(second),
        _ => Err(TransformProblem::TooManyArguments),
    }
}

/// Numbers above 31 bits are refused; of those far below 0 the low bits count.
fn count(number: i64) -> Result<i32, TransformProblem> {
    if number > i64::from(i32::MAX) {
        return Err(TransformProblem::InvalidArgument);
    }
    // INVARIANT: the low 32 bits are meant.
    #[expect(clippy::cast_possible_truncation)]
    let low = number as i32;
    Ok(low)
}

fn is_function(token: &str) -> bool {
    token.len() > 4 && token.starts_with("{{") && token.ends_with("}}")
}

/// The arguments of the first call of this function in the token.
fn arguments<'a>(name: &str, token: &'a str) -> Option<Vec<&'a str>> {
    let list = token.match_indices('{').find_map(|(at, _)| {
        let call = token[at..].strip_prefix("{{")?.trim_start_matches(is_blank);
        let (head, rest) = call.split_at_checked(name.len())?;
        let same = head.bytes().zip(name.bytes()).enumerate().all(|(index, (found, wanted))| {
            let either = index == 0 || wanted.is_ascii_uppercase();
            found == wanted || either && found.eq_ignore_ascii_case(&wanted)
        });
        let list = rest.trim_start_matches(is_blank).strip_prefix('(').filter(|_| same)?;
        // As much as can stand before a `)` and the closing braces, on one line.
        let line = list.split('\n').next().unwrap_or_default();
        let closes =
            |(at, _): &(usize, &str)| list[at + 1..].trim_start_matches(is_blank).starts_with("}}");
        line.rmatch_indices(')').find(closes).map(|(end, _)| &list[..end])
    })?;
    let mut parts: Vec<_> = list.split(',').collect();
    parts.iter_mut().skip(1).for_each(|part| *part = part.trim_start_matches(is_blank));
    Some(parts)
}

fn is_blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\n' | '\x0C' | '\r')
}
