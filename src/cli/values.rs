//! What stands behind an option: numbers, sizes, times and yes or no, in Go's spellings.
//!
//! Absent: which option wants which kind of value (`options`).

use std::time::Duration;

/// A whole number, decimal or with a prefix such as `0x`; digits may be grouped by `_`.
pub(super) fn integer(text: &str) -> Result<i64, &'static str> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        Some("0b") => (2, &lower[2..]),
        _ if lower.len() > 1 && lower.starts_with('0') => (8, &lower[1..]),
        _ => (10, &lower[..]),
    };
    let digits = digits.replace('_', "");
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err("parse error");
    }
    let value = i128::from_str_radix(&digits, radix).map_err(|_| "value out of range")?;
    i64::try_from(if negative { -value } else { value }).map_err(|_| "value out of range")
}

/// Yes or no.
pub(super) fn truth(text: &str) -> Result<bool, &'static str> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err("parse error"),
    }
}

/// A size such as `64MB`, `1MiB`, `4096`; all multiples are of 1024, as nats-server's are.
pub(super) fn size(text: &str) -> Result<u64, &'static str> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "ki" | "kib" => 1 << 10,
        "m" | "mb" | "mi" | "mib" => 1 << 20,
        "g" | "gb" | "gi" | "gib" => 1 << 30,
        _ => return Err("it is not a size such as 64MB"),
    };
    let number: u64 = digits.parse().map_err(|_| "it is not a size such as 64MB")?;
    number.checked_mul(factor).ok_or("value out of range")
}

/// A time such as `10s`, `250ms`, `2m`; a bare number is seconds.
pub(super) fn duration(text: &str) -> Result<Duration, &'static str> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ns" => 1e-9,
        "us" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err("it is not a time such as 10s"),
    };
    let number: f64 = digits.parse().map_err(|_| "it is not a time such as 10s")?;
    Duration::try_from_secs_f64(number * unit).map_err(|_| "value out of range")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_in_go() {
        for (text, number) in
            [("-1", -1), ("0", 0), ("4_222", 4222), ("0x10", 16), ("010", 8), ("+7", 7)]
        {
            assert_eq!(integer(text), Ok(number), "{text}");
        }
        for text in ["", "-", "abc", "0x", "1.5", "1 ", "--1", "08", "é"] {
            assert_eq!(integer(text), Err("parse error"), "{text}");
        }
        for text in ["9223372036854775808", "99999999999999999999999999999999999999999999"] {
            assert_eq!(integer(text), Err("value out of range"), "{text}");
        }
    }

    #[test]
    fn truth_is_written_as_in_go() {
        assert!(["1", "t", "TRUE"].iter().all(|text| truth(text) == Ok(true)));
        assert!(["0", "f", "False"].iter().all(|text| truth(text) == Ok(false)));
        assert!(["", "yes", "on", "tRUE"].iter().all(|text| truth(text).is_err()));
    }

    #[test]
    fn sizes_and_times_that_are_none_are_refused() {
        let sizes = ["", "x", "1x", "-1", "99999999999999999999", "99999999999G", "é"];
        assert!(sizes.iter().all(|text| size(text).is_err()));
        assert!(["", "x", "1x", "-1s", "1e999s", "é"].iter().all(|text| duration(text).is_err()));
        assert_eq!(size("1KB"), Ok(1024));
        assert_eq!(size("2MiB"), Ok(2 << 20));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
    }
}
