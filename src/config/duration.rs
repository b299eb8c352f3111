//! Durations as Go writes them: `1h30m`, `1.5s`, `300ms`.
//!
//! Absent: durations below zero, which no key of a configuration has a meaning for.

/// Nanoseconds of a duration, or `None` if it is none or lasts longer than 292 years.
pub(super) fn parse(text: &str) -> Option<u64> {
    let text = text.strip_prefix('+').unwrap_or(text);
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut total = 0_u64;
    while !rest.is_empty() {
        let (piece, after) = piece(rest)?;
        total = total.checked_add(piece)?;
        rest = after;
    }
    (!text.is_empty() && i64::try_from(total).is_ok()).then_some(total)
}

/// One number with its unit, and what follows.
fn piece(text: &str) -> Option<(u64, &str)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let (whole, rest) = text.split_at_checked(digits(text))?;
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at_checked(digits(rest))?,
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let ends = |c: char| c == '.' || c.is_ascii_digit();
    let (unit, rest) = rest.split_at_checked(rest.find(ends).unwrap_or(rest.len()))?;
    let unit = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000_u64,
        _ => return None,
    };
    let whole = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()?.checked_mul(unit)? };
    let mut scale = unit;
    let mut part = 0;
    for digit in fraction.bytes() {
        scale /= 10;
        part += u64::from(digit - b'0') * scale;
    }
    Some((whole.checked_add(part)?, rest))
}

/// Nanoseconds of a count of seconds with a point.
pub(super) fn seconds(number: f64) -> Option<u64> {
    let nanoseconds = number * 1e9;
    // INVARIANT: checked to lie between 0 and 2^62, where a cast only cuts off the fraction.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    (0.0..4.6e18).contains(&nanoseconds).then_some(nanoseconds as u64)
}

/// A duration as Go prints it: `1m0s`, `1.5s`, `300ms`.
pub(super) fn show(nanoseconds: u64) -> String {
    let (unit, name) = match nanoseconds {
        0 => return "0s".to_owned(),
        1..1_000 => (1, "ns"),
        1_000..1_000_000 => (1_000, "µs"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    let (whole, rest) = (nanoseconds / unit, nanoseconds % unit);
    let digits = unit.ilog10() as usize;
    let fraction = if rest == 0 { String::new() } else { format!(".{rest:0digits$}") };
    let fraction = fraction.trim_end_matches('0');
    let (hours, minutes, seconds) = (whole / 3_600, whole / 60 % 60, whole % 60);
    match (name, hours, minutes) {
        ("s", 0, 0) => format!("{seconds}{fraction}s"),
        ("s", 0, _) => format!("{minutes}m{seconds}{fraction}s"),
        ("s", ..) => format!("{hours}h{minutes}m{seconds}{fraction}s"),
        _ => format!("{whole}{fraction}{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, nanoseconds) in [
            ("0", Some(0)),
            ("2s", Some(2_000_000_000)),
            ("1h30m", Some(5_400_000_000_000)),
            ("1.5s", Some(1_500_000_000)),
            (".5s", Some(500_000_000)),
            ("300ms", Some(300_000_000)),
            ("3us", Some(3_000)),
            ("3µs", Some(3_000)),
            ("7ns", Some(7)),
            ("+1m", Some(60_000_000_000)),
            ("", None),
            ("5", None),
            ("-1s", None),
            ("s", None),
            (".s", None),
            ("1d", None),
            ("1s ", None),
            ("1sx", None),
            ("9999999999h", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(parse(text), nanoseconds, "{text}");
        }
    }

    #[test]
    fn what_is_shown_reads_the_same() {
        for (nanoseconds, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_500, "1.5µs"),
            (300_000_000, "300ms"),
            (1_500_000_000, "1.5s"),
            (60_000_000_000, "1m0s"),
            (3_661_000_000_000, "1h1m1s"),
            (7_200_000_000_001, "2h0m0.000000001s"),
        ] {
            assert_eq!(show(nanoseconds), text);
            assert_eq!(parse(text), Some(nanoseconds));
        }
    }

    #[test]
    fn seconds_may_have_a_point() {
        assert_eq!(seconds(0.5), Some(500_000_000));
        assert_eq!(seconds(-0.5), None);
        assert_eq!(seconds(f64::NAN), None);
        assert_eq!(seconds(1e30), None);
    }
}
