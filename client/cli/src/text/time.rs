//! Times in UTC, as in RFC 3339.

use eggs_proto::{FileTime, Time};

const NANOS: i64 = 1_000_000_000;

/// Days since 1970-01-01 as year, month, day, in the Gregorian calendar: the year begins in March, so that the
/// leap day is its last.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468; // days since 0000-03-01
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// As in `2026-11-22T15:04:05.123456789Z`.
pub(crate) fn show_precise(time: FileTime) -> String {
    let nanos = time.0.rem_euclid(NANOS);
    format!("{}.{nanos:09}Z", seconds(time, 'T'))
}

/// As in `2026-11-22 15:04:05`.
pub(crate) fn show(time: FileTime) -> String {
    seconds(time, ' ')
}

/// A time of a log.
pub(crate) fn show_log(time: Time) -> String {
    show(time.into())
}

fn seconds(time: FileTime, between: char) -> String {
    let all = time.0.div_euclid(NANOS);
    let (year, month, day) = civil(all.div_euclid(86_400));
    let rest = all.rem_euclid(86_400);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}{between}{hour:02}:{minute:02}:{second:02}")
}

/// A span of milliseconds in one or two units: `10s`, `5m30s`, `12h`, `30d`.
pub(crate) fn show_span(ms: u64) -> String {
    const UNITS: [(u64, &str); 5] = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1000, "s"),
        (1, "ms"),
    ];
    let mut left = ms;
    let mut shown = String::new();
    for (unit, letter) in UNITS {
        if left >= unit && shown.matches(char::is_alphabetic).count() < 2 {
            shown += &format!("{}{letter}", left / unit);
            left %= unit;
        }
    }
    if shown.is_empty() { "0s".into() } else { shown }
}

/// Reads `500ms`, `10s`, `5m`, `12h`, `30d`.
pub(crate) fn parse_span(text: &str) -> Result<u64, String> {
    let bad = || format!("'{text}' is not a time such as 10s, 5m, 12h or 30d");
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
    let (number, unit) = text.split_at(digits);
    let unit = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(bad()),
    };
    let number: u64 = number.parse().map_err(|_| bad())?;
    number.checked_mul(unit).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00"),
            (-1, "1969-12-31 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_795_359_845, "2026-11-22 15:04:05"),
            (4_107_542_400, "2100-03-01 00:00:00"),
        ] {
            assert_eq!(show(FileTime(seconds * NANOS)), text);
        }
        assert_eq!(show_precise(FileTime(5)), "1970-01-01T00:00:00.000000005Z");
    }

    #[test]
    fn spans() {
        for (ms, text) in [
            (0, "0s"),
            (500, "500ms"),
            (10_000, "10s"),
            (330_000, "5m30s"),
            (86_400_000, "1d"),
        ] {
            assert_eq!(show_span(ms), text);
        }
        assert_eq!(parse_span("12h"), Ok(43_200_000));
        for bad in ["", "10", "s", "10y", "-1s", "1e9d"] {
            assert!(parse_span(bad).is_err(), "{bad}");
        }
    }
}
