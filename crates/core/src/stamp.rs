//! Points in time as Go writes them, in UTC.

use std::time::Duration;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Go's zero time, which stands for "none".
pub const ZERO: &str = "0001-01-01T00:00:00Z";

/// A point in time: seconds since 1970 and nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// Seconds since 1970; before it, negative.
    pub seconds: i64,
    /// Nanoseconds.
    pub nanoseconds: u32,
}

/// Its parts in the calendar.
struct Civil {
    year: i64,
    month: usize,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

impl Stamp {
    /// The point in time a clock of the system shows; before 1970 it is 1970.
    pub fn of(time: std::time::SystemTime) -> Self {
        let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self { seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX), nanoseconds: since.subsec_nanos() }
    }

    /// So much later; the last point there is when it would be past that.
    #[must_use]
    pub fn after(self, span: std::time::Duration) -> Self {
        let nanoseconds = self.nanoseconds + span.subsec_nanos();
        let seconds = i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
        Self {
            seconds: self.seconds.saturating_add(seconds).saturating_add(i64::from(nanoseconds / 1_000_000_000)),
            nanoseconds: nanoseconds % 1_000_000_000,
        }
    }

    /// Years that four digits can write are about ±292 billion seconds; further ones are cut to that.
    fn civil(self) -> Civil {
        let seconds = self.seconds.clamp(-62_135_596_800, 253_402_300_799);
        let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        // Days are counted from March, so that a leap day is the last of its year (Hinnant's method).
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        Civil {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month: usize::try_from(month).unwrap_or(1),
            day: day_of_year - (153 * march_month + 2) / 5 + 1,
            hour: rest / 3600,
            minute: rest / 60 % 60,
            second: rest % 60,
        }
    }

