//! Query strings.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Most pairs of one query we look at.
pub const PAIRS_MAX: usize = 4096;

/// The pairs of a query string in order, decoded: `+` is a space, bytes that are not UTF-8 are replaced. A name without
/// `=` has an empty value.
pub fn pairs(query: Option<&str>) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query
        .unwrap_or("")
        .split('&')
        .filter(|pair| !pair.is_empty())
        .take(PAIRS_MAX)
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
}

/// The first value of a name.
pub fn first<'a>(query: Option<&'a str>, name: &str) -> Option<Cow<'a, str>> {
    pairs(query).find(|(key, _)| key == name).map(|(_, value)| value)
}

fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains(['+', '%']) {
        return Cow::Borrowed(text);
    }
    let spaced = text.replace('+', " ");
    Cow::Owned(percent_decode_str(&spaced).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded() {
        let all: Vec<_> = pairs(Some("arg=a%20b&arg=c+d&flag&x=%zz&e=%C3%A9&&k=1=2")).collect();
        let expected = [("arg", "a b"), ("arg", "c d"), ("flag", ""), ("x", "%zz"), ("e", "é"), ("k", "1=2")];
        assert_eq!(all.len(), expected.len());
        for ((name, value), (want_name, want_value)) in all.iter().zip(expected) {
            assert_eq!((name.as_ref(), value.as_ref()), (want_name, want_value));
        }
        assert_eq!(first(Some("a=1&a=2"), "a").as_deref(), Some("1"));
        assert_eq!(first(None, "a"), None);
    }
}
