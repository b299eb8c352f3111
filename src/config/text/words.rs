//! The words of the configuration language: blanks, comments, keys, texts, numbers and dates.
//!
//! Absent: brackets and what stands in them (`grammar`).

use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_till, take_while, take_while_m_n, take_while1};
use nom::character::complete::{char, digit1, one_of};
use nom::combinator::{opt, recognize, value};
use nom::multi::{many0_count, many1_count};
use nom::sequence::{delimited, preceded};

use super::date;
use super::tree::Value;
use super::written::{Broken, Form, Input, Read, next, refuse};

/// Blanks and tabs.
pub(super) fn blanks(input: Input<'_>) -> Read<'_, ()> {
    value((), take_while(|c| c == ' ' || c == '\t')).parse(input)
}

/// White space, ends of lines included.
pub(super) fn space(input: Input<'_>) -> Read<'_, ()> {
    value((), take_while(char::is_whitespace)).parse(input)
}

/// `# …` or `// …` up to the end of the line.
pub(super) fn comment(input: Input<'_>) -> Read<'_, ()> {
    value((), preceded(alt((tag("#"), tag("//"))), take_till(is_newline))).parse(input)
}

/// White space and comments.
pub(super) fn gap(input: Input<'_>) -> Read<'_, ()> {
    let white = value((), take_while1(char::is_whitespace));
    value((), many0_count(alt((white, comment)))).parse(input)
}

/// A key, and whether it stands bare.
pub(super) fn key(input: Input<'_>) -> Read<'_, (&str, bool)> {
    match input.chars().next() {
        Some(quote @ ('"' | '\'')) => enclosed(input, quote, "this quoted key has no end")
            .map(|(rest, key)| (rest, (key, false))),
        None | Some('=' | ':' | ',' | ';' | '{' | '[' | ']' | '}') => {
            refuse(input, format!("expected a key, found {}", next(input)))
        }
        Some(_) => {
            let bare = take_while1(|c: char| !c.is_whitespace() && c != '=' && c != ':');
            bare.map(|key| (key, true)).parse(input)
        }
    }
}

/// The path after `include`.
pub(super) fn path(input: Input<'_>) -> Read<'_, &str> {
    let (input, ()) = blanks(input)?;
    match input.chars().next() {
        Some(quote @ ('"' | '\'')) => enclosed(input, quote, "this path has no end"),
        Some(c) if !is_newline(c) && !matches!(c, '[' | '{' | '(' | '-' | '\\') => {
            let end = |c: char| c.is_whitespace() || matches!(c, ';' | '}');
            take_till(end).parse(input)
        }
        _ => refuse(input, format!("expected the path of a file, found {}", next(input))),
    }
}

/// `'…'`: nothing in it has a meaning.
pub(super) fn single_quoted(input: Input<'_>) -> Read<'_, Form<'_>> {
    enclosed(input, '\'', NO_END).map(|(rest, inside)| (rest, text(inside)))
}

/// What stands between two of these quotes.
fn enclosed<'a>(input: Input<'a>, quote: char, no_end: &str) -> Read<'a, &'a str> {
    let inside = take_till(|c| c == quote);
    let read: Read<'_, &str> = delimited(char(quote), inside, char(quote)).parse(input);
    read.or_else(|_| refuse(input, no_end))
}

/// `"…"` with escapes.
pub(super) fn double_quoted(input: Input<'_>) -> Read<'_, Form<'_>> {
    let (inside, _) = char('"').parse(input)?;
    let (rest, inside) = pieces(inside, |c| c == '"')?;
    match rest.strip_prefix('"') {
        Some(rest) => Ok((rest, Form::Plain(Value::Text(inside.0)))),
        None => refuse(input, NO_END),
    }
}

/// `( … )`, the last bracket on a line of its own; the lines between it are the text.
pub(super) fn block(input: Input<'_>) -> Read<'_, Form<'_>> {
    let (inside, _) = char('(').parse(input)?;
    let mut from = 0;
    while let Some(found) = inside.get(from..).and_then(|rest| rest.find("\n)")) {
        let end = from + found + 1;
        let (content, rest) = inside.split_at(end);
        let rest = rest.strip_prefix(')').unwrap_or(rest);
        if rest.is_empty() || rest.starts_with('\n') || rest.starts_with("\r\n") {
            return Ok((rest, text(content)));
        }
        from = end;
    }
    refuse(input, "this block has no end: a ')' on a line of its own")
}

/// A text without quotes: a boolean, a variable, or itself.
pub(super) fn bare(input: Input<'_>) -> Read<'_, Form<'_>> {
    let (rest, (inside, escaped)) = pieces(input, ends_bare)?;
    let (rest, quote) = opt(char('\'')).parse(rest)?;
    if escaped || quote.is_some() {
        return Ok((rest, Form::Plain(Value::Text(inside))));
    }
    let boolean = match inside.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" => Some(false),
        _ => None,
    };
    let form = match (boolean, inside.starts_with('$')) {
        (Some(boolean), _) => Form::Plain(Value::Boolean(boolean)),
        // Nothing in it was an escape, so that the input has the same bytes.
        (None, true) => Form::Variable(input.get(1..inside.len()).unwrap_or_default()),
        (None, false) => Form::Plain(Value::Text(inside)),
    };
    Ok((rest, form))
}

/// What begins with a digit or a minus sign: a number, a date, an address, or a bare text.
pub(super) fn number(input: Input<'_>) -> Read<'_, Form<'_>> {
    let (rest, minus) = opt(char('-')).parse(input)?;
    let Ok((after, digits)) = digit1::<Input<'_>, Broken<'_>>.parse(rest) else {
        return refuse(input, format!("expected a digit, found {}", next(rest)));
    };
    if minus.is_none() && after.starts_with('-') {
        return instant(input, digits);
    }
    if after.starts_with('.') {
        return pointed(input, after);
    }
    let suffix =
        recognize((one_of("kKmMgGtTpPeE"), take_while(|c| matches!(c, 'b' | 'B' | 'i' | 'I'))));
    let (after, suffix) = opt(suffix).parse(after)?;
    let ends = after.is_empty() || after.starts_with(['\n', '\r', '\t', ' ', ';', ',', '}', ']']);
    if ends || (suffix.is_none() && minus.is_some()) {
        return integer(input, after, suffix.unwrap_or_default());
    }
    bare(input)
}

/// A whole number with its suffix.
fn integer<'a>(input: Input<'a>, rest: Input<'a>, suffix: &str) -> Read<'a, Form<'a>> {
    let written = input.get(..input.len() - rest.len()).unwrap_or_default();
    let digits = written.strip_suffix(suffix).unwrap_or(written);
    let Some(factor) = factor(suffix) else {
        return refuse(input, format!("{written:?} has an unknown unit"));
    };
    let number = digits.parse::<i64>().ok().and_then(|number| number.checked_mul(factor));
    match number {
        Some(number) => Ok((rest, Form::Plain(Value::Integer(number)))),
        None => refuse(input, format!("integer {written:?} is out of range")),
    }
}

/// How much a suffix multiplies by: powers of 1000 alone, of 1024 with `b`, `i` or `ib`.
fn factor(suffix: &str) -> Option<i64> {
    let lower = suffix.to_ascii_lowercase();
    let mut letters = lower.chars();
    let power = match letters.next() {
        None => return Some(1),
        Some('k') => 1,
        Some('m') => 2,
        Some('g') => 3,
        Some('t') => 4,
        Some('p') => 5,
        Some('e') => 6,
        Some(_) => return None,
    };
    match letters.as_str() {
        "" => 1000_i64.checked_pow(power),
        "b" | "i" | "ib" => 1024_i64.checked_pow(power),
        _ => None,
    }
}

/// Digits, a point, digits; with a second point an address such as `127.0.0.1:4222`.
fn pointed<'a>(input: Input<'a>, after: Input<'a>) -> Read<'a, Form<'a>> {
    let mut fraction = preceded(char('.'), digit1::<Input<'a>, Broken<'a>>);
    let Ok((rest, _)) = fraction.parse(after) else {
        return refuse(after, "a number with a point needs a digit after it");
    };
    if rest.starts_with('.') {
        let part = value((), take_while1(|c: char| c.is_ascii_digit() || ".:-".contains(c)));
        let (rest, _) = many1_count(part).parse(rest)?;
        return Ok((rest, text(input.get(..input.len() - rest.len()).unwrap_or_default())));
    }
    let written = input.get(..input.len() - rest.len()).unwrap_or_default();
    match written.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok((rest, Form::Plain(Value::Float(number)))),
        _ => refuse(input, "this number is out of range"),
    }
}

/// `YYYY-MM-DDThh:mm:ssZ`.
fn instant<'a>(input: Input<'a>, year: &str) -> Read<'a, Form<'a>> {
    let read = date::parse(input.get(..date::LENGTH).unwrap_or_default());
    match (year.len(), read) {
        (4, Some(seconds)) => {
            Ok((input.get(date::LENGTH..).unwrap_or_default(), Form::Plain(Value::Date(seconds))))
        }
        _ => refuse(
            input,
            "a value that begins with digits and '-' must be a date in full Zulu form \
             (2006-01-02T15:04:05Z); put other texts into quotes",
        ),
    }
}

