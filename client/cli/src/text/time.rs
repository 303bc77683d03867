//! Times in UTC, as in RFC 3339.

use std::time::SystemTime;

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

/// The inverse of [`civil`].
fn days(year: i64, month: i64, day: i64) -> i64 {
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let year_of_era = shifted_year.rem_euclid(400);
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    shifted_year.div_euclid(400) * 146_097 + day_of_era - 719_468
}

/// A moment as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// In milliseconds since 1970.
    At(u64),
    /// So many milliseconds ago.
    Ago(u64),
}

impl When {
    /// As log time, if it is `now`.
    pub(crate) fn time(self, now: SystemTime) -> Time {
        let since = now.duration_since(SystemTime::UNIX_EPOCH);
        let now_ms = since.map_or(0, |since| since.as_millis() as u64);
        match self {
            Self::At(ms) => Time(ms),
            Self::Ago(ms) => Time(now_ms.saturating_sub(ms)),
        }
    }
}

/// Reads `2026-11-22T15:04:05.123Z` (a blank may stand for the `T`; fraction and `Z` may be left out), `@` with
/// milliseconds since 1970, or a span such as `10m`: that long ago.
pub(crate) fn parse_when(text: &str) -> Result<When, String> {
    let bad = || {
        format!(
            "'{text}' is not a time such as 2026-11-22T15:04:05.123Z, @1795359845123 or 10m (ago)"
        )
    };
    if let Some(ms) = text.strip_prefix('@') {
        return ms.parse().map(When::At).map_err(|_| bad());
    }
    match parse_date(text) {
        Some(ms) => Ok(When::At(ms)),
        None => parse_span(text).map(When::Ago).map_err(|_| bad()),
    }
}

fn parse_date(text: &str) -> Option<u64> {
    let (date, clock) = text
        .strip_suffix('Z')
        .unwrap_or(text)
        .split_once(['T', ' '])?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(clock, ':')?;
    let in_range = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    let digits = fraction.len() <= 9 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !in_range || !digits || civil(days(year, month, day)) != (year, month, day) {
        return None;
    }
    let ms: u64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    Some(u64::try_from(seconds).ok()? * 1000 + ms)
}

fn numbers(text: &str, between: char) -> Option<[i64; 3]> {
    let parts: Vec<i64> = text
        .split(between)
        .map(|part| {
            let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| part.parse().ok()).flatten()
        })
        .collect::<Option<_>>()?;
    parts.try_into().ok()
}

/// A time of a log to the millisecond, as [`parse_when`] reads it.
pub(crate) fn show_log_ms(time: Time) -> String {
    format!("{}.{:03}Z", seconds(time.into(), 'T'), time.0 % 1000)
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
    fn moments() {
        for ms in [0, 951_782_400_123, 1_795_359_845_007, 4_107_542_400_000] {
            let shown = show_log_ms(Time(ms));
            assert_eq!(parse_when(&shown), Ok(When::At(ms)), "{shown}");
        }
        for (text, when) in [
            ("2026-11-22 15:04:05", When::At(1_795_359_845_000)),
            ("2026-11-22T15:04:05.5", When::At(1_795_359_845_500)),
            (
                "2026-11-22T15:04:05.123456789Z",
                When::At(1_795_359_845_123),
            ),
            ("@77", When::At(77)),
            ("10m", When::Ago(600_000)),
        ] {
            assert_eq!(parse_when(text), Ok(when), "{text}");
        }
        for bad in [
            "",
            "@",
            "@-1",
            "2026-02-30T00:00:00",
            "2026-13-01T00:00:00",
            "2026-11-22",
            "2026-11-22T24:00:00",
            "2026-11-22T15:04",
            "2026-11-22T15:04:05.x",
            "+026-11-22T15:04:05",
            "1969-12-31T23:59:59",
        ] {
            assert!(parse_when(bad).is_err(), "{bad}");
        }
        let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(10);
        assert_eq!(When::Ago(4000).time(now), Time(6000));
        assert_eq!(When::Ago(40_000).time(now), Time(0));
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
