//! A client that sends what it is told, byte for byte, and reads one answer.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest wait for something that must happen.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// An answer, its body without chunks.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The body ended as its head said.
    pub(crate) is_whole: bool,
}

impl Answer {
    /// The values of a header, `, ` between them; `None` when absent.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let values: Vec<&str> = self
            .fields
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

pub(crate) async fn get(host: &str, path: &str) -> Answer {
    ask(host, "GET", path, &[]).await
}

pub(crate) async fn ask(host: &str, method: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    fields.iter().for_each(|(name, value)| request.push_str(&format!("{name}: {value}\r\n")));
    request.push_str("\r\n");
    parse(&exchange(host, request.as_bytes()).await, method == "HEAD")
}

/// Sends bytes and reads until the server closes.
pub(crate) async fn exchange(host: &str, request: &[u8]) -> Vec<u8> {
    let talk = async {
        let mut stream = TcpStream::connect(host).await.expect("a connection");
        // The server may answer and close before it has read all.
        let _ = stream.write_all(request).await;
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        bytes
    };
    tokio::time::timeout(DEADLINE, talk).await.expect("an answer in time")
}

pub(crate) fn parse(bytes: &[u8], is_head: bool) -> Answer {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let fields: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": ").or_else(|| line.strip_suffix(':').map(|name| (name, ""))))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut answer =
        Answer { status: status.expect("a status"), fields, body: bytes[end + 4..].to_vec(), is_whole: true };
    if answer.field("transfer-encoding").is_some_and(|value| value.contains("chunked")) && !is_head {
        (answer.body, answer.is_whole) = unchunk(&answer.body);
    } else if let Some(length) = answer.field("content-length").and_then(|value| value.parse::<usize>().ok()) {
        answer.is_whole = is_head || matches!(answer.status, 304) || answer.body.len() == length;
    }
    answer
}

fn unchunk(mut bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).expect("text"), 16).expect("a length");
        if length == 0 {
            return (body, true);
        }
        let from = end + 2;
        let to = (from + length).min(bytes.len());
        body.extend_from_slice(&bytes[from..to]);
        bytes = bytes.get(to + 2..).unwrap_or_default();
    }
    (body, false)
}
