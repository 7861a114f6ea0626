//! Conditional requests (RFC 9110, section 13).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE};
use http::{HeaderMap, HeaderName, HeaderValue};

/// What a request's conditions say about content with known validators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Answer as if there were no condition.
    Proceed,
    /// Answer 304.
    NotModified,
    /// Answer 412.
    Failed,
}

/// Evaluates `If-Match`, `If-Unmodified-Since`, `If-None-Match` and `If-Modified-Since` of a GET or HEAD request.
/// `etag` is the current entity tag with quotes (and `W/`), `modified` seconds since 1970.
pub fn evaluate(headers: &HeaderMap, etag: Option<&str>, modified: Option<i64>) -> Verdict {
    if headers.contains_key(IF_MATCH) {
        if !matches(headers, IF_MATCH, etag, strong_eq) {
            return Verdict::Failed;
        }
    } else if let (Some(limit), Some(modified)) = (date(headers, IF_UNMODIFIED_SINCE), modified)
        && modified > limit
    {
        return Verdict::Failed;
    }
    if headers.contains_key(IF_NONE_MATCH) {
        return if none_match(headers, etag) { Verdict::Proceed } else { Verdict::NotModified };
    }
    match (date(headers, IF_MODIFIED_SINCE), modified) {
        (Some(limit), Some(modified)) if modified <= limit => Verdict::NotModified,
        _ => Verdict::Proceed,
    }
}

/// Whether `If-None-Match` is absent or names none of our tags (weak comparison); `*` matches everything.
pub fn none_match(headers: &HeaderMap, etag: Option<&str>) -> bool {
    !headers.contains_key(IF_NONE_MATCH) || !matches(headers, IF_NONE_MATCH, etag, weak_eq)
}

/// Whether a `Range` header counts: no `If-Range`, or one that holds for the current validators.
pub fn range_allowed(headers: &HeaderMap, etag: Option<&str>, modified: Option<i64>) -> bool {
    let Some(value) = headers.get(IF_RANGE).and_then(|value| value.to_str().ok()) else {
        return !headers.contains_key(IF_RANGE);
    };
    match tags(value).next() {
        Some(tag) => etag.is_some_and(|etag| strong_eq(tag, etag)),
        None => matches!((http_date(value), modified), (Some(date), Some(modified)) if date == modified),
    }
}

/// Seconds since 1970 as an HTTP date.
pub fn format_date(seconds: i64) -> Option<HeaderValue> {
    let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds < 253_402_300_800)?;
    HeaderValue::from_str(&httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds))).ok()
}

fn matches(headers: &HeaderMap, name: HeaderName, etag: Option<&str>, same: fn(&str, &str) -> bool) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| tags(value).any(|tag| tag == "*" || etag.is_some_and(|etag| same(tag, etag))))
}

fn strong_eq(one: &str, other: &str) -> bool {
    one == other && one.starts_with('"')
}

fn weak_eq(one: &str, other: &str) -> bool {
    let opaque = |tag| str::strip_prefix(tag, "W/").unwrap_or(tag).to_owned();
    opaque(one) == opaque(other)
}

/// The entity tags of a list, up to the first that is malformed. `*` counts as a tag.
fn tags(list: &str) -> impl Iterator<Item = &str> {
    let mut rest = list;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([',', ' ', '\t']);
        if let Some(after) = rest.strip_prefix('*') {
            rest = after;
            return Some("*");
        }
        let quote = if rest.starts_with("W/\"") { 3 } else { 1 };
        if quote == 1 && !rest.starts_with('"') {
            return None;
        }
        let end = quote + rest.get(quote..)?.find('"')? + 1;
        let (tag, after) = rest.split_at(end);
        rest = after;
        Some(tag)
    })
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<i64> {
    http_date(headers.get(name)?.to_str().ok()?)
}

fn http_date(text: &str) -> Option<i64> {
    let time: SystemTime = httpdate::parse_http_date(text).ok()?;
    i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(HeaderName, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).expect("a value"))).collect()
    }

    #[test]
    fn none_match_is_weak() {
        for (value, verdict) in [
            ("\"a\"", Verdict::NotModified),
            ("W/\"a\"", Verdict::NotModified),
            ("\"b\", \"a\"", Verdict::NotModified),
            ("\"b\",W/\"a\"", Verdict::NotModified),
            ("*", Verdict::NotModified),
            ("\"b\"", Verdict::Proceed),
            ("a", Verdict::Proceed),
            ("\"a", Verdict::Proceed),
            ("W/", Verdict::Proceed),
            ("", Verdict::Proceed),
        ] {
            assert_eq!(evaluate(&headers(&[(IF_NONE_MATCH, value)]), Some("\"a\""), None), verdict, "{value}");
        }
    }

    #[test]
    fn match_is_strong() {
        assert_eq!(evaluate(&headers(&[(IF_MATCH, "\"a\"")]), Some("\"a\""), None), Verdict::Proceed);
        assert_eq!(evaluate(&headers(&[(IF_MATCH, "W/\"a\"")]), Some("W/\"a\""), None), Verdict::Failed);
        assert_eq!(evaluate(&headers(&[(IF_MATCH, "\"b\"")]), Some("\"a\""), None), Verdict::Failed);
    }

    #[test]
    fn dates() {
        let at = "Thu, 01 Jan 1970 00:01:40 GMT";
        assert_eq!(evaluate(&headers(&[(IF_MODIFIED_SINCE, at)]), None, Some(100)), Verdict::NotModified);
        assert_eq!(evaluate(&headers(&[(IF_MODIFIED_SINCE, at)]), None, Some(101)), Verdict::Proceed);
        assert_eq!(evaluate(&headers(&[(IF_MODIFIED_SINCE, "yesterday")]), None, Some(1)), Verdict::Proceed);
        assert_eq!(evaluate(&headers(&[(IF_UNMODIFIED_SINCE, at)]), None, Some(101)), Verdict::Failed);
        assert_eq!(format_date(100).expect("a date"), at);
        assert_eq!(format_date(i64::MAX), None);
        assert_eq!(format_date(-1), None);
    }

    #[test]
    fn ranges_depend_on_the_validator() {
        assert!(range_allowed(&HeaderMap::new(), None, None));
        assert!(range_allowed(&headers(&[(IF_RANGE, "\"a\"")]), Some("\"a\""), None));
        assert!(!range_allowed(&headers(&[(IF_RANGE, "W/\"a\"")]), Some("W/\"a\""), None));
        assert!(!range_allowed(&headers(&[(IF_RANGE, "nonsense")]), Some("\"a\""), None));
    }
}
