//! The digest by which a configuration is told from another.
//!
//! Absent: where values were written; two files that say the same have the same digest.
//!
//! It is that of nats-server's `-t`: SHA-256 of the tree as JSON, as Go's encoder writes it (keys
//! sorted, `<`, `>` and `&` escaped, one line end at the end).

use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::date;
use super::tree::{Map, Value};

/// `sha256:` and the digest in hex.
pub fn digest(root: &Map) -> String {
    let mut json = String::new();
    map(&mut json, root);
    json.push('\n');
    let mut text = "sha256:".to_owned();
    for byte in Sha256::digest(json.as_bytes()) {
        put(&mut text, format_args!("{byte:02x}"));
    }
    text
}

fn map(json: &mut String, map: &Map) {
    json.push('{');
    for (place, entry) in map.sorted().enumerate() {
        if place > 0 {
            json.push(',');
        }
        string(json, &entry.key);
        json.push(':');
        value(json, &entry.node.value);
    }
    json.push('}');
}

fn value(json: &mut String, value: &Value) {
    match value {
        Value::Text(text) => string(json, text),
        Value::Integer(number) => put(json, format_args!("{number}")),
        Value::Float(number) => float(json, *number),
        Value::Boolean(boolean) => put(json, format_args!("{boolean}")),
        Value::Date(seconds) => put(json, format_args!("\"{}\"", date::print(*seconds))),
        Value::List(items) => {
            json.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    json.push(',');
                }
                self::value(json, &item.value);
            }
            json.push(']');
        }
        Value::Map(inner) => map(json, inner),
    }
}

/// Plain digits, but an exponent below 1e-6 and from 1e21 on.
fn float(json: &mut String, number: f64) {
    let size = number.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{number:e}");
        match text.split_once('e') {
            Some((digits, power)) if !power.starts_with('-') => {
                put(json, format_args!("{digits}e+{power}"));
            }
            _ => json.push_str(&text),
        }
    } else {
        put(json, format_args!("{number}"));
    }
}

fn string(json: &mut String, text: &str) {
    json.push('"');
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '\u{8}' => json.push_str("\\b"),
            '\u{c}' => json.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                put(json, format_args!("\\u{:04x}", u32::from(c)));
            }
            c => json.push(c),
        }
    }
    json.push('"');
}

fn put(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = text.write_fmt(arguments);
}
