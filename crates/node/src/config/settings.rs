//! What the node reads from the configuration: typed, with Kubo's defaults for what is absent.

use std::time::Duration;

use serde_json::Value;

use super::{ConfigError, document};

/// Bytes of `10GB`, Kubo's default `Datastore.StorageMax`.
const STORAGE_MAX_DEFAULT: u64 = 10_000_000_000;

/// A read-only view of the document with typed getters.
pub(crate) struct View<'a>(pub(crate) &'a Value);

impl View<'_> {
    /// A string, or the default when the key is absent, null or `"auto"`-less.
    pub(crate) fn text(&self, key: &str, default: &str) -> Result<String, ConfigError> {
        match self.value(key) {
            None => Ok(default.to_owned()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(other) => Err(wrong(key, "a string", other)),
        }
    }

    /// A flag.
    pub(crate) fn flag(&self, key: &str, default: bool) -> Result<bool, ConfigError> {
        match self.value(key) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            // Kubo's three-valued flags may stand as "default".
            Some(Value::String(text)) if text == "default" => Ok(default),
            Some(other) => Err(wrong(key, "true or false", other)),
        }
    }

    /// A whole number.
    pub(crate) fn number(&self, key: &str, default: u64) -> Result<u64, ConfigError> {
        match self.value(key) {
            None => Ok(default),
            Some(Value::String(text)) if text == "default" => Ok(default),
            Some(value) => value.as_u64().ok_or_else(|| wrong(key, "a whole number", value)),
        }
    }

    /// Strings: a list, or a single string that counts as a list of one.
    pub(crate) fn list(&self, key: &str) -> Result<Vec<String>, ConfigError> {
        match self.value(key) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) if text.is_empty() => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(vec![text.clone()]),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned).ok_or_else(|| wrong(key, "a list of strings", item)))
                .collect(),
            Some(other) => Err(wrong(key, "a list of strings", other)),
        }
    }

    /// A size such as `10GB`, `1TiB` or a number of bytes.
    pub(crate) fn size(&self, key: &str, default: u64) -> Result<u64, ConfigError> {
        match self.value(key) {
            None => Ok(default),
            Some(Value::String(text)) if text.is_empty() || text == "default" => Ok(default),
            Some(value @ Value::String(text)) => {
                parse_size(text).ok_or_else(|| wrong(key, "a size such as 10GB", value))
            }
            Some(value) => value.as_u64().ok_or_else(|| wrong(key, "a size such as 10GB", value)),
        }
    }

    /// A duration such as `1h30m`.
    pub(crate) fn duration(&self, key: &str, default: Duration) -> Result<Duration, ConfigError> {
        match self.value(key) {
            None => Ok(default),
            Some(Value::String(text)) if text.is_empty() || text == "default" => Ok(default),
            Some(value @ Value::String(text)) => {
                parse_duration(text).ok_or_else(|| wrong(key, "a duration such as 1h30m", value))
            }
            Some(other) => Err(wrong(key, "a duration such as 1h30m", other)),
        }
    }

    /// `Datastore.StorageMax` in bytes.
    pub(crate) fn storage_max(&self) -> Result<u64, ConfigError> {
        self.size("Datastore.StorageMax", STORAGE_MAX_DEFAULT)
    }

    /// What the store may hold: `Datastore.StorageMax`, where 0 is no limit.
    pub(crate) fn storage_limit(&self) -> Result<Option<u64>, ConfigError> {
        Ok(Some(self.storage_max()?).filter(|limit| *limit > 0))
    }

    fn value(&self, key: &str) -> Option<&Value> {
        document::get(self.0, key).ok().filter(|value| !value.is_null())
    }
}

fn wrong(key: &str, wants: &'static str, has: &Value) -> ConfigError {
    ConfigError::WrongType { key: key.to_owned(), wants, has: has.to_string() }
}

/// Sizes as Kubo reads them: decimal and binary units, a fraction allowed.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().ok()?;
    let unit: f64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "p" | "pb" => 1e15,
        "ki" | "kib" => 1024f64,
        "mi" | "mib" => 1024f64.powi(2),
        "gi" | "gib" => 1024f64.powi(3),
        "ti" | "tib" => 1024f64.powi(4),
        "pi" | "pib" => 1024f64.powi(5),
        _ => return None,
    };
    let bytes = number * unit;
    (bytes.is_finite() && bytes >= 0.0 && bytes < u64::MAX as f64).then_some(bytes as u64)
}

/// Durations as Go writes them: a sum of numbers with units, `1h30m`, `22h`, `500ms`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut total = 0f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let unit_end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let seconds = match rest.get(..unit_end)? {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        total += number * seconds;
        rest = rest.get(unit_end..)?;
    }
    (!text.is_empty() && total.is_finite()).then(|| Duration::try_from_secs_f64(total).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [("10GB", 10_000_000_000), ("1TiB", 1 << 40), ("512", 512), ("1.5kb", 1500), ("0", 0)] {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for text in ["", "GB", "-1GB", "10 parsecs", "1e400"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }

    #[test]
    fn durations() {
        assert_eq!(parse_duration("1h30m"), Some(Duration::from_secs(5400)));
        assert_eq!(parse_duration("500ms"), Some(Duration::from_millis(500)));
        for text in ["", "h", "5", "5 h", "1x"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
