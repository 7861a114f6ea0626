//! What a request gets that cannot be answered.

use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, StatusCode};
use merkury_api::ApiError;
use merkury_core::ErrorKind;
use merkury_http::{Response, reply};

use crate::page;

/// A status, what went wrong, and what a person can do next.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
    pub(crate) hints: Vec<String>,
    /// Headers that belong to the failure (`Content-Range`, `Retry-After`).
    pub(crate) fields: Vec<(HeaderName, HeaderValue)>,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), hints: Vec::new(), fields: Vec::new() }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// The same with a header.
    pub(crate) fn field(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.fields.push((name, value));
        self
    }

    /// The same with words in front, as Kubo says what it was doing.
    pub(crate) fn context(mut self, what: &str) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// A name under `/ipns/` that leads nowhere now. That is the name system's failure, not a missing file: 5xx.
    pub(crate) fn of_name(error: ApiError) -> Self {
        let mut failure = Self::from(error);
        if !matches!(failure.status, StatusCode::GATEWAY_TIMEOUT | StatusCode::SERVICE_UNAVAILABLE) {
            failure.status = StatusCode::INTERNAL_SERVER_ERROR;
        }
        failure
    }

    /// The answer: a page for people (`as_page`), plain text otherwise. Never cached.
    pub(crate) fn into_response(self, as_page: bool) -> Response {
        let mut response = if as_page {
            let body = page::error::render(self.status, &self.message, &self.hints);
            let mut response = reply::html(self.status, body);
            response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(page::POLICY));
            response
        } else {
            let mut text = self.message;
            text.push('\n');
            reply::text(self.status, text)
        };
        let headers = response.headers_mut();
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if self.status == StatusCode::TOO_MANY_REQUESTS || self.status.is_server_error() {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        headers.extend(self.fields);
        response
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let status = match error.kind {
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Invalid => StatusCode::BAD_REQUEST,
            ErrorKind::Conflict => StatusCode::CONFLICT,
            ErrorKind::Denied => StatusCode::GONE,
            ErrorKind::Busy | ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
            ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
            ErrorKind::Corrupt | ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        // The error's own hints are about commands; whoever reads this has a browser.
        let mut failure = Self::new(status, error.message);
        if status == StatusCode::NOT_FOUND {
            failure.hints = vec![
                "check that the whole link was copied; capital letters count".into(),
                "go up to the directory that should hold it, and look for it there".into(),
            ];
        }
        failure
    }
}
