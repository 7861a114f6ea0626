//! Content negotiation (RFC 9110, section 12.5.1).

use http::HeaderMap;
use http::header::ACCEPT;

/// Most entries of `Accept` we look at; browsers send about ten.
pub const ENTRIES_MAX: usize = 64;

/// One entry of an `Accept` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `type/subtype` in lower case; wildcards as they are.
    pub media_type: String,
    /// Parameters but `q`, names in lower case, values without quotes.
    pub parameters: Vec<(String, String)>,
    /// Weight in thousandths; 0 means "not this".
    pub weight: u16,
}

impl Entry {
    /// The value of a parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The entries of all `Accept` headers, the most wanted first; equal weights stay in order. Malformed entries and those
/// behind [`ENTRIES_MAX`] are left out.
pub fn entries(headers: &HeaderMap) -> Vec<Entry> {
    let mut entries: Vec<Entry> = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .take(ENTRIES_MAX)
        .filter_map(parse_entry)
        .collect();
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.weight));
    entries
}

fn parse_entry(text: &str) -> Option<Entry> {
    let mut parts = text.split(';').map(str::trim);
    let media_type = parts.next()?.to_ascii_lowercase();
    if !media_type.contains('/') {
        return None;
    }
    let mut entry = Entry { media_type, parameters: Vec::new(), weight: 1000 };
    for part in parts.filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=')?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().trim_matches('"'));
        if name == "q" {
            entry.weight = parse_weight(value)?;
        } else {
            entry.parameters.push((name, value.to_owned()));
        }
    }
    Some(entry)
}

fn parse_weight(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: u16 = whole.parse().ok().filter(|whole| *whole <= 1)?;
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = if fraction.is_empty() { 0 } else { format!("{fraction:0<3}").parse().ok()? };
    Some((whole * 1000 + thousandths).min(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str) -> Vec<Entry> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, value.parse().expect("a value"));
        entries(&headers)
    }

    #[test]
    fn sorted_by_weight() {
        let types: Vec<String> = of("text/html;q=0.5, application/vnd.ipld.car; order=dfs; dups=y, */*;q=0.1, a/b;q=0")
            .into_iter()
            .map(|entry| entry.media_type)
            .collect();
        assert_eq!(types, ["application/vnd.ipld.car", "text/html", "*/*", "a/b"]);
    }

    #[test]
    fn parameters_are_read() {
        let entries = of("application/vnd.ipld.car;version=1; Order=\"dfs\" ;q=0.25");
        assert_eq!(entries[0].parameter("version"), Some("1"));
        assert_eq!(entries[0].parameter("order"), Some("dfs"));
        assert_eq!(entries[0].parameter("dups"), None);
        assert_eq!(entries[0].weight, 250);
    }

    #[test]
    fn nonsense_is_left_out() {
        assert_eq!(of("text"), vec![]);
        assert_eq!(of("a/b;q=2, c/d;q=x, e/f;q=0.1234, g/h;x"), vec![]);
        assert_eq!(of(&vec!["a/b"; 5000].join(",")).len(), ENTRIES_MAX);
    }
}
