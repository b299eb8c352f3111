//! The grammar of configuration files: keys with their values, in maps and lists.
//!
//! Absent: words (`words`), variables' values and included files (`resolve`).
//!
//! 1. Depth of recursion is bounded by `DEPTH_MAX`, values by `VALUES_MAX`.
//!
//! The language is that of nats-server's `conf` package, except that a number in a list may stand
//! before its `]`, that a stray `}` is taken only as a file's last character, and that an open
//! bracket at the end of a file is an error.

use nom::Parser;
use nom::character::complete::one_of;
use nom::combinator::opt;

use super::words;
use super::written::{Broken, Form, Input, Line, Read, Room, Written, next, refuse};

/// Where a key stands, which decides whether its value may begin on the next line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Top,
    Map,
}

/// A whole file.
pub(super) fn document<'a>(text: Input<'a>, room: Room<'_>) -> Result<Vec<Line<'a>>, Broken<'a>> {
    if let Some(nul) = text.find('\0') {
        let at = text.get(nul..).unwrap_or_default();
        return Err(Broken { at, why: "a configuration file holds no NUL".to_owned() });
    }
    lines(text, room).map(|(_, lines)| lines).map_err(|error| match error {
        nom::Err::Error(broken) | nom::Err::Failure(broken) => broken,
        nom::Err::Incomplete(_) => Broken { at: "", why: "unexpected end of file".to_owned() },
    })
}

/// The lines of a file; brackets around them, as JSON has them, have no meaning.
fn lines<'a>(text: Input<'a>, room: Room<'_>) -> Read<'a, Vec<Line<'a>>> {
    let mut lines = Vec::new();
    let mut open = 0_u32;
    let mut rest = text;
    loop {
        let (at, ()) = words::gap(rest)?;
        rest = match at.chars().next() {
            None if open > 0 => return refuse(at, "a '{' has no '}'"),
            None => return Ok((at, lines)),
            Some('{') => {
                open += 1;
                at.get(1..).unwrap_or_default()
            }
            Some('}') => {
                let (after, ()) = words::gap(at.get(1..).unwrap_or_default())?;
                if open == 0 && !after.is_empty() {
                    return refuse(at, "this '}' has no '{'");
                }
                open = open.saturating_sub(1);
                opt(one_of(",;")).parse(after)?.0
            }
            Some(_) => {
                let (after, line) = line(at, Level::Top, room)?;
                lines.push(line);
                ended(after, '}')?.0
            }
        };
    }
}

/// A key with its value, or an include.
fn line<'a>(at: Input<'a>, level: Level, room: Room<'_>) -> Read<'a, Line<'a>> {
    room.take(at)?;
    let (rest, (key, bare)) = words::key(at)?;
    let blank = rest.starts_with(char::is_whitespace);
    if bare && blank && key.eq_ignore_ascii_case("include") {
        let (rest, path) = words::path(rest)?;
        return Ok((rest, Line::Include { at, path }));
    }
    let (rest, ()) = words::space(rest)?;
    let (rest, separator) = opt(one_of("=:")).parse(rest)?;
    let (rest, ()) = match (separator, level) {
        (Some(_), Level::Map) => words::space(rest)?,
        (Some(_), Level::Top) => words::blanks(rest)?,
        (None, _) => (rest, ()),
    };
    let missing = match level {
        Level::Top => rest.starts_with(words::is_newline) || separator.is_none() && rest.is_empty(),
        Level::Map => rest.is_empty() || rest.starts_with([',', '}']),
    };
    if missing {
        return refuse(rest, format!("expected a value for {key:?}, found {}", next(rest)));
    }
    let (rest, value) = value(rest, room)?;
    Ok((rest, Line::Pair { at, key, value }))
}

/// One value.
fn value<'a>(at: Input<'a>, room: Room<'_>) -> Read<'a, Written<'a>> {
    room.take(at)?;
    let (rest, form) = match at.chars().next() {
        Some('[') => list(at, room)?,
        Some('{') => map(at, room)?,
        Some('\'') => words::single_quoted(at)?,
        Some('"') => words::double_quoted(at)?,
        Some('(') => words::block(at)?,
        Some('.') => return refuse(at, "a number begins with a digit"),
        Some(c) if c == '-' || c.is_ascii_digit() => words::number(at)?,
        _ => words::bare(at)?,
    };
    Ok((rest, Written { at, form }))
}

/// `[ … ]`.
fn list<'a>(at: Input<'a>, room: Room<'_>) -> Read<'a, Form<'a>> {
    let room = room.deeper(at)?;
    let mut items = Vec::new();
    let mut rest = at.get(1..).unwrap_or_default();
    loop {
        let (item, ()) = words::gap(rest)?;
        match item.chars().next() {
            None => return refuse(at, "this '[' has no ']'"),
            Some(']') => return Ok((item.get(1..).unwrap_or_default(), Form::List(items))),
            Some(',') => return refuse(item, "expected a value before this ','"),
            Some(_) => {}
        }
        let (after, written) = value(item, room)?;
        items.push(written);
        rest = ended(after, ']')?.0;
    }
}

/// `{ … }`.
fn map<'a>(at: Input<'a>, room: Room<'_>) -> Read<'a, Form<'a>> {
    let room = room.deeper(at)?;
    let mut lines = Vec::new();
    let mut rest = at.get(1..).unwrap_or_default();
    loop {
        let (key, ()) = words::gap(rest)?;
        match key.chars().next() {
            None => return refuse(at, "this '{' has no '}'"),
            Some('}') => return Ok((key.get(1..).unwrap_or_default(), Form::Map(lines))),
            Some(_) => {}
        }
        let (after, line) = line(key, Level::Map, room)?;
        lines.push(line);
        rest = ended(after, '}')?.0;
    }
}

/// What must follow a value: an end of line, a comment, a comma, or the bracket that closes.
fn ended(at: Input<'_>, closing: char) -> Read<'_, ()> {
    let (rest, ()) = words::blanks(at)?;
    match rest.chars().next() {
        Some(',') => Ok((rest.get(1..).unwrap_or_default(), ())),
        Some(';') if closing == '}' => Ok((rest.get(1..).unwrap_or_default(), ())),
        None | Some('#') => Ok((rest, ())),
        Some(c) if c == closing || words::is_newline(c) => Ok((rest, ())),
        Some('/') if rest.starts_with("//") => Ok((rest, ())),
        Some(_) => refuse(
            rest,
            format!(
                "expected the end of the value (a new line, ',' or '{closing}'), found {}",
                next(rest)
            ),
        ),
    }
}
