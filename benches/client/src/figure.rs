//! Numbers with units, and how a person reads them: `1.72 M/s`, `64 KiB`, `44.1 µs`.
//!
//! Absent: columns and colours (see `report`).

use std::fmt::Write as _;

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Things in a second.
    PerSecond,
    /// Bytes.
    Bytes,
    /// Bytes in a second.
    BytesPerSecond,
    /// Microseconds.
    Micros,
    /// Seconds.
    Seconds,
    /// A share of one, shown in percent.
    Share,
}

impl Unit {
    /// The unit's name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::PerSecond => "1/s",
            Self::Bytes => "bytes",
            Self::BytesPerSecond => "bytes/s",
            Self::Micros => "us",
            Self::Seconds => "s",
            Self::Share => "share",
        }
    }

    /// The unit of a name in a file.
    pub fn of_name(name: &str) -> Option<Self> {
        let all = [
            Self::Count,
            Self::PerSecond,
            Self::Bytes,
            Self::BytesPerSecond,
            Self::Micros,
            Self::Seconds,
            Self::Share,
        ];
        all.into_iter().find(|unit| unit.name() == name)
    }

    /// The number as a person reads it.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Count => scaled(value, ""),
            Self::PerSecond => scaled(value, "/s"),
            Self::Bytes => binary(value, ""),
            Self::BytesPerSecond => binary(value, "/s"),
            Self::Micros => duration(value),
            Self::Seconds => format!("{} s", digits(value)),
            Self::Share => format!("{} %", digits(value * 100.0)),
        }
    }
}

/// The whole part of a number that is not negative.
#[inline]
pub fn whole(value: f64) -> u64 {
    // INVARIANT: such a cast saturates at both ends, and what is not a number becomes 0.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let whole = value as u64;
    whole
}

/// Three significant digits, without an exponent.
pub fn digits(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude == 0.0 {
        "0".to_owned()
    } else if magnitude >= 99.95 {
        format!("{value:.0}")
    } else if magnitude >= 9.995 {
        format!("{value:.1}")
    } else if magnitude >= 0.9995 {
        format!("{value:.2}")
    } else if magnitude >= 0.0995 {
        format!("{value:.3}")
    } else {
        format!("{value:.4}")
    }
}

/// A whole number with a blank between groups of three digits.
pub fn grouped(value: u64) -> String {
    let text = value.to_string();
    let mut shown = String::with_capacity(text.len() + text.len() / 3);
    for (index, digit) in text.chars().enumerate() {
        if index > 0 && (text.len() - index).is_multiple_of(3) {
            shown.push(' ');
        }
        shown.push(digit);
    }
    shown
}

fn scaled(value: f64, suffix: &str) -> String {
    let (factor, prefix) = match value.abs() {
        v if v >= 999.5e6 => (1e9, " G"),
        v if v >= 999.5e3 => (1e6, " M"),
        v if v >= 9_999.5 => (1e3, " k"),
        _ => (1.0, ""),
    };
    let mut shown = if factor > 1.0 || value.fract() != 0.0 {
        digits(value / factor)
    } else {
        format!("{value:.0}")
    };
    // Writing into a String cannot fail.
    let _ = write!(shown, "{prefix}{suffix}");
    shown
}

fn binary(value: f64, suffix: &str) -> String {
    let (factor, prefix) = match value.abs() {
        v if v >= 1023.5 * 1024.0 * 1024.0 => (1024.0 * 1024.0 * 1024.0, "GiB"),
        v if v >= 1023.5 * 1024.0 => (1024.0 * 1024.0, "MiB"),
        v if v >= 9_999.5 => (1024.0, "KiB"),
        _ => (1.0, "B"),
    };
    let number = if factor > 1.0 { digits(value / factor) } else { format!("{value:.0}") };
    format!("{number} {prefix}{suffix}")
}

fn duration(micros: f64) -> String {
    match micros.abs() {
        v if v >= 999_500.0 => format!("{} s", digits(micros / 1e6)),
        v if v >= 9_995.0 => format!("{} ms", digits(micros / 1e3)),
        _ => format!("{} µs", digits(micros)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_with_three_digits_and_a_prefix() {
        let cases = [
            (Unit::Count, 0.0, "0"),
            (Unit::Count, 1234.0, "1234"),
            (Unit::PerSecond, 1_720_000.0, "1.72 M/s"),
            (Unit::PerSecond, 15_100.0, "15.1 k/s"),
            (Unit::Bytes, 700.0, "700 B"),
            (Unit::Bytes, 65_536.0, "64.0 KiB"),
            (Unit::Bytes, 67_108_864.0, "64.0 MiB"),
            (Unit::Micros, 0.347, "0.347 µs"),
            (Unit::Micros, 44.12, "44.1 µs"),
            (Unit::Micros, 30_800.0, "30.8 ms"),
            (Unit::Micros, 1_500_000.0, "1.50 s"),
            (Unit::Share, 0.034, "3.40 %"),
        ];
        for (unit, value, shown) in cases {
            assert_eq!(unit.show(value), shown);
        }
    }

    #[test]
    fn unit_names_are_read_back() {
        for unit in [Unit::Count, Unit::Bytes, Unit::Micros, Unit::Share, Unit::Seconds] {
            assert_eq!(Unit::of_name(unit.name()), Some(unit));
        }
        assert_eq!(Unit::of_name("furlong"), None);
    }

    #[test]
    fn groups_of_three() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1 234 567");
    }
}
