//! A block of a table: keys that share beginnings with the key before, values, and where runs restart.

use super::take_varint;

/// The entries of an unpacked block, in order. Ends at the first malformed one, which [`Entries::failed`] tells.
pub(super) struct Entries {
    bytes: Vec<u8>,
    at: usize,
    end: usize,
    key: Vec<u8>,
    pub(super) failed: bool,
}

impl Entries {
    /// `None` when the list of restarts at the end does not fit.
    pub(super) fn new(bytes: Vec<u8>) -> Option<Self> {
        let (_, count) = bytes.split_last_chunk::<4>()?;
        let restarts = u32::from_le_bytes(*count) as usize;
        let end = bytes.len().checked_sub(4)?.checked_sub(restarts.checked_mul(4)?)?;
        Some(Self { bytes, at: 0, end, key: Vec::new(), failed: false })
    }

    /// The next key and value.
    pub(super) fn next(&mut self) -> Option<(&[u8], &[u8])> {
        if self.at >= self.end || self.failed {
            return None;
        }
        match self.step() {
            Some((start, end)) => Some((&self.key, self.bytes.get(start..end)?)),
            None => {
                self.failed = true;
                None
            }
        }
    }

    fn step(&mut self) -> Option<(usize, usize)> {
        let entries = self.bytes.get(..self.end)?;
        let mut rest = entries.get(self.at..)?;
        let shared = usize::try_from(take_varint(&mut rest)?).ok()?;
        let unshared = usize::try_from(take_varint(&mut rest)?).ok()?;
        let value = usize::try_from(take_varint(&mut rest)?).ok()?;
        let (suffix, after) = rest.split_at_checked(unshared)?;
        if shared > self.key.len() || value > after.len() {
            return None;
        }
        self.key.truncate(shared);
        self.key.extend_from_slice(suffix);
        let start = entries.len() - after.len();
        self.at = start + value;
        Some((start, self.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_are_shared_and_lies_end_the_reading() {
        let mut bytes = vec![0, 3, 1, b'a', b'b', b'c', b'1', 2, 1, 1, b'x', b'2'];
        bytes.extend_from_slice(&[0, 0, 0, 0, 1, 0, 0, 0]);
        let mut entries = Entries::new(bytes.clone()).unwrap();
        assert_eq!(entries.next(), Some((&b"abc"[..], &b"1"[..])));
        assert_eq!(entries.next(), Some((&b"abx"[..], &b"2"[..])));
        assert_eq!(entries.next(), None);
        assert!(!entries.failed);
        for (at, value) in [(0, 9), (1, 0x7f), (2, 0x7f), (7, 4), (8, 0x7f), (9, 0x7f)] {
            let mut bytes = bytes.clone();
            bytes[at] = value;
            let mut entries = Entries::new(bytes).unwrap();
            while entries.next().is_some() {}
            assert!(entries.failed, "{at}");
        }
        assert!(Entries::new(vec![0, 0, 0, 9]).is_none());
        assert!(Entries::new(vec![]).is_none());
    }
}
