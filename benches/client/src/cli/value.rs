//! Values on the command line: sizes with a unit, durations with a unit, rates.
//!
//! Absent: which options there are.

use std::time::Duration;

use crate::figure;

/// Reads `128`, `16k`, `1KiB`, `4M`: bytes, with prefixes that are powers of 1024.
pub fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text)?;
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" | "kib" => 1024.0,
        "m" | "mb" | "mib" => 1024.0 * 1024.0,
        "g" | "gb" | "gib" => 1024.0 * 1024.0 * 1024.0,
        _ => return Err("write it as 128, 16k or 4M".to_owned()),
    };
    whole(number * factor)
}

/// Reads the size of a payload.
pub fn payload_size(text: &str) -> Result<usize, String> {
    let bytes = size(text)?;
    if bytes > PAYLOAD_MAX {
        return Err("no server takes a message above 64M".to_owned());
    }
    usize::try_from(bytes).map_err(|error| error.to_string())
}

/// Reads `1000`, `10k`, `2M`: a number of things, with prefixes that are powers of 1000.
pub fn count(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text)?;
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" => 1.0,
        "k" => 1e3,
        "m" => 1e6,
        _ => return Err("write it as 1000, 10k or 2M".to_owned()),
    };
    whole(number * factor)
}

/// Reads a number of things of which there must be at least one.
pub fn some(text: &str) -> Result<u64, String> {
    match count(text)? {
        0 => Err("there has to be at least 1".to_owned()),
        number => Ok(number),
    }
}

/// Reads `2`, `2s`, `500ms`, `1.5m`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text)?;
    let seconds = match unit.to_ascii_lowercase().as_str() {
        "" | "s" => number,
        "ms" => number / 1e3,
        "us" | "µs" => number / 1e6,
        "m" | "min" => number * 60.0,
        "h" => number * 3600.0,
        _ => return Err("write it as 2s, 500ms or 1m".to_owned()),
    };
    Duration::try_from_secs_f64(seconds).map_err(|_| "that is no duration".to_owned())
}

fn split(text: &str) -> Result<(f64, &str), String> {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: f64 = number.parse().map_err(|_| "it has to begin with a number".to_owned())?;
    Ok((number, unit.trim()))
}

fn whole(value: f64) -> Result<u64, String> {
    if value > 1e15 || value.fract() != 0.0 {
        return Err("that is too large, or not a whole number".to_owned());
    }
    Ok(figure::whole(value))
}

const PAYLOAD_MAX: u64 = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_count_in_powers_of_two_and_counts_in_powers_of_ten() {
        assert_eq!(size("16k"), Ok(16384));
        assert_eq!(size("4MiB"), Ok(4 << 20));
        assert_eq!(size("0"), Ok(0));
        assert_eq!(count("16k"), Ok(16000));
        assert_eq!(count("1.5M"), Ok(1_500_000));
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("2"), Ok(Duration::from_secs(2)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
    }

    #[test]
    fn nonsense_is_refused_with_a_hint() {
        for text in ["", "k", "-1", "1x", "1e9", "0.5"] {
            assert!(size(text).is_err(), "{text}");
            assert!(count(text).is_err(), "{text}");
        }
        assert!(duration("x").is_err());
        assert!(some("0").is_err());
        assert!(payload_size("65M").is_err());
    }
}