/// Characters up to one that `end` names, escapes replaced; and whether there were any.
fn pieces(input: Input<'_>, end: impl Fn(char) -> bool) -> Read<'_, (Box<str>, bool)> {
    let mut bytes = Vec::new();
    let mut rest = input;
    let mut escaped = false;
    loop {
        let (after, plain) = take_till(|c| c == '\\' || end(c)).parse(rest)?;
        bytes.extend_from_slice(plain.as_bytes());
        if !after.starts_with('\\') {
            rest = after;
            break;
        }
        let (after, byte) = escape(after)?;
        bytes.push(byte);
        escaped = true;
        rest = after;
    }
    match String::from_utf8(bytes) {
        Ok(whole) => Ok((rest, (whole.into(), escaped))),
        Err(_) => refuse(input, "the escapes in this string make no valid UTF-8"),
    }
}

/// One escape: `\t`, `\n`, `\r`, `\"`, `\\` or `\xNN`.
fn escape(input: Input<'_>) -> Read<'_, u8> {
    let (rest, _) = char('\\').parse(input)?;
    if let Some(hex) = rest.strip_prefix('x') {
        let mut two = take_while_m_n(2, 2, |c: char| c.is_ascii_hexdigit());
        let read: Read<'_, &str> = two.parse(hex);
        let digits =
            read.ok().and_then(|(rest, two)| Some((rest, u8::from_str_radix(two, 16).ok()?)));
        return match digits {
            Some((rest, byte)) => Ok((rest, byte)),
            None => refuse(input, "expected two hexadecimal digits after '\\x'"),
        };
    }
    let mut known = alt((
        value(b'\t', char('t')),
        value(b'\n', char('n')),
        value(b'\r', char('r')),
        value(b'"', char('"')),
        value(b'\\', char('\\')),
    ));
    let read: Read<'_, u8> = known.parse(rest);
    read.or_else(|_| {
        refuse(
            input,
            "unknown escape; there are \\xNN, \\t, \\n, \\r, \\\" and \\\\, and '…' knows none",
        )
    })
}

/// Of a text in quotes.
const NO_END: &str = "this string has no end";

/// Where a text without quotes ends.
fn ends_bare(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\t' | ' ' | ';' | ',' | ']' | '}' | '\'')
}

pub(super) fn is_newline(c: char) -> bool {
    c == '\n' || c == '\r'
}

fn text(inside: &str) -> Form<'_> {
    Form::Plain(Value::Text(inside.into()))
}
