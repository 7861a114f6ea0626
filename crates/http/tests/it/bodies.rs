//! Bodies in both directions.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use merkury_http::{Body, CollectError, Limits, Request, Response, reply};

use crate::support::Server;

async fn echo(request: Request) -> Response {
    match request.into_body().collect(8).await {
        Ok(bytes) => reply::text(StatusCode::OK, bytes),
        Err(CollectError::TooLarge { limit }) => reply::text(StatusCode::PAYLOAD_TOO_LARGE, format!("over {limit}")),
        Err(error) => reply::text(StatusCode::BAD_REQUEST, error.to_string()),
    }
}

#[tokio::test]
async fn request_bodies_are_bounded() {
    let server = Server::start(Limits::default(), echo).await;
    let head = "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n4\r\nefgh\r\n0\r\n\r\n");
    assert!(server.exchange(chunked).await.ends_with("abcdefgh"));
    let long = format!("{head}Content-Length: 9\r\n\r\nabcdefghi");
    assert!(server.exchange(long).await.ends_with("over 8"));
    let bad = format!("{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n");
    assert!(server.exchange(bad).await.starts_with("HTTP/1.1 400 "));
}

fn pieces(error: bool) -> impl futures::Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static {
    let end = error.then(|| Err(std::io::Error::other("lost")));
    futures::stream::iter([Ok(Bytes::from_static(b"one")), Ok(Bytes::from_static(b"two"))].into_iter().chain(end))
}

#[tokio::test]
async fn streams_and_trailers() {
    let server = Server::start(Limits::default(), |request: Request| async move {
        let broken = request.uri().path() == "/broken";
        let body = Body::stream_with_trailers(pieces(broken), |error: Option<std::io::Error>| {
            let mut trailers = HeaderMap::new();
            trailers.insert("x-stream-error", HeaderValue::from_str(&error?.to_string()).ok()?);
            Some(trailers)
        });
        let mut response = Response::new(body);
        response.headers_mut().insert("trailer", HeaderValue::from_static("X-Stream-Error"));
        response
    })
    .await;
    let head = "HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nConnection: close\r\n\r\n";
    let fine = server.exchange(format!("GET / {head}")).await;
    assert!(fine.ends_with("3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"), "{fine}");
    let broken = server.exchange(format!("GET /broken {head}")).await;
    assert!(broken.ends_with("0\r\nX-Stream-Error: lost\r\n\r\n"), "{broken}");
}

#[tokio::test]
async fn an_error_cuts_the_answer() {
    let server = Server::start(Limits::default(), |_| async { Response::new(Body::stream(pieces(true))) }).await;
    let answer = server.exchange("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(answer.contains("two") && !answer.ends_with("0\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn sized_streams_have_a_length_and_head_has_no_body() {
    let server =
        Server::start(Limits::default(), |_| async { Response::new(Body::sized_stream(6, pieces(false))) }).await;
    let head = "HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let get = server.exchange(format!("GET / {head}")).await;
    assert!(get.contains("Content-Length: 6\r\n") && get.ends_with("\r\n\r\nonetwo"), "{get}");
    let head = server.exchange(format!("HEAD / {head}")).await;
    assert!(head.contains("Content-Length: 6\r\n") && head.ends_with("\r\n\r\n"), "{head}");
}
