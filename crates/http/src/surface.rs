//! What answers requests.

use std::future::Future;
use std::pin::Pin;

use crate::{Request, Response};

/// Something that answers HTTP requests: RPC, gateway, web UI.
///
/// Dropping the future gives the work up (the client is gone). Errors are answers: there is no other way to fail.
pub trait Surface: Send + Sync {
    /// Answers one request.
    fn call(&self, request: Request) -> Pin<Box<dyn Future<Output = Response> + Send + 'static>>;
}

impl<F> Surface for F
where
    F: Fn(Request) -> Pin<Box<dyn Future<Output = Response> + Send + 'static>> + Send + Sync,
{
    fn call(&self, request: Request) -> Pin<Box<dyn Future<Output = Response> + Send + 'static>> {
        self(request)
    }
}
