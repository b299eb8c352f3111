//! Dates in Zulu form and the seconds since 1970 that they name.
//!
//! Absent: time zones, leap seconds, and the clock.

/// Characters of a date.
pub(super) const LENGTH: usize = 20;

/// Reads `YYYY-MM-DDThh:mm:ssZ`.
pub(super) fn parse(text: &str) -> Option<i64> {
    let bytes: &[u8; LENGTH] = text.as_bytes().try_into().ok()?;
    let form = b"0000-00-00T00:00:00Z";
    let fits = |(&got, &want): (&u8, &u8)| {
        if want == b'0' { got.is_ascii_digit() } else { got == want }
    };
    if !bytes.iter().zip(form).all(fits) {
        return None;
    }
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let sober = (1..=12).contains(&month)
        && (1..=month_days(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    sober.then(|| days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// The opposite of [`parse`].
pub(super) fn print(seconds: i64) -> String {
    let (day, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(day);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

fn month_days(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01; years are counted from March, so that the leap day is a year's last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of a count of days from 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates_have_their_seconds() {
        let cases = [
            ("1970-01-01T00:00:00Z", 0),
            ("1987-07-05T05:45:00Z", 552_462_300),
            ("2000-02-29T23:59:59Z", 951_868_799),
            ("0000-01-01T00:00:00Z", -62_167_219_200),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ];
        for (text, seconds) in cases {
            assert_eq!(parse(text), Some(seconds), "{text}");
            assert_eq!(print(seconds), text);
        }
    }

    #[test]
    fn every_day_is_printed_as_it_is_read() {
        for day in (-719_528_i64..2_932_896).step_by(13) {
            let text = print(day * 86_400);
            assert_eq!(parse(&text), Some(day * 86_400), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "2006-01-02",
            "2006-13-02T15:04:05Z",
            "2006-02-29T15:04:05Z",
            "2006-01-00T15:04:05Z",
            "2006-01-02T24:04:05Z",
            "2006-01-02T15:60:05Z",
            "2006-01-02T15:04:60Z",
            "2006-01-02T15:04:05+",
            "2006-01-02 15:04:05Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
