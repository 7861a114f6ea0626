//! Byte ranges (RFC 9110, section 14).

use std::ops::Range;

use http::HeaderValue;

/// Most ranges of one request we look at; more is a flood and is answered with the whole content.
pub const RANGES_MAX: usize = 64;

/// What a `Range` header asks of content of a certain size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ranges {
    /// No range, another unit, or a flood: send everything.
    Whole,
    /// These parts, in the order asked, none of them empty.
    Parts(Vec<Range<u64>>),
    /// The header cannot be read.
    Malformed,
    /// Every range lies behind the end.
    Unsatisfiable,
}

/// Reads a `Range` header against content of `size` bytes. Ranges that lie behind the end are left out; when the parts
/// together are longer than the content, the whole is sent instead.
pub fn parse(header: Option<&HeaderValue>, size: u64) -> Ranges {
    let Some(header) = header else { return Ranges::Whole };
    let Some(list) = header.to_str().ok().and_then(|text| text.strip_prefix("bytes=")) else {
        return Ranges::Malformed;
    };
    if list.split(',').count() > RANGES_MAX {
        return Ranges::Whole;
    }
    let mut parts = Vec::new();
    let mut asked = 0_usize;
    for spec in list.split(',').map(str::trim).filter(|spec| !spec.is_empty()) {
        asked += 1;
        match parse_one(spec, size) {
            Some(part) if part.start < part.end => parts.push(part),
            Some(_) => {}
            None => return Ranges::Malformed,
        }
    }
    let total = parts.iter().fold(0_u64, |sum, part| sum.saturating_add(part.end - part.start));
    match parts.is_empty() {
        _ if total > size => Ranges::Whole,
        true if asked > 0 => Ranges::Unsatisfiable,
        true => Ranges::Whole,
        false => Ranges::Parts(parts),
    }
}

/// One range, perhaps an empty one; `None` when it is malformed.
fn parse_one(spec: &str, size: u64) -> Option<Range<u64>> {
    let (first, last) = spec.split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    if first.is_empty() {
        let suffix = number(last)?.min(size);
        return Some(size - suffix..size);
    }
    let first = number(first)?;
    if last.is_empty() {
        return Some(first.min(size)..size);
    }
    let last = number(last)?;
    if last < first {
        return None;
    }
    Some(first.min(size)..last.saturating_add(1).min(size))
}

/// A decimal number; one that is too large counts as the largest.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

/// The value of `Content-Range` for a part.
pub fn content_range(part: &Range<u64>, size: u64) -> HeaderValue {
    let text = format!("bytes {}-{}/{size}", part.start, part.end.saturating_sub(1));
    HeaderValue::from_str(&text).expect("digits, a dash and a slash")
}

/// The value of `Content-Range` when nothing can be sent.
pub fn unsatisfied_range(size: u64) -> HeaderValue {
    HeaderValue::from_str(&format!("bytes */{size}")).expect("digits and a slash")
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init)]
mod tests {
    use super::*;

    fn ranges(text: &str, size: u64) -> Ranges {
        parse(Some(&HeaderValue::from_str(text).expect("a header")), size)
    }

    #[test]
    fn single_ranges() {
        assert_eq!(ranges("bytes=0-0", 10), Ranges::Parts(vec![0..1]));
        assert_eq!(ranges("bytes=3-5", 10), Ranges::Parts(vec![3..6]));
        assert_eq!(ranges("bytes=3-", 10), Ranges::Parts(vec![3..10]));
        assert_eq!(ranges("bytes=-3", 10), Ranges::Parts(vec![7..10]));
        assert_eq!(ranges("bytes=-30", 10), Ranges::Parts(vec![0..10]));
        assert_eq!(ranges("bytes=8-99999999999999999999999", 10), Ranges::Parts(vec![8..10]));
    }

    #[test]
    fn several_ranges() {
        assert_eq!(ranges("bytes=0-1, 4-5,-1", 10), Ranges::Parts(vec![0..2, 4..6, 9..10]));
        assert_eq!(ranges("bytes=0-1,20-30", 10), Ranges::Parts(vec![0..2]));
        assert_eq!(ranges("bytes=0-9,0-9", 10), Ranges::Whole);
    }

    #[test]
    fn nothing_to_send() {
        assert_eq!(ranges("bytes=10-", 10), Ranges::Unsatisfiable);
        assert_eq!(ranges("bytes=-0", 10), Ranges::Unsatisfiable);
        assert_eq!(ranges("bytes=0-", 0), Ranges::Unsatisfiable);
        assert_eq!(parse(None, 10), Ranges::Whole);
    }

    #[test]
    fn malformed() {
        for text in ["bytes", "bytes=a-b", "bytes=-", "bytes=5-3", "bytes=1", "bytes=+1-2", "items=0-1", "bytes=0x1-2"]
        {
            assert_eq!(ranges(text, 10), Ranges::Malformed, "{text}");
        }
    }

    #[test]
    fn floods_get_the_whole() {
        let flood = format!("bytes={}", vec!["0-"; 5000].join(","));
        assert_eq!(ranges(&flood, 10), Ranges::Whole);
        let most = format!("bytes={}", vec!["0-0"; RANGES_MAX].join(","));
        assert!(matches!(ranges(&most, 1000), Ranges::Parts(parts) if parts.len() == RANGES_MAX));
        assert_eq!(ranges(&format!("{most},0-0"), 1000), Ranges::Whole);
    }
}
