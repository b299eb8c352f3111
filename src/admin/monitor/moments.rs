//! Times and durations as Go writes them, which is what readers of nats-server's JSON expect.
//!
//! Absent: the clock, but for the one moment at which the broker's began.

use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};

use crate::core::time::Instant;
use crate::io::clock::Clock;

/// What the broker's clock says in terms of dates.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Calendar {
    clock: Clock,
    /// Unix time in nanoseconds when the clock began.
    began_ns: i64,
}

impl Calendar {
    pub(crate) fn new(clock: Clock) -> Self {
        let since_began = i64::try_from(clock.now().as_ns()).unwrap_or(0);
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall_ns = i64::try_from(wall.as_nanos()).unwrap_or(i64::MAX);
        Self { clock, began_ns: wall_ns.saturating_sub(since_began) }
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// A date in RFC 3339, with as many digits as are needed (`time.RFC3339Nano`).
    pub(crate) fn date(&self, moment: Instant) -> String {
        let since_began = i64::try_from(moment.as_ns()).unwrap_or(i64::MAX);
        date(self.began_ns.saturating_add(since_began))
    }
}

/// The date of so many milliseconds of Unix time.
pub(crate) fn date_of_ms(ms: u64) -> String {
    let date = i64::try_from(ms).ok().and_then(DateTime::from_timestamp_millis);
    written(date.unwrap_or(DateTime::<Utc>::MAX_UTC))
}

fn date(ns: i64) -> String {
    written(DateTime::from_timestamp_nanos(ns))
}

fn written(date: DateTime<Utc>) -> String {
    let mut text = date.format("%Y-%m-%dT%H:%M:%S%.9f").to_string();
    while text.ends_with('0') {
        text.pop();
    }
    if text.ends_with('.') {
        text.pop();
    }
    text.push('Z');
    text
}

/// Whole seconds, with days and years (`myUptime`).
pub(crate) fn uptime(ns: u64) -> String {
    let seconds = ns / 1_000_000_000;
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let (days, years) = (hours / 24, hours / 24 / 365);
    let mut text = String::new();
    // Writing to a text cannot fail.
    let mut part = |is_shown: bool, number: u64, unit: char| {
        if is_shown {
            let _ = write!(text, "{number}{unit}");
        }
    };
    part(years > 0, years, 'y');
    part(days > 0, days % 365, 'd');
    part(hours > 0, hours % 24, 'h');
    part(minutes > 0, minutes % 60, 'm');
    part(true, seconds % 60, 's');
    text
}

/// A duration (`time.Duration.String`).
pub(crate) fn duration(ns: u64) -> String {
    let duration = Duration::from_nanos(ns);
    match ns {
        0 => "0s".to_owned(),
        1..1_000 => format!("{ns}ns"),
        1_000..1_000_000 => format!("{}µs", decimal(ns, 1_000)),
        1_000_000..1_000_000_000 => format!("{}ms", decimal(ns, 1_000_000)),
        _ => {
            let (seconds, nanos) = (duration.as_secs(), u64::from(duration.subsec_nanos()));
            let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
            let tail = decimal(seconds % 60 * 1_000_000_000 + nanos, 1_000_000_000);
            match (hours, minutes) {
                (0, 0) => format!("{tail}s"),
                (0, _) => format!("{minutes}m{tail}s"),
                _ => format!("{hours}h{minutes}m{tail}s"),
            }
        }
    }
}

/// A fraction without zeros at its end.
fn decimal(value: u64, unit: u64) -> String {
    let (whole, part) = (value / unit, value % unit);
    if part == 0 {
        return whole.to_string();
    }
    let digits = unit.ilog10() as usize;
    format!("{whole}.{}", format!("{part:0digits$}").trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_as_many_digits_as_they_need() {
        for (ns, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_500_000_000, "1970-01-01T00:00:01.5Z"),
            (1_795_268_021_054_042_163, "2026-11-21T13:33:41.054042163Z"),
        ] {
            assert_eq!(date(ns), text);
        }
        assert_eq!(date_of_ms(67_090_118_400_000), "4096-01-01T00:00:00Z");
        assert!(date_of_ms(u64::MAX).ends_with('Z'));
    }

    #[test]
    fn durations_are_written_as_go_does() {
        for (ns, text) in [
            (0, "0s"),
            (7, "7ns"),
            (123_000, "123µs"),
            (123_456, "123.456µs"),
            (1_050_000, "1.05ms"),
            (2_000_000_000, "2s"),
            (61_500_000_000, "1m1.5s"),
            (3_600_000_000_000, "1h0m0s"),
        ] {
            assert_eq!(duration(ns), text);
        }
    }

    #[test]
    fn uptimes_are_whole_seconds() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m0s"),
            (3_661, "1h1m1s"),
            (90_000, "1d1h0m0s"),
            (31_536_000 + 86_400, "1y1d0h0m0s"),
        ] {
            assert_eq!(uptime(seconds * 1_000_000_000), text);
        }
    }
}
