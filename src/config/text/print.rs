//! A tree as text that reads as the same tree.
//!
//! Absent: comments, variables and includes, which a tree does not have any more.

use std::fmt::Write;

use super::date;
use super::tree::{Map, Value};

/// Writes a configuration that means what the map says.
pub fn print(root: &Map) -> String {
    let mut text = String::new();
    entries(&mut text, root, 0);
    text
}

fn entries(text: &mut String, map: &Map, depth: usize) {
    for entry in map.entries() {
        indent(text, depth);
        key(text, &entry.key);
        text.push_str(": ");
        value(text, &entry.node.value, depth);
        text.push('\n');
    }
}

/// Quotes know no escapes in keys: the mark that the key has not is taken, or none.
fn key(text: &mut String, key: &str) {
    let quote = match (key.contains('"'), key.contains('\'')) {
        (false, _) => "\"",
        (true, false) => "'",
        (true, true) => "",
    };
    text.push_str(quote);
    text.push_str(key);
    text.push_str(quote);
}

fn value(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Text(inside) => quoted(text, inside),
        Value::Integer(number) => put(text, format_args!("{number}")),
        Value::Boolean(boolean) => put(text, format_args!("{boolean}")),
        Value::Date(seconds) => text.push_str(&date::print(*seconds)),
        Value::Float(number) => {
            let digits = number.to_string();
            let point = if digits.contains('.') { "" } else { ".0" };
            put(text, format_args!("{digits}{point}"));
        }
        Value::List(items) => {
            text.push_str("[\n");
            for item in items {
                indent(text, depth + 1);
                self::value(text, &item.value, depth + 1);
                text.push('\n');
            }
            indent(text, depth);
            text.push(']');
        }
        Value::Map(map) => {
            text.push_str("{\n");
            entries(text, map, depth + 1);
            indent(text, depth);
            text.push('}');
        }
    }
}

fn quoted(text: &mut String, inside: &str) {
    text.push('"');
    for c in inside.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            c if c.is_ascii_control() => put(text, format_args!("\\x{:02x}", u32::from(c))),
            c => text.push(c),
        }
    }
    text.push('"');
}

fn indent(text: &mut String, depth: usize) {
    text.extend(std::iter::repeat_n("  ", depth));
}

fn put(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = text.write_fmt(arguments);
}
