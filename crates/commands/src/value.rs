//! Values of options: Go's notation of numbers, booleans and durations, because scripts written for Kubo use it.

use std::time::Duration;

use crate::spec::Kind;

/// A parsed value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Yes or no.
    Bool(bool),
    /// Words.
    Text(String),
    /// A whole number.
    Int(i64),
    /// A whole number, not negative.
    Uint(u64),
    /// A number.
    Float(f64),
    /// Several words.
    List(Vec<String>),
}

impl Value {
    /// Reads a value of this kind; the error is in the words scripts know.
    pub fn parse(kind: Kind, text: &str) -> Result<Self, String> {
        match kind {
            Kind::Bool => parse_bool(text).map(Self::Bool),
            Kind::Text => Ok(Self::Text(text.to_owned())),
            Kind::Int => parse_int(text, 32).map(Self::Int),
            Kind::Int64 => parse_int(text, 64).map(Self::Int),
            Kind::Uint => parse_uint(text, 32).map(Self::Uint),
            Kind::Uint64 => parse_uint(text, 64).map(Self::Uint),
            Kind::Float => text
                .parse()
                .map(Self::Float)
                .map_err(|_| format!("strconv.ParseFloat: parsing {text:?}: invalid syntax")),
            Kind::List => Ok(Self::List(vec![text.to_owned()])),
        }
    }

    /// As the query string carries it.
    pub fn to_query(&self) -> Vec<String> {
        match self {
            Self::Bool(value) => vec![value.to_string()],
            Self::Text(value) => vec![value.clone()],
            Self::Int(value) => vec![value.to_string()],
            Self::Uint(value) => vec![value.to_string()],
            Self::Float(value) => vec![value.to_string()],
            Self::List(values) => values.clone(),
        }
    }
}

fn parse_bool(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "" | "1" | "t" | "true" => Ok(true),
        "0" | "f" | "false" => Ok(false),
        other => Err(format!("strconv.ParseBool: parsing {other:?}: invalid syntax")),
    }
}

/// Digits without underscores, in the base their prefix names.
fn split_base(text: &str) -> (u32, String) {
    let lower = text.to_ascii_lowercase();
    for (prefix, base) in [("0x", 16), ("0b", 2), ("0o", 8)] {
        if let Some(digits) = lower.strip_prefix(prefix) {
            return (base, digits.replace('_', ""));
        }
    }
    if lower.len() > 1 && lower.starts_with('0') {
        return (8, lower[1..].replace('_', ""));
    }
    (10, lower)
}

fn parse_magnitude(text: &str) -> Result<u64, std::num::IntErrorKind> {
    let (base, digits) = split_base(text);
    if digits.starts_with(['+', '-']) {
        return Err(std::num::IntErrorKind::InvalidDigit);
    }
    u64::from_str_radix(&digits, base).map_err(|error| *error.kind())
}

fn number_error(function: &str, text: &str, kind: &std::num::IntErrorKind) -> String {
    let why = match kind {
        std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => "value out of range",
        _ => "invalid syntax",
    };
    format!("strconv.{function}: parsing {text:?}: {why}")
}

fn parse_uint(text: &str, bits: u32) -> Result<u64, String> {
    let value = parse_magnitude(text).map_err(|kind| number_error("ParseUint", text, &kind))?;
    if bits == 32 && value > u64::from(u32::MAX) {
        return Err(number_error("ParseUint", text, &std::num::IntErrorKind::PosOverflow));
    }
    Ok(value)
}

fn parse_int(text: &str, bits: u32) -> Result<i64, String> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let magnitude = parse_magnitude(digits).map_err(|kind| number_error("ParseInt", text, &kind))?;
    let wide = if negative { -i128::from(magnitude) } else { i128::from(magnitude) };
    let limit = 1i128 << (bits - 1);
    if wide < -limit || wide >= limit {
        return Err(number_error("ParseInt", text, &std::num::IntErrorKind::PosOverflow));
    }
    i64::try_from(wide).map_err(|_| number_error("ParseInt", text, &std::num::IntErrorKind::PosOverflow))
}

