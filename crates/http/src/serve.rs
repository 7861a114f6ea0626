//! Accepting connections and driving them.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use http::header::CONNECTION;
use http::{HeaderValue, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::connection::{Busy, Guarded, Held};
use crate::listen::Stream;
use crate::{Body, Limits, Listener, Surface, reply};

/// Pause after a failed accept (mostly: no file descriptor left), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves `surface` on `listener` until `stop` ends; then no connection is accepted, requests in work may end within
/// [`Limits::drain`], and what is left is cut. The listener is closed when this returns.
pub async fn serve(
    listener: Listener,
    surface: Arc<dyn Surface>,
    limits: Limits,
    stop: Pin<Box<dyn Future<Output = ()> + Send>>,
) {
    let (stopping, stopped) = watch::channel(false);
    let driver = Arc::new(Driver { surface, http: builder(&limits), limits: limits.clone() });
    let mut connections = JoinSet::new();
    accept_until(&listener, &driver, &mut connections, stopped, stop).await;
    drop(listener);
    // Nobody listens when no connection is open.
    let _ = stopping.send(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.drain, drained).await.is_err() {
        tracing::debug!(left = connections.len(), "cutting connections that did not end in time");
    }
}

async fn accept_until(
    listener: &Listener,
    driver: &Arc<Driver>,
    connections: &mut JoinSet<()>,
    stopped: watch::Receiver<bool>,
    mut stop: Pin<Box<dyn Future<Output = ()> + Send>>,
) {
    let room = Arc::new(Semaphore::new(driver.limits.connections_max));
    loop {
        let next = async {
            let permit = room.clone().acquire_owned().await;
            (listener.accept().await, permit)
        };
        let (accepted, permit) = tokio::select! {
            biased;
            () = &mut stop => return,
            next = next => next,
        };
        match accepted {
            Ok(stream) => {
                let (driver, stopped) = (driver.clone(), stopped.clone());
                connections.spawn(async move {
                    driver.drive(stream, stopped).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut http = Builder::new(TokioExecutor::new());
    http.http1()
        .max_buf_size(limits.header_bytes_max)
        .max_headers(limits.headers_max)
        .half_close(false)
        // Names are the same in any case, and scripts that look for Kubo's spelling find it.
        .title_case_headers(true)
        .keep_alive(true)
        .header_read_timeout(None)
        .timer(TokioTimer::new());
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_max)
        .max_header_list_size(u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX))
        .keep_alive_interval(limits.write_stall)
        .keep_alive_timeout(limits.write_stall);
    http
}

struct Driver {
    surface: Arc<dyn Surface>,
    http: Builder<TokioExecutor>,
    limits: Limits,
}

impl Driver {
    async fn drive(&self, stream: Stream, mut stopped: watch::Receiver<bool>) {
        let busy = Busy::default();
        let io = TokioIo::new(Guarded::new(stream, busy.clone(), &self.limits));
        let body_idle = self.limits.body_idle;
        let service = service_fn(|request: http::Request<Incoming>| {
            let guard = busy.enter();
            let contradictory = busy.take_contradiction();
            let answer =
                (!contradictory).then(|| answer(&*self.surface, request.map(|body| Body::incoming(body, body_idle))));
            async move {
                let response = match answer {
                    Some(answer) => answer.await,
                    None => refuse_contradiction(),
                };
                Ok::<_, Infallible>(response.map(|body| Held::new(body, guard)))
            }
        });
        let connection = self.http.serve_connection(io, service);
        tokio::pin!(connection);
        let result = tokio::select! {
            result = connection.as_mut() => result,
            () = raised(&mut stopped) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = result {
            tracing::debug!(error = %chain(&*error), "connection ended early");
        }
    }
}

fn refuse_contradiction() -> crate::Response {
    let why = "the request has both Content-Length and Transfer-Encoding\n";
    let mut response = reply::text(StatusCode::BAD_REQUEST, why);
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

async fn raised(flag: &mut watch::Receiver<bool>) {
    // A closed channel means that `serve` is gone, which is a stop too.
    let _ = flag.wait_for(|raised| *raised).await;
}

/// Calls the surface and turns a panic into an answer.
fn answer(surface: &dyn Surface, request: crate::Request) -> impl Future<Output = crate::Response> + Send + use<> {
    let called = std::panic::catch_unwind(AssertUnwindSafe(|| surface.call(request)));
    async move {
        let result = match called {
            Ok(future) => AssertUnwindSafe(future).catch_unwind().await,
            Err(panic) => Err(panic),
        };
        result.unwrap_or_else(|_| {
            tracing::error!("a surface panicked while it answered a request");
            reply::text(StatusCode::INTERNAL_SERVER_ERROR, "internal error: the request could not be answered\n")
        })
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
