//! Finds requests that state both a length and chunks.
//!
//! The parser below us drops `Content-Length` when `Transfer-Encoding` is there and closes the connection afterwards,
//! which is safe but hides the attempt. Two servers that disagree about such a request can be made to see different
//! requests (smuggling), so ours refuses it. This looks at the raw head as it passes.

const LENGTH: &[u8] = b"content-length";
const ENCODING: &[u8] = b"transfer-encoding";
/// Longer than both names: a field name that does not fit is neither.
const NAME_BYTES: usize = 20;

/// The scan of one request head.
#[derive(Default)]
pub(crate) struct HeadScan {
    /// The current line's first bytes in lower case.
    line: [u8; NAME_BYTES],
    line_bytes: usize,
    in_name: bool,
    started: bool,
    ended: bool,
    has_length: bool,
    has_encoding: bool,
}

impl HeadScan {
    /// Takes the next bytes of the connection; what comes after the head is ignored.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        if !self.started {
            self.started = true;
            // Nobody gives these a body; they are most of the traffic.
            self.ended = bytes.starts_with(b"GET ") || bytes.starts_with(b"HEAD ");
        }
        for &byte in bytes {
            if self.ended {
                return;
            }
            self.take_byte(byte);
        }
    }

    fn take_byte(&mut self, byte: u8) {
        match byte {
            b'\n' => {
                self.ended = self.line_bytes == 0;
                self.line_bytes = 0;
                self.in_name = true;
            }
            b'\r' => {}
            b':' if self.in_name => {
                let name = self.line.get(..self.line_bytes).unwrap_or_default();
                self.has_length |= name == LENGTH;
                self.has_encoding |= name == ENCODING;
                self.in_name = false;
            }
            _ => {
                if let Some(slot) = self.line.get_mut(self.line_bytes) {
                    *slot = byte.to_ascii_lowercase();
                }
                self.line_bytes = self.line_bytes.saturating_add(1);
            }
        }
    }

    /// Whether both were seen.
    pub(crate) fn is_contradictory(&self) -> bool {
        self.has_length && self.has_encoding
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contradictory(pieces: &[&str]) -> bool {
        let mut scan = HeadScan::default();
        pieces.iter().for_each(|piece| scan.take(piece.as_bytes()));
        scan.is_contradictory()
    }

    #[test]
    fn both_in_one_head() {
        let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\ncontent-LENGTH: 4\r\n\r\n";
        assert!(contradictory(&[head]));
        for at in 1..head.len() - 6 {
            assert!(contradictory(&[&head[..at], &head[at..]]), "split at {at}");
        }
    }

    #[test]
    fn not_both() {
        for head in [
            "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nTransfer-Encoding: chunked\r\n",
            "POST /content-length:transfer-encoding: HTTP/1.1\r\nA: content-length: transfer-encoding:\r\n\r\n",
            "POST / HTTP/1.1\nContent-Length: 4\n\nTransfer-Encoding: chunked\n",
            "POST / HTTP/1.1\r\nContent-Length: 4\r\nX-Transfer-Encoding: a\r\ntransfer-encodings: b\r\n\r\n",
        ] {
            assert!(!contradictory(&[head]), "{head:?}");
        }
    }
}
