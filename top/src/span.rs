//! Times as servers write them, `1d2h3m4s`, `1.5ms`, `115µs`, and as a narrow column shows them.
//!
//! Absent: dates.

/// Reads a time into seconds; what is no time is none.
pub fn seconds(text: &str) -> Option<f64> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, behind) = rest.split_at(digits);
        let end = behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len());
        let (unit, next) = behind.split_at(end);
        let factor = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            "y" => 365.0 * 86_400.0,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * factor;
        rest = next;
    }
    Some(total)
}

/// At most six columns: `115µs`, `1.5ms`, `12s`, `3m4s`, `5h06m`, `2d3h`, `1y20d`.
pub fn short(seconds: f64) -> String {
    let whole = fanfare_bench::figure::whole(seconds);
    match whole {
        0 if seconds <= 0.0 => "0s".to_owned(),
        _ if seconds < 1e-3 => format!("{:.0}µs", seconds * 1e6),
        _ if seconds < 1e-2 => format!("{:.1}ms", seconds * 1e3),
        _ if seconds < 1.0 => format!("{:.0}ms", seconds * 1e3),
        0..60 => format!("{whole}s"),
        60..3600 => format!("{}m{}s", whole / 60, whole % 60),
        3600..86_400 => format!("{}h{:02}m", whole / 3600, whole % 3600 / 60),
        86_400..31_536_000 => format!("{}d{}h", whole / 86_400, whole % 86_400 / 3600),
        _ => format!("{}y{}d", whole / 31_536_000, whole % 31_536_000 / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_servers_are_read() {
        for (text, expected) in [
            ("5m9s", Some(309.0)),
            ("1d2h3m4s", Some(93_784.0)),
            ("1y1d0h0m1s", Some(366.0 * 86_400.0 + 1.0)),
            ("250ms", Some(0.25)),
            ("0s", Some(0.0)),
            ("", None),
            ("5", None),
            ("s", None),
            ("1.2.3s", None),
            ("5 apples", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
        let close = |text: &str, expected: f64| (seconds(text).unwrap() - expected).abs() < 1e-12;
        assert!(close("115µs", 115e-6) && close("1.5ms", 1.5e-3) && close("800ns", 8e-7));
    }

    #[test]
    fn a_column_is_narrow() {
        for (value, expected) in [
            (115e-6, "115µs"),
            (1.54e-3, "1.5ms"),
            (0.25, "250ms"),
            (12.9, "12s"),
            (184.0, "3m4s"),
            (18_360.0, "5h06m"),
            (183_600.0, "2d3h"),
            (33_264_000.0, "1y20d"),
        ] {
            assert_eq!(short(value), expected);
            assert!(short(value).chars().count() <= 6);
        }
    }
}
