//! Values of the gateway's headers.

use http::header::{ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN};
use http::header::{ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, CONTENT_DISPOSITION, ETAG, LAST_MODIFIED};
use http::{HeaderMap, HeaderName, HeaderValue};
use merkury_core::path::Root;
use merkury_core::{Cid, PeerId};
use merkury_http::precondition;
use multibase::Base;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::GatewayConfig;
use crate::ask::{Ask, Format};
use crate::target::Target;

/// Content that never changes.
pub(crate) const IMMUTABLE: &str = "public, max-age=29030400, immutable";
/// A page of ours about content that never changes: the page may.
pub(crate) const LISTING: &str = "public, max-age=604800, stale-while-revalidate=2678400";
/// A longer `Ipfs-Uri` is not sent: proxies refuse long fields.
const URI_BYTES_MAX: usize = 8192;

pub(crate) const IPFS_URI: HeaderName = HeaderName::from_static("ipfs-uri");
pub(crate) const IPFS_PATH: HeaderName = HeaderName::from_static("x-ipfs-path");
pub(crate) const IPFS_ROOTS: HeaderName = HeaderName::from_static("x-ipfs-roots");

/// RFC 3986 unreserved characters stand for themselves.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What `Content-Disposition` leaves as it is, as Kubo does.
const FILENAME: &AsciiSet = &UNRESERVED.remove(b'$').remove(b'&').remove(b'+').remove(b':').remove(b'=').remove(b'@');

/// The headers of every answer: what is configured, and cross-origin permission.
pub(crate) fn base(config: &GatewayConfig) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, values) in &config.headers {
        let Ok(name) = HeaderName::try_from(name.as_str()) else {
            tracing::warn!(name, "Gateway.HTTPHeaders: not a header name, left out");
            continue;
        };
        for value in values {
            match HeaderValue::from_str(value) {
                Ok(value) => drop(map.append(name.clone(), value)),
                Err(_) => tracing::warn!(%name, "Gateway.HTTPHeaders: not a header value, left out"),
            }
        }
    }
    if !map.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        map.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    if !map.contains_key(ACCESS_CONTROL_ALLOW_METHODS) {
        add_words(&mut map, ACCESS_CONTROL_ALLOW_METHODS, &["GET", "HEAD", "OPTIONS"]);
    }
    add_words(&mut map, ACCESS_CONTROL_ALLOW_HEADERS, &["Content-Type", "Range", "User-Agent", "X-Requested-With"]);
    let exposed =
        ["Content-Length", "Content-Range", "Ipfs-Uri", "X-Chunked-Output", "X-Ipfs-Roots", "X-Stream-Output"];
    add_words(&mut map, ACCESS_CONTROL_EXPOSE_HEADERS, &exposed);
    if config.deprecated_x_ipfs_path {
        add_words(&mut map, ACCESS_CONTROL_EXPOSE_HEADERS, &["X-Ipfs-Path"]);
    }
    map
}

/// Appends the words that are not there yet, one field each, as Kubo sends them.
fn add_words(map: &mut HeaderMap, name: HeaderName, words: &[&'static str]) {
    for word in words {
        if !map.get_all(&name).iter().any(|value| value.as_bytes().eq_ignore_ascii_case(word.as_bytes())) {
            map.append(name.clone(), HeaderValue::from_static(word));
        }
    }
}

/// A header value of text that we made and that is visible ASCII.
pub(crate) fn ascii(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("made of visible ASCII characters")
}

/// `Ipfs-Uri` (IPIP-548): the canonical address of a path. `None` when it has none or it is too long.
pub(crate) fn ipfs_uri(target: &Target) -> Option<HeaderValue> {
    let (scheme, authority) = match target.path.root() {
        Root::Ipfs(cid) | Root::Ipld(cid) => ("ipfs", cid.to_v1().to_string()),
        Root::Ipns(name) => ("ipns", name_authority(name)?),
    };
    let mut uri = format!("{scheme}://{authority}");
    for segment in target.path.segments() {
        uri.push('/');
        uri.extend(utf8_percent_encode(segment, UNRESERVED));
    }
    if target.text.ends_with('/') {
        uri.push('/');
    }
    (uri.len() <= URI_BYTES_MAX).then(|| ascii(uri))
}

/// A name in its canonical form: base36 for keys, lower case for domains.
fn name_authority(name: &str) -> Option<String> {
    if let Ok(peer) = PeerId::parse(name) {
        return Some(peer.to_cid().to_string_of_base(Base::Base36Lower));
    }
    let host = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let labels_fit = host.split('.').all(|label| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    });
    (labels_fit && host.contains('.')).then_some(host)
}

/// `X-Ipfs-Path`, for paths that a header can hold.
pub(crate) fn ipfs_path(target: &Target) -> Option<HeaderValue> {
    let fits = target.text.bytes().all(|byte| byte == b'\t' || (0x20..=0x7e).contains(&byte));
    if fits { HeaderValue::from_str(&target.text).ok() } else { None }
}

/// `X-Ipfs-Roots`: the node of each segment.
pub(crate) fn roots(roots: &[Cid]) -> HeaderValue {
    ascii(roots.iter().map(Cid::to_string).collect::<Vec<_>>().join(","))
}

/// `"CID"` or `"CID.suffix"`.
pub(crate) fn etag(cid: &Cid, suffix: &str) -> String {
    if suffix.is_empty() { format!("\"{cid}\"") } else { format!("\"{cid}.{suffix}\"") }
}

/// How long an answer may be kept, and what it is compared by.
pub(crate) struct Freshness {
    pub(crate) etag: String,
    /// Empty when nothing is known.
    pub(crate) cache_control: String,
    /// Seconds since 1970.
    pub(crate) modified: Option<i64>,
}

