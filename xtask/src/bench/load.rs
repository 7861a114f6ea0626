//! Requests to a gateway over connections that stay open, as many at once as there are connections.

use crate::Res;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(60);

/// Asks for every path once over `connections` connections; returns how many bytes came.
pub(crate) fn get_all(to: SocketAddr, paths: &[String], connections: usize) -> Res<u64> {
    let next = AtomicUsize::new(0);
    let bytes = AtomicU64::new(0);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..connections)
            .map(|_| {
                scope.spawn(|| {
                    let mut connection = Connection::open(to)?;
                    while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
                        bytes.fetch_add(connection.get(path)?, Ordering::Relaxed);
                    }
                    Ok(())
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| "a worker has ended early".to_owned())?)
    })
    .map(|()| bytes.load(Ordering::Relaxed))
}

struct Connection {
    writer: TcpStream,
    reader: BufReader<TcpStream>,
    host: String,
    buffer: Vec<u8>,
}

impl Connection {
    fn open(to: SocketAddr) -> Res<Self> {
        let open = || -> std::io::Result<Self> {
            let writer = TcpStream::connect_timeout(&to, TIMEOUT)?;
            writer.set_nodelay(true)?;
            writer.set_read_timeout(Some(TIMEOUT))?;
            let reader = BufReader::with_capacity(64 << 10, writer.try_clone()?);
            Ok(Self { writer, reader, host: to.to_string(), buffer: vec![0; 256 << 10] })
        };
        open().map_err(|e| format!("cannot connect to {to}: {e}"))
    }

    /// One request; the body is read and thrown away. Returns its size.
    fn get(&mut self, path: &str) -> Res<u64> {
        self.exchange(path).map_err(|e| format!("GET {path}: {e}"))
    }

    fn exchange(&mut self, path: &str) -> std::io::Result<u64> {
        self.writer.write_all(format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.host).as_bytes())?;
        let status = self.line()?;
        if !status.contains(" 200 ") {
            return Err(std::io::Error::other(format!("answer {status:?}")));
        }
        let (mut length, mut chunked) = (0_u64, false);
        loop {
            let header = self.line()?.to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().map_err(std::io::Error::other)?;
            }
            chunked |= header.starts_with("transfer-encoding:") && header.contains("chunked");
        }
        if !chunked {
            return self.skip(length).map(|()| length);
        }
        let mut total = 0;
        loop {
            let size = u64::from_str_radix(self.line()?.trim(), 16).map_err(std::io::Error::other)?;
            self.skip(size)?;
            self.line()?;
            total += size;
            if size == 0 {
                return Ok(total);
            }
        }
    }

    fn line(&mut self) -> std::io::Result<String> {
        let mut text = String::new();
        if self.reader.read_line(&mut text)? == 0 {
            return Err(std::io::Error::other("the connection was closed"));
        }
        Ok(text.trim_end().to_owned())
    }

    fn skip(&mut self, mut bytes: u64) -> std::io::Result<()> {
        while bytes > 0 {
            let part = usize::try_from(bytes).unwrap_or(usize::MAX).min(self.buffer.len());
            self.reader.read_exact(&mut self.buffer[..part])?;
            bytes -= part as u64;
        }
        Ok(())
    }
}
