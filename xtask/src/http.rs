//! A small HTTP/1.1 client for the daemons' two ports: one request, one connection, the whole answer with its trailers.

use crate::Res;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(120);
const BOUNDARY: &str = "merkury-xtask-boundary-2f7d";

/// A request that has not been sent.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case, trailers at the end.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn get(path: &str) -> Self {
        Self::of("GET", path)
    }

    pub(crate) fn head(path: &str) -> Self {
        Self::of("HEAD", path)
    }

    pub(crate) fn post(path: &str) -> Self {
        Self::of("POST", path)
    }

    fn of(method: &'static str, path: &str) -> Self {
        Self { method, path: path.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// One file as a multipart body, as every client of the RPC sends it.
    pub(crate) fn file(mut self, name: &str, content: &[u8]) -> Self {
        let mut body = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(content);
        body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        self.body = body;
        self.header("Content-Type", &format!("multipart/form-data; boundary={BOUNDARY}"))
    }

    /// Parts of a multipart body: each its header lines and its content.
    pub(crate) fn parts(mut self, parts: impl Iterator<Item = (String, Vec<u8>)>) -> Self {
        let mut body = Vec::new();
        for (head, content) in parts {
            body.extend_from_slice(format!("--{BOUNDARY}\r\n{head}\r\n").as_bytes());
            body.extend_from_slice(&content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        self.body = body;
        self.header("Content-Type", &format!("multipart/form-data; boundary={BOUNDARY}"))
    }

    pub(crate) fn send(&self, to: SocketAddr) -> Res<Answer> {
        let shown = format!("{} http://{to}{}", self.method, shorten(&self.path));
        self.exchange(to).map_err(|e| format!("{shown}: {e}"))
    }

    fn exchange(&self, to: SocketAddr) -> std::io::Result<Answer> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head.push_str(&format!("Host: {to}\r\n"));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\nConnection: close\r\n\r\n", self.body.len()));
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        exchange(to, &bytes, self.method == "HEAD", TIMEOUT)
    }
}

/// Sends bytes as they are and reads one answer.
pub(crate) fn exchange(to: SocketAddr, request: &[u8], is_head: bool, timeout: Duration) -> std::io::Result<Answer> {
    let stream = TcpStream::connect_timeout(&to, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    let mut writer = stream.try_clone()?;
    // A server may refuse a request before it was sent whole; what it answered then still counts.
    let sent = writer.write_all(request);
    match read_answer(BufReader::new(stream), is_head) {
        Ok(answer) => Ok(answer),
        Err(error) => Err(sent.err().unwrap_or(error)),
    }
}

fn read_answer(mut from: impl BufRead, is_head: bool) -> std::io::Result<Answer> {
    let status_line = line(&mut from)?;
    let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other(format!("no status line: {status_line:?}")))?;
    let mut answer = Answer { status, headers: headers(&mut from)?, body: Vec::new() };
    if status == 100 {
        return read_answer(from, is_head);
    }
    if is_head || status == 204 || status == 304 {
        return Ok(answer);
    }
    if answer.header("transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
        loop {
            let size_line = line(&mut from)?;
            let size_text = size_line.split(';').next().unwrap_or("").trim();
            let size = usize::from_str_radix(size_text, 16).map_err(std::io::Error::other)?;
            if size == 0 {
                break;
            }
            let had = answer.body.len();
            answer.body.resize(had + size, 0);
            from.read_exact(&mut answer.body[had..])?;
            line(&mut from)?;
        }
        answer.headers.extend(headers(&mut from)?);
    } else if let Some(size) = answer.header("content-length").and_then(|length| length.parse::<usize>().ok()) {
        answer.body.resize(size, 0);
        from.read_exact(&mut answer.body)?;
    } else {
        from.read_to_end(&mut answer.body)?;
    }
    Ok(answer)
}

fn line(from: &mut impl BufRead) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    if from.read_until(b'\n', &mut bytes)? == 0 {
        return Err(std::io::Error::other("the connection ended before the answer did"));
    }
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

fn headers(from: &mut impl BufRead) -> std::io::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    loop {
        let text = line(from)?;
        if text.is_empty() {
            return Ok(found);
        }
        if let Some((name, value)) = text.split_once(':') {
            found.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    /// The answer itself, when it is a success that was not broken off.
    pub(crate) fn good(self) -> Res<Self> {
        if let Some(reason) = self.header("x-stream-error") {
            return Err(format!("broken off: {reason}"));
        }
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        let text = String::from_utf8_lossy(&self.body);
        Err(format!("status {}: {}", self.status, shorten(text.trim())))
    }

    /// The body of a success as one JSON value.
    pub(crate) fn json(self) -> Res<Value> {
        let good = self.good()?;
        serde_json::from_slice(&good.body)
            .map_err(|e| format!("{e} in {:?}", shorten(&String::from_utf8_lossy(&good.body))))
    }
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= 200 { text.to_owned() } else { text.chars().take(200).chain("…".chars()).collect() }
}

#[cfg(test)]
mod tests {
    use super::read_answer;

    #[test]
    fn a_chunked_answer_with_a_trailer_is_read() {
        let wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-Stream-Error: late\r\n\r\n";
        let answer = read_answer(&wire[..], false).unwrap();
        assert_eq!(answer.body, b"abcde");
        assert!(answer.good().is_err());
    }

    #[test]
    fn an_answer_that_breaks_off_is_an_error() {
        assert!(read_answer(&b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"[..], false).is_err());
    }
}