impl Freshness {
    /// Of content itself.
    pub(crate) fn of_content(ask: &Ask, etag: String, ttl_secs: Option<u64>, modified: Option<i64>) -> Self {
        let cache_control = match (ask.target.is_mutable(), ttl_secs) {
            (false, _) => IMMUTABLE.to_owned(),
            (true, Some(ttl)) if ttl > 0 => format!("public, max-age={ttl}"),
            (true, _) => String::new(),
        };
        let modified = modified.or_else(|| ask.target.is_mutable().then(now));
        Self { etag, cache_control, modified }
    }

    /// Of a page that we make about content.
    pub(crate) fn of_page(ask: &Ask, etag: String, ttl_secs: Option<u64>) -> Self {
        let cache_control = match (ask.target.is_mutable(), ttl_secs) {
            (false, _) => LISTING.to_owned(),
            (true, Some(ttl)) if ttl > 0 => format!("public, max-age={ttl}, stale-while-revalidate=2678400"),
            (true, _) => String::new(),
        };
        Self { etag, cache_control, modified: None }
    }

    /// Writes `ETag`, `Cache-Control` and `Last-Modified`.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        self.write_304(headers);
        if let Some(date) = self.modified.and_then(precondition::format_date) {
            headers.insert(LAST_MODIFIED, date);
        }
    }

    /// Writes what a 304 carries: the stronger validator alone, and the time it is good for.
    pub(crate) fn write_304(&self, headers: &mut HeaderMap) {
        headers.insert(ETAG, ascii(self.etag.clone()));
        if !self.cache_control.is_empty() {
            headers.insert(CACHE_CONTROL, ascii(self.cache_control.clone()));
        }
    }
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.ok().and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or(0)
}

/// `Content-Disposition`: how to save it, and under which name.
pub(crate) fn disposition(headers: &mut HeaderMap, is_attachment: bool, name: &str) {
    let kind = if is_attachment { "attachment" } else { "inline" };
    let plain: String = name.chars().map(|character| if character.is_ascii() { character } else { '_' }).collect();
    let plain = utf8_percent_encode(&plain, FILENAME);
    let full = utf8_percent_encode(name, FILENAME);
    headers.insert(CONTENT_DISPOSITION, ascii(format!("{kind}; filename=\"{plain}\"; filename*=UTF-8''{full}")));
}

/// `Content-Location` of an answer whose format came from `Accept`: the address that says the same by itself.
pub(crate) fn content_location(ask: &Ask) -> Option<HeaderValue> {
    if ask.format == Format::Web || ask.query("format").is_some_and(|format| format == ask.format.name()) {
        return None;
    }
    let mut pairs: Vec<(String, String)> = merkury_http::query::pairs(ask.uri.query())
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .filter(|(name, _)| name != "format")
        .collect();
    pairs.push(("format".into(), ask.format.name().into()));
    for (name, value) in &ask.parameters {
        let name = format!("{}-{name}", ask.format.name());
        if !pairs.iter().any(|(known, _)| *known == name) {
            pairs.push((name, value.clone()));
        }
    }
    pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
    let encode = |text: &str| utf8_percent_encode(text, UNRESERVED).to_string().replace("%20", "+");
    let query: Vec<String> = pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    HeaderValue::try_from(format!("{}?{}", ask.uri.path(), query.join("&"))).ok()
}

/// A number of 64 bits of some text, stable between versions (FNV-1a): for entity tags.
pub(crate) fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris() {
        for (raw, uri) in [
            (
                "/ipfs/QmWvY6FaqFMS89YAQ9NAPjVP4WZKA1qbHbicc9HeSKQTgt/a%20%26b/",
                Some("ipfs://bafybeid7rpbh2clkm6tj2zuq6oq4lyvmo5b6y7mf23h4kaqlfq4ulz4zje/a%20%26b/"),
            ),
            (
                "/ipns/12D3KooWLQzUv2FHWGVPXTXSZpdHs7oHbXub2G5WC8Tx4NQhyd2d",
                Some("ipns://k51qzi5uqu5dk3v4rmjber23h16xnr23bsggmqqil9z2gduiis5se8dht36dam"),
            ),
            ("/ipns/Example.ORG./a", Some("ipns://example.org/a")),
            ("/ipns/localhost", None),
        ] {
            let target = Target::parse(raw).expect(raw);
            assert_eq!(ipfs_uri(&target).map(|uri| uri.to_str().expect("text").to_owned()).as_deref(), uri, "{raw}");
        }
    }

    #[test]
    fn dispositions_hold_any_name() {
        let mut headers = HeaderMap::new();
        disposition(&mut headers, true, "a \"é\r\n.txt");
        let value = headers[CONTENT_DISPOSITION].to_str().expect("text");
        assert_eq!(value, "attachment; filename=\"a%20%22_%0D%0A.txt\"; filename*=UTF-8''a%20%22%C3%A9%0D%0A.txt");
    }

    #[test]
    fn configured_headers_are_kept() {
        let headers = [
            ("Access-Control-Allow-Origin", vec!["https://a.example"]),
            ("X-A", vec!["1", "2"]),
            ("bad name", vec!["x"]),
        ];
        let headers =
            headers.map(|(name, values)| (name.to_owned(), values.iter().map(|value| (*value).to_owned()).collect()));
        let map = base(&GatewayConfig { headers: headers.into(), ..GatewayConfig::default() });
        assert_eq!(map[ACCESS_CONTROL_ALLOW_ORIGIN], "https://a.example");
        assert_eq!(map.get_all("x-a").iter().count(), 2);
        assert_eq!(map.get_all(ACCESS_CONTROL_EXPOSE_HEADERS).iter().count(), 6);
    }
}