/// Reads Go's notation of a duration: `1h15m30.918s`, `300ms`, `0`. Negative ones are refused.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let fail = || format!("time: invalid duration {text:?}");
    let body = text.strip_prefix('+').unwrap_or(text);
    if body == "0" {
        return Ok(Duration::ZERO);
    }
    if body.is_empty() || body.len() > 64 {
        return Err(fail());
    }
    let mut rest = body;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let number: f64 = number.parse().map_err(|_| fail())?;
        let scale = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "" => return Err(format!("time: missing unit in duration {text:?}")),
            other => return Err(format!("time: unknown unit {other:?} in duration {text:?}")),
        };
        let part = Duration::try_from_secs_f64(number * scale).map_err(|_| fail())?;
        total = total.checked_add(part).ok_or_else(fail)?;
        rest = tail;
    }
    Ok(total)
}

/// Reads a time to keep something: as [`parse_duration`], and with days (`d`), weeks (`w`) and years of 365 days (`y`).
pub fn parse_lifetime(text: &str) -> Result<Duration, String> {
    let fail = || format!("{text:?} is no length of time");
    let mut total = Duration::ZERO;
    let mut rest = text;
    while let Some(end) = rest.find(['d', 'w', 'y']) {
        let (number, unit) = rest.split_at(end);
        let mut letters = unit.chars();
        let days = match letters.next() {
            Some('d') => 1,
            Some('w') => 7,
            _ => 365,
        };
        let number: u64 = number.parse().map_err(|_| fail())?;
        let secs = number.checked_mul(days * 86_400).ok_or_else(fail)?;
        total = total.checked_add(Duration::from_secs(secs)).ok_or_else(fail)?;
        rest = letters.as_str();
    }
    if rest.is_empty() && !text.is_empty() {
        return Ok(total);
    }
    total.checked_add(parse_duration(rest).map_err(|_| fail())?).ok_or_else(fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_go_does() {
        for (kind, text, wanted) in [
            (Kind::Int, "0x10", Ok(Value::Int(16))),
            (Kind::Int, "-5", Ok(Value::Int(-5))),
            (Kind::Int, "0644", Ok(Value::Int(420))),
            (Kind::Uint, "1_000", Err("strconv.ParseUint: parsing \"1_000\": invalid syntax".to_owned())),
            (Kind::Uint, "0x1_0", Ok(Value::Uint(16))),
            (Kind::Int, "2147483648", Err("strconv.ParseInt: parsing \"2147483648\": value out of range".to_owned())),
            (Kind::Uint, "-1", Err("strconv.ParseUint: parsing \"-1\": invalid syntax".to_owned())),
            (Kind::Int64, "--1", Err("strconv.ParseInt: parsing \"--1\": invalid syntax".to_owned())),
            (Kind::Int64, "-9223372036854775808", Ok(Value::Int(i64::MIN))),
            (Kind::Bool, "", Ok(Value::Bool(true))),
            (Kind::Bool, "F", Ok(Value::Bool(false))),
            (Kind::Bool, "maybe", Err("strconv.ParseBool: parsing \"maybe\": invalid syntax".to_owned())),
        ] {
            assert_eq!(Value::parse(kind, text), wanted, "{text}");
        }
    }

    #[test]
    fn lifetimes_know_days_weeks_and_years() {
        let days = |count: u64| Duration::from_secs(count * 86_400);
        for (text, wanted) in [("30d", days(30)), ("2w1d", days(15)), ("1y", days(365)), ("90m", days(1) / 16)] {
            assert_eq!(parse_lifetime(text), Ok(wanted), "{text}");
        }
        assert_eq!(parse_lifetime("1d12h"), Ok(days(3) / 2));
        for bad in ["", "d", "-1d", "1.5d", "99999999999999999y", "30", "soon", "1d1"] {
            assert!(parse_lifetime(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_are_read_as_go_does() {
        assert_eq!(parse_duration("1h15m30.5s"), Ok(Duration::from_millis(4_530_500)));
        assert_eq!(parse_duration("300ms"), Ok(Duration::from_millis(300)));
        assert_eq!(parse_duration("0"), Ok(Duration::ZERO));
        for bad in ["", "1", "s", "1x", "-1s", "1e400s", "..s", "99999999999999999999h"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
