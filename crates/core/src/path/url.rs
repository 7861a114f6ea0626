//! URLs of gateways as content paths: what a browser's address bar holds is taken wherever a path is.
//!
//! `https://ipfs.io/ipfs/CID/a%20b?x#y` is `/ipfs/CID/a b`, `http://CID.ipfs.localhost:8080/a` is `/ipfs/CID/a`, and
//! `https://en-wikipedia--on--ipfs-org.ipns.dweb.link/` is `/ipns/en.wikipedia-on-ipfs.org/`.

/// The content path in the URL of a gateway; `None` when it is no such URL.
pub(super) fn content_path_of(url: &str) -> Option<String> {
    let scheme =
        url.find("://").filter(|at| ["http", "https"].iter().any(|name| name.eq_ignore_ascii_case(&url[..*at])))?;
    let rest = &url[scheme + 3..];
    let rest = &rest[..rest.find(['?', '#']).unwrap_or(rest.len())];
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit('@').next()?;
    let path = percent_decode(path)?;
    if path.starts_with("/ipfs/") || path.starts_with("/ipns/") {
        return Some(path);
    }
    let mut labels = host.split('.');
    match (labels.next()?, labels.next()?, labels.next()?) {
        (root, "ipfs", _) if !root.is_empty() => Some(format!("/ipfs/{root}{path}")),
        (root, "ipns", _) if !root.is_empty() => Some(format!("/ipns/{}{path}", domain_of(root))),
        _ => None,
    }
}

/// A domain that was folded into one label: `--` is a dash, `-` a dot. Keys have neither.
fn domain_of(label: &str) -> String {
    label.replace("--", "\0").replace('-', ".").replace('\0', "-")
}

/// The text without percent escapes; `None` when one is broken or the bytes are not UTF-8.
fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let [high, low, after @ ..] = rest else { return None };
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        bytes.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_gateways_are_paths() {
        for (url, path) in [
            ("https://ipfs.io/ipfs/bafkqaaa/a%20b/c?x=1#y", Some("/ipfs/bafkqaaa/a b/c")),
            ("http://bafkqaaa.ipfs.localhost:8080/a", Some("/ipfs/bafkqaaa/a")),
            ("HTTP://bafkqaaa.ipfs.localhost", Some("/ipfs/bafkqaaa")),
            ("https://en-wikipedia--on--ipfs-org.ipns.dweb.link/", Some("/ipns/en.wikipedia-on-ipfs.org/")),
            ("https://example.com/a", None),
            ("https://example.com/ipfs/%zz", None),
            ("https://x/ipfs/%f", None),
            ("ftp://bafkqaaa.ipfs.x/", None),
            ("https://.ipfs.x/", None),
            ("bafkqaaa", None),
        ] {
            assert_eq!(content_path_of(url).as_deref(), path, "{url}");
        }
    }
}