    /// `2023-11-14T22:13:20.5Z`, without zeros at the end of the fraction.
    pub fn rfc3339(self) -> String {
        let civil = self.civil();
        let fraction = match self.nanoseconds {
            0 => String::new(),
            some => format!(".{some:09}").trim_end_matches('0').to_owned(),
        };
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{fraction}Z",
            civil.year, civil.month, civil.day, civil.hour, civil.minute, civil.second
        )
    }

    /// Reads [`Stamp::rfc3339`], with any offset; `None` for Go's zero time and for nonsense.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let (date, time) = text.split_once('T')?;
        let zone_at = time.find(['Z', '+', '-'])?;
        let (clock, zone) = time.split_at(zone_at);
        let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
        let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
        let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
        let offset = match zone.split_at_checked(1)? {
            ("Z", "") => 0,
            (sign @ ("+" | "-"), rest) => {
                let [hours, minutes] = numbers(rest, ':', [2, 2])?;
                let offset = hours * 3600 + minutes * 60;
                if sign == "+" { offset } else { -offset }
            }
            _ => return None,
        };
        let is_date = year > 1 && (1..=12).contains(&month) && (1..=31).contains(&day);
        let is_clock = hour < 24 && minute < 60 && second < 60 && !fraction.is_empty();
        if !is_date || !is_clock || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let nanoseconds = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
        let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
        Some(Self { seconds: seconds - offset, nanoseconds })
    }

    /// As long listings show it: `Nov 24 14:45`, or with the year when it is over six months away.
    pub fn listing(self, now: Self) -> String {
        const HALF_YEAR: i64 = 182 * 86_400;
        let civil = self.civil();
        let month = MONTHS.get(civil.month - 1).copied().unwrap_or_default();
        if self.seconds > now.seconds - HALF_YEAR && self.seconds < now.seconds + 86_400 {
            return format!("{month} {:02} {:02}:{:02}", civil.day, civil.hour, civil.minute);
        }
        format!("{month} {:02}  {:04}", civil.day, civil.year)
    }

    /// As lists of calls show it (Go's `time.Stamp`): `Nov  4 22:13:20`.
    pub fn short(self) -> String {
        let civil = self.civil();
        let month = MONTHS.get(civil.month - 1).copied().unwrap_or_default();
        format!("{month} {:>2} {:02}:{:02}:{:02}", civil.day, civil.hour, civil.minute, civil.second)
    }

    /// How long after `earlier` it is; nothing when it is before.
    pub fn since(self, earlier: Self) -> Duration {
        let nanoseconds = |stamp: Self| i128::from(stamp.seconds) * 1_000_000_000 + i128::from(stamp.nanoseconds);
        let passed = (nanoseconds(self) - nanoseconds(earlier)).max(0);
        Duration::from_nanos(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    /// As `files stat` shows it: `14 Nov 2023, 22:13:20 UTC`.
    pub fn long(self) -> String {
        let civil = self.civil();
        let month = MONTHS.get(civil.month - 1).copied().unwrap_or_default();
        format!(
            "{} {month} {:04}, {:02}:{:02}:{:02} UTC",
            civil.day, civil.year, civil.hour, civil.minute, civil.second
        )
    }
}

/// A duration as Go prints it: `1h2m3.5s`, `1.5ms`, `0s`.
pub fn go_duration(time: Duration) -> String {
    let nanoseconds = time.as_nanos();
    let small = |unit: u128, name: &str| {
        let text = format!("{}.{:0width$}", nanoseconds / unit, nanoseconds % unit, width = unit.ilog10() as usize);
        format!("{}{name}", text.trim_end_matches('0').trim_end_matches('.'))
    };
    match nanoseconds {
        0 => "0s".into(),
        1..1_000 => format!("{nanoseconds}ns"),
        1_000..1_000_000 => small(1_000, "µs"),
        1_000_000..1_000_000_000 => small(1_000_000, "ms"),
        _ => {
            let (hours, minutes) = (time.as_secs() / 3600, time.as_secs() / 60 % 60);
            let seconds = format!("{}.{:09}", time.as_secs() % 60, time.subsec_nanos());
            let seconds = seconds.trim_end_matches('0').trim_end_matches('.');
            match (hours, minutes) {
                (0, 0) => format!("{seconds}s"),
                (0, _) => format!("{minutes}m{seconds}s"),
                _ => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

/// Numbers of exactly so many digits.
fn numbers<const N: usize>(text: &str, separator: char, lengths: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(separator);
    let mut found = [0; N];
    for (number, length) in found.iter_mut().zip(lengths) {
        let part = parts.next()?;
        if part.len() != length || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(found)
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let march_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * march_month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_written_and_read_as_go_does() {
        for (seconds, nanoseconds, text) in [
            (1_700_000_000, 0, "2023-11-14T22:13:20Z"),
            (1_700_000_000, 636_330_000, "2023-11-14T22:13:20.63633Z"),
            (0, 0, "1970-01-01T00:00:00Z"),
            (951_782_399, 0, "2000-02-28T23:59:59Z"),
            (951_782_400, 0, "2000-02-29T00:00:00Z"),
            (-1, 0, "1969-12-31T23:59:59Z"),
        ] {
            let stamp = Stamp { seconds, nanoseconds };
            assert_eq!(stamp.rfc3339(), text);
            assert_eq!(Stamp::parse_rfc3339(text), Some(stamp), "{text}");
        }
        let berlin = Stamp::parse_rfc3339("2023-11-14T23:13:20+01:00");
        assert_eq!(berlin, Some(Stamp { seconds: 1_700_000_000, nanoseconds: 0 }));
        for bad in [
            ZERO,
            "",
            "x",
            "2023-11-14",
            "2023-99-14T00:00:00Z",
            "2023-11-14T22:13:20",
            "2023-11-14 22:13:20Z",
            "+023-11-14T22:13:20Z",
            "2023-11-14T22:13:20.Z",
            "2023-11-14T22:13:20.5xZ",
            "2023-11-14T24:00:00Z",
            "2023-11-14T22:13:20Zz",
        ] {
            assert_eq!(Stamp::parse_rfc3339(bad), None, "{bad}");
        }
    }

    #[test]
    fn durations_are_written_as_go_does() {
        for (nanoseconds, text) in [
            (0, "0s"),
            (12, "12ns"),
            (1_500, "1.5µs"),
            (1_000_000, "1ms"),
            (1_020_300, "1.0203ms"),
            (1_500_000_000, "1.5s"),
            (60_000_000_000, "1m0s"),
            (3_723_050_000_000, "1h2m3.05s"),
        ] {
            assert_eq!(go_duration(Duration::from_nanos(nanoseconds)), text);
        }
        let earlier = Stamp { seconds: 10, nanoseconds: 900_000_000 };
        let later = Stamp { seconds: 12, nanoseconds: 100_000_000 };
        assert_eq!(later.since(earlier), Duration::from_millis(1200));
        assert_eq!(earlier.since(later), Duration::ZERO);
        assert_eq!(Stamp { seconds: 1_699_056_800, nanoseconds: 0 }.short(), "Nov  4 00:13:20");
    }

    #[test]
    fn listings_drop_the_year_when_it_is_near() {
        let now = Stamp { seconds: 1_700_000_000, nanoseconds: 0 };
        assert_eq!(now.after(std::time::Duration::new(1, 5)), Stamp { seconds: 1_700_000_001, nanoseconds: 5 });
        assert_eq!(now.listing(now), "Nov 14 22:13");
        assert_eq!(Stamp { seconds: 1_600_000_000, nanoseconds: 0 }.listing(now), "Sep 13  2020");
        assert_eq!(now.long(), "14 Nov 2023, 22:13:20 UTC");
    }
}
