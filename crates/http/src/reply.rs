//! Short answers.

use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, StatusCode};

use crate::{Body, Response};

/// Plain text.
pub fn text(status: StatusCode, text: impl Into<bytes::Bytes>) -> Response {
    typed(status, HeaderValue::from_static("text/plain; charset=utf-8"), text)
}

/// JSON that is written already.
pub fn json(status: StatusCode, json: impl Into<bytes::Bytes>) -> Response {
    typed(status, HeaderValue::from_static("application/json"), json)
}

/// A page. The caller has escaped what is foreign in it (see [`escape_html`]).
pub fn html(status: StatusCode, page: impl Into<bytes::Bytes>) -> Response {
    typed(status, HeaderValue::from_static("text/html; charset=utf-8"), page)
}

/// Bytes of a type.
pub fn typed(status: StatusCode, content_type: HeaderValue, bytes: impl Into<bytes::Bytes>) -> Response {
    let mut response = empty(status);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    *response.body_mut() = Body::full(bytes);
    response
}

/// A status alone.
pub fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// A redirect. A target that no header can hold (control characters) becomes 400.
pub fn redirect(status: StatusCode, target: &str) -> Response {
    let Ok(target) = HeaderValue::from_str(target) else {
        return text(StatusCode::BAD_REQUEST, "the redirect target is not a valid header value\n");
    };
    let mut response = empty(status);
    response.headers_mut().insert(LOCATION, target);
    response
}

/// Foreign text made safe inside HTML text and quoted attributes.
pub fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_html(&mut out, text);
    out
}

/// As [`escape_html`], appended.
pub fn push_html(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(character),
        }
    }
}
