//! Times of the day at which a user may be there, in a time zone.
//!
//! Absent: a clock. The question is asked with an absolute time, and the answer is one: a clock
//! that jumps moves neither.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use super::claims::TimesPart;

/// Ranges of times of the day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Schedule {
    ranges: Vec<(NaiveTime, NaiveTime)>,
    zone: Tz,
}

/// Whether a user may be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// At any time.
    Always,
    /// Until this Unix time, in milliseconds.
    Until(u64),
    /// Not now.
    Never,
}

impl Schedule {
    /// Reads ranges; `None` when one is no range or the zone has no such name. Ranges without a
    /// zone are in the server's.
    pub(super) fn parse(times: &[TimesPart], zone: &str, local: Tz) -> Option<Self> {
        let zone = match zone {
            "" | "Local" => local,
            name => name.parse().ok()?,
        };
        let range = |part: &TimesPart| Some((time(&part.start)?, time(&part.end)?));
        Some(Self { ranges: times.iter().map(range).collect::<Option<_>>()?, zone })
    }

    /// Whether the user may be there now, by the range that lasts longest.
    pub(super) fn at(&self, wall_ms: u64) -> Presence {
        if self.ranges.is_empty() {
            return Presence::Always;
        }
        let now = i64::try_from(wall_ms).ok().and_then(DateTime::<Utc>::from_timestamp_millis);
        let Some(now) = now else { return Presence::Never };
        let ends = self.ranges.iter().filter_map(|range| self.end(*range, now));
        let end = ends.max().and_then(|end| u64::try_from(end.timestamp_millis()).ok());
        end.map_or(Presence::Never, Presence::Until)
    }

    /// When the range that now falls into ends.
    fn end(
        &self,
        (start, end): (NaiveTime, NaiveTime),
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let today = now.with_timezone(&self.zone).date_naive();
        let tomorrow = today.checked_add_days(Days::new(1))?;
        let (from, to) = (self.instant(today, start)?, self.instant(today, end)?);
        if from < now && now < to {
            return Some(to);
        }
        if from <= to {
            return None;
        }
        // The range crosses midnight: now is in its second half, or in its first.
        if now < to {
            return Some(to);
        }
        let to = self.instant(tomorrow, end)?;
        (from < now && now < to).then_some(to)
    }

    /// A time of a day. One that the clocks leave out is taken as if they had not been changed.
    fn instant(&self, day: NaiveDate, time: NaiveTime) -> Option<DateTime<Utc>> {
        let local = day.and_time(time);
        let found = self.zone.from_local_datetime(&local).earliest();
        let found = found.or_else(|| {
            let before = local.checked_sub_signed(TimeDelta::hours(3))?;
            let before = self.zone.from_local_datetime(&before).earliest()?;
            before.checked_add_signed(TimeDelta::hours(3))
        });
        found.map(|found| found.with_timezone(&Utc))
    }
}

/// `HH:MM:SS`. The hour may have one digit, as Go reads it.
fn time(text: &str) -> Option<NaiveTime> {
    let mut parts = text.split(':');
    let mut part = |shortest: usize| {
        let part = parts.next()?;
        let digits = part.bytes().all(|byte| byte.is_ascii_digit());
        (digits && (shortest..=2).contains(&part.len())).then(|| part.parse::<u32>().ok())?
    };
    let (hour, minute, second) = (part(1)?, part(2)?, part(2)?);
    parts.next().is_none().then(|| NaiveTime::from_hms_opt(hour, minute, second))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(ranges: &[(&str, &str)], zone: &str) -> Option<Schedule> {
        let part = |(start, end): &(&str, &str)| TimesPart {
            start: (*start).to_owned(),
            end: (*end).to_owned(),
        };
        let times: Vec<_> = ranges.iter().map(part).collect();
        Schedule::parse(&times, zone, Tz::UTC)
    }
    fn at(text: &str) -> u64 {
        let time = DateTime::parse_from_rfc3339(text).unwrap();
        u64::try_from(time.timestamp_millis()).unwrap()
    }
    #[track_caller]
    fn check(ranges: &[(&str, &str)], zone: &str, now: &str, until: Option<&str>) {
        let expected = until.map_or(Presence::Never, |until| Presence::Until(at(until)));
        assert_eq!(schedule(ranges, zone).unwrap().at(at(now)), expected, "{now}");
    }

    #[test]
    fn no_ranges_are_always() {
        assert_eq!(schedule(&[], "").unwrap().at(0), Presence::Always);
        assert_eq!(
            schedule(&[("00:00:00", "23:59:59")], "").unwrap().at(u64::MAX),
            Presence::Never
        );
    }

    #[test]
    fn a_range_has_an_end_and_none_of_its_bounds() {
        let day = &[("08:00:00", "17:30:00")];
        check(day, "UTC", "2026-11-21T08:00:00Z", None);
        check(day, "UTC", "2026-11-21T08:00:00.001Z", Some("2026-11-21T17:30:00Z"));
        check(day, "UTC", "2026-11-21T17:29:59Z", Some("2026-11-21T17:30:00Z"));
        check(day, "UTC", "2026-11-21T17:30:00Z", None);
        check(&[("08:00:00", "08:00:00")], "UTC", "2026-11-21T08:00:00Z", None);
    }

    #[test]
    fn a_range_may_cross_midnight() {
        let night = &[("22:00:00", "06:00:00")];
        check(night, "", "2026-11-21T05:00:00Z", Some("2026-11-21T06:00:00Z"));
        check(night, "", "2026-11-21T23:30:00Z", Some("2026-11-22T06:00:00Z"));
        check(night, "", "2026-11-21T12:00:00Z", None);
    }

    #[test]
    fn the_range_that_lasts_longest_counts() {
        let two = &[("08:00:00", "12:00:00"), ("09:00:00", "18:00:00")];
        check(two, "", "2026-11-21T10:00:00Z", Some("2026-11-21T18:00:00Z"));
    }

    #[test]
    fn zones_have_their_own_days_and_summers() {
        let day = &[("08:00:00", "09:00:00")];
        check(day, "Europe/Berlin", "2026-01-15T07:30:00Z", Some("2026-01-15T08:00:00Z"));
        check(day, "Europe/Berlin", "2026-07-15T06:30:00Z", Some("2026-07-15T07:00:00Z"));
        check(day, "Asia/Tokyo", "2026-01-14T23:30:00Z", Some("2026-01-15T00:00:00Z"));
        // Half past two does not exist on this day.
        check(
            &[("00:00:00", "02:30:00")],
            "Europe/Berlin",
            "2026-03-29T00:59:00Z",
            Some("2026-03-29T01:30:00Z"),
        );
    }

    #[test]
    fn the_rest_is_no_schedule() {
        for wrong in [
            "",
            "8",
            "08:00",
            "08:00:0",
            "24:00:00",
            "08:60:00",
            "08:00:61",
            "+8:00:00",
            "08:00:00:00",
            "008:00:00",
            " 08:00:00",
        ] {
            assert_eq!(schedule(&[(wrong, "09:00:00")], ""), None, "{wrong}");
            assert_eq!(schedule(&[("07:00:00", wrong)], ""), None, "{wrong}");
        }
        assert_eq!(schedule(&[], "Atlantis/Capital"), None);
        assert!(schedule(&[("8:00:00", "09:00:00")], "").is_some());
    }
}
