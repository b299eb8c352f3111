//! Writing JSON, one object at a time.
//!
//! Absent: reading it (`connect`), nesting, and any check that keys differ.

use alloc::string::String;
use alloc::vec::Vec;

use crate::decimal::write_u64;

/// Writes one JSON object, member by member; the `_if` forms leave out what says nothing.
#[derive(Debug)]
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
    separator: &'static [u8],
}

impl<'a> Object<'a> {
    /// Begins an object.
    pub fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, separator: b"" }
    }

    /// Ends it.
    pub fn end(self) {
        self.out.push(b'}');
    }

    /// A text.
    pub fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        write_json_text(self.out, value);
    }

    /// A text, unless it is empty.
    pub fn text_if(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            self.text(key, value);
        }
    }

    /// A number.
    pub fn number(&mut self, key: &str, value: u64) {
        self.key(key);
        write_u64(self.out, value);
    }

    /// A number that may be negative.
    pub fn integer(&mut self, key: &str, value: i64) {
        self.key(key);
        if value < 0 {
            self.out.push(b'-');
        }
        write_u64(self.out, value.unsigned_abs());
    }

    /// A number, unless it is 0.
    pub fn number_if(&mut self, key: &str, value: u64) {
        if value != 0 {
            self.number(key, value);
        }
    }

    /// A value that is JSON already.
    pub fn raw(&mut self, key: &str, json: &[u8]) {
        self.key(key);
        self.out.extend_from_slice(json);
    }

    /// True or false.
    pub fn flag(&mut self, key: &str, value: bool) {
        self.key(key);
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// True, or nothing.
    pub fn flag_if(&mut self, key: &str, value: bool) {
        if value {
            self.flag(key, value);
        }
    }

    /// A list of texts, unless it is empty.
    pub fn list_if(&mut self, key: &str, values: &[String]) {
        if values.is_empty() {
            return;
        }
        self.key(key);
        let mut separator = b'[';
        for value in values {
            self.out.push(separator);
            write_json_text(self.out, value);
            separator = b',';
        }
        self.out.push(b']');
    }

    fn key(&mut self, key: &str) {
        // Some keys are others' words: a header's name in a trace, an operator's metadata.
        self.out.extend_from_slice(self.separator);
        self.separator = b",";
        write_json_text(self.out, key);
        self.out.push(b':');
    }
}

/// Whether a text stands for itself in JSON. It is looked at to its end whatever it has: without
/// an early way out the compiler compares many bytes at once.
fn is_plain(text: &str) -> bool {
    let special = |byte: u8| byte < b' ' || matches!(byte, b'"' | b'\\' | 0x7f);
    !text.bytes().fold(false, |found, byte| found | special(byte))
}

/// Appends a JSON string. Line ends are escaped, so the text cannot break out of its line.
fn write_json_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    if is_plain(text) {
        // Nearly every text: a server greets each connection twice.
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..b' ' | 0x7f => {
                let digit = |nibble: u8| b"0123456789abcdef".get(usize::from(nibble)).copied();
                out.extend_from_slice(b"\\u00");
                out.extend(digit(byte >> 4));
                out.extend(digit(byte & 15));
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_cannot_leave_their_place() {
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        object.text("x\":[\"1\"]},\"evil\":{\"y", "a\"b\\\r\n\u{7f}");
        object.number("\u{1}", 7);
        object.end();
        let text = String::from_utf8(out).expect("text");
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let object = value.as_object().expect("an object");
        assert_eq!(object.len(), 2, "{text}");
        assert_eq!(object["x\":[\"1\"]},\"evil\":{\"y"], "a\"b\\\r\n\u{7f}");
        assert_eq!(object["\u{1}"], 7);
    }
}
