//! What one request asks for.

use http::{HeaderMap, Uri};
use merkury_http::{accept, query};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::target::Target;

/// The form of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// What a browser wants: UnixFS bytes, listings, pages.
    Web,
    /// The block's bytes.
    Raw,
    /// An archive of verifiable blocks.
    Car,
    /// An archive of files.
    Tar,
    /// `application/json`.
    Json,
    /// `application/cbor`.
    Cbor,
    /// `application/vnd.ipld.dag-json`.
    DagJson,
    /// `application/vnd.ipld.dag-cbor`.
    DagCbor,
    /// The signed record of a name.
    IpnsRecord,
    /// A vendor type nobody knows.
    Unknown,
}

/// Name in `?format=`, media type, format.
const FORMATS: [(&str, &str, Format); 8] = [
    ("raw", "application/vnd.ipld.raw", Format::Raw),
    ("car", "application/vnd.ipld.car", Format::Car),
    ("tar", "application/x-tar", Format::Tar),
    ("json", "application/json", Format::Json),
    ("cbor", "application/cbor", Format::Cbor),
    ("dag-json", "application/vnd.ipld.dag-json", Format::DagJson),
    ("dag-cbor", "application/vnd.ipld.dag-cbor", Format::DagCbor),
    ("ipns-record", "application/vnd.ipfs.ipns-record", Format::IpnsRecord),
];

impl Format {
    fn entry(&self) -> Option<&'static (&'static str, &'static str, Format)> {
        FORMATS.iter().find(|(_, _, format)| format == self)
    }

    /// The media type; empty for what has none of its own.
    pub(crate) fn media_type(&self) -> &'static str {
        self.entry().map_or("", |(_, media_type, _)| media_type)
    }

    /// The name in `?format=`.
    pub(crate) fn name(&self) -> &'static str {
        self.entry().map_or("", |(name, _, _)| name)
    }
}

/// A request, read.
pub(crate) struct Ask {
    pub(crate) is_head: bool,
    /// The URL as it came, for redirects.
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) target: Target,
    pub(crate) format: Format,
    /// Parameters of the `Accept` entry that chose the format.
    pub(crate) parameters: Vec<(String, String)>,
    /// Held while the request is in work; moves into a streamed body.
    pub(crate) permit: Option<OwnedSemaphorePermit>,
    /// When the request must be over.
    pub(crate) deadline: Option<Instant>,
}

impl Ask {
    pub(crate) fn new(is_head: bool, uri: Uri, headers: HeaderMap, target: Target) -> Self {
        let (format, parameters) = wanted(uri.query(), &headers);
        Self { is_head, uri, headers, target, format, parameters, permit: None, deadline: None }
    }

    /// A value of the query; the first of that name.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        query::first(self.uri.query(), name).map(|value| value.into_owned())
    }

    /// `?filename=`, when it is not empty.
    pub(crate) fn filename(&self) -> Option<String> {
        self.query("filename").filter(|name| !name.is_empty())
    }

    /// `?download=true`.
    pub(crate) fn is_download(&self) -> bool {
        query::first(self.uri.query(), "download").is_some_and(|value| value == "true")
    }

    /// Whether the client shows pages.
    pub(crate) fn accepts_html(&self) -> bool {
        accepts_html(&self.headers)
    }

    /// A header as text; `None` when absent or not text.
    pub(crate) fn header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Whether `Accept` names HTML.
pub(crate) fn accepts_html(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(http::header::ACCEPT).iter();
    values.any(|value| value.to_str().is_ok_and(|value| value.contains("text/html")))
}

/// Whether `Accept` may ask for something else than [`Format::Web`]. Cheap, for the fast way; errs towards "yes".
pub(crate) fn accept_is_special(headers: &HeaderMap) -> bool {
    const SPECIAL: [&str; 4] = ["application/vnd.ip", "application/x-tar", "application/json", "application/cbor"];
    let is_special = |entry: &str| {
        SPECIAL.iter().any(|prefix| {
            entry.as_bytes().get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
        })
    };
    headers
        .get_all(http::header::ACCEPT)
        .iter()
        .any(|value| value.to_str().map_or(true, |value| value.split(',').map(str::trim_start).any(is_special)))
}

/// The format: `?format=` decides, then the most wanted special type of `Accept`.
fn wanted(query: Option<&str>, headers: &HeaderMap) -> (Format, Vec<(String, String)>) {
    let accepted = accept::entries(headers).into_iter().filter(|entry| entry.weight > 0).find_map(|entry| {
        let known = FORMATS.iter().find(|(_, media_type, _)| *media_type == entry.media_type);
        let vendor = ["application/vnd.ipld", "application/vnd.ipfs"];
        match known {
            Some((_, _, format)) => Some((format.clone(), entry.parameters)),
            None if vendor.iter().any(|prefix| entry.media_type.starts_with(prefix)) => {
                Some((Format::Unknown, entry.parameters))
            }
            None => None,
        }
    });
    let named = query::first(query, "format")
        .and_then(|name| FORMATS.iter().find(|(known, _, _)| *known == name))
        .map(|(_, _, format)| format.clone());
    match (named, accepted) {
        (Some(named), Some((format, parameters))) if named == format => (named, parameters),
        (Some(named), _) => (named, Vec::new()),
        (None, Some(accepted)) => accepted,
        (None, None) => (Format::Web, Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(query: &str, accept: &str) -> Format {
        let mut headers = HeaderMap::new();
        headers.insert("accept", accept.parse().expect("a value"));
        wanted(Some(query), &headers).0
    }

    #[test]
    fn formats() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
        assert_eq!(format("", browser), Format::Web);
        assert_eq!(format("format=car", browser), Format::Car);
        assert_eq!(format("format=nonsense", browser), Format::Web);
        assert_eq!(format("", "application/vnd.ipld.raw"), Format::Raw);
        assert_eq!(format("format=raw", "application/vnd.ipld.car;order=dfs"), Format::Raw);
        assert_eq!(format("", "application/vnd.ipld.raw;q=0.5, application/vnd.ipld.car"), Format::Car);
        assert_eq!(format("", "application/vnd.ipld.raw;q=0"), Format::Web);
        assert_eq!(format("", "application/vnd.ipld.nonsense"), Format::Unknown);
        assert_eq!(format("", "application/vnd.ipfs.ipns-record"), Format::IpnsRecord);
    }

    #[test]
    fn parameters_come_with_their_format() {
        let mut headers = HeaderMap::new();
        headers.insert("accept", "application/vnd.ipld.car; order=dfs; dups=y".parse().expect("a value"));
        let expected = vec![("order".to_owned(), "dfs".to_owned()), ("dups".to_owned(), "y".to_owned())];
        assert_eq!(wanted(Some("format=car"), &headers), (Format::Car, expected));
        assert_eq!(wanted(Some("format=raw"), &headers), (Format::Raw, Vec::new()));
    }

    #[test]
    fn special_accepts_are_never_missed() {
        for (accept, special) in
            [("*/*", false), ("text/html,application/xhtml+xml", false), ("a/b, application/Cbor;q=1", true)]
        {
            let mut headers = HeaderMap::new();
            headers.insert("accept", accept.parse().expect("a value"));
            assert_eq!(accept_is_special(&headers), special, "{accept}");
        }
    }
}
