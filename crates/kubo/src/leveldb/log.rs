//! Journals and manifests: records cut into fragments that never cross a border of 32 KiB.
//!
//! Fragment: masked CRC-32C of type and data (4 bytes), length (2), type (1: whole, 2: first, 3: middle, 4: last), data.

use super::unmask;

const BORDER: usize = 32 * 1024;
const HEAD_BYTES: usize = 7;

/// What reading a log gave.
pub(super) struct Records {
    pub(super) records: Vec<Vec<u8>>,
    /// Where reading stopped before the end, and why. The writer may have been killed there, so this alone is no damage.
    pub(super) torn: Option<(u64, &'static str)>,
}

/// All records up to the first that is not whole.
pub(super) fn read(bytes: &[u8]) -> Records {
    let mut records = Vec::new();
    let mut partial: Option<Vec<u8>> = None;
    let mut at = 0usize;
    let torn = loop {
        let left = BORDER - at % BORDER;
        if left < HEAD_BYTES {
            at += left;
            continue;
        }
        if at >= bytes.len() {
            break partial.map(|_| "a record has no end");
        }
        let Some(head) = bytes.get(at..at + HEAD_BYTES) else { break Some("a fragment has no head") };
        let [c0, c1, c2, c3, l0, l1, kind] = head else { break Some("a fragment has no head") };
        let length = usize::from(u16::from_le_bytes([*l0, *l1]));
        if *kind == 0 && length == 0 {
            // Space that was set aside and not written.
            break partial.map(|_| "a record has no end");
        }
        let Some(data) = bytes.get(at + HEAD_BYTES..at + HEAD_BYTES + length).filter(|_| HEAD_BYTES + length <= left)
        else {
            break Some("a fragment ends early");
        };
        let sum = crc32c::crc32c_append(crc32c::crc32c(&[*kind]), data);
        if sum != unmask(u32::from_le_bytes([*c0, *c1, *c2, *c3])) {
            break Some("a fragment does not match its checksum");
        }
        match (kind, partial.take()) {
            (1, None) => records.push(data.to_vec()),
            (2, None) => partial = Some(data.to_vec()),
            (3, Some(mut whole)) => {
                whole.extend_from_slice(data);
                partial = Some(whole);
            }
            (4, Some(mut whole)) => {
                whole.extend_from_slice(data);
                records.push(whole);
            }
            _ => break Some("fragments are out of order"),
        }
        at += HEAD_BYTES + length;
    };
    Records { records, torn: torn.map(|why| (at as u64, why)) }
}

#[cfg(test)]
pub(super) fn write(records: &[Vec<u8>]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    for record in records {
        let mut rest = &record[..];
        let mut first = true;
        loop {
            let left = BORDER - out.len() % BORDER;
            if left < HEAD_BYTES {
                out.resize(out.len() + left, 0);
                continue;
            }
            let (data, after) = rest.split_at(rest.len().min(left - HEAD_BYTES));
            let kind = match (first, after.is_empty()) {
                (true, true) => 1u8,
                (true, false) => 2,
                (false, false) => 3,
                (false, true) => 4,
            };
            let sum = crc32c::crc32c_append(crc32c::crc32c(&[kind]), data);
            out.extend_from_slice(&sum.rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes());
            out.extend_from_slice(&(data.len() as u16).to_le_bytes());
            out.push(kind);
            out.extend_from_slice(data);
            (rest, first) = (after, false);
            if rest.is_empty() {
                break;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<Vec<u8>> {
        [0usize, 1, 100, 32_754, 32_761, 32_762, 100_000, 7, 65_536, 3].map(|len| vec![len as u8; len]).to_vec()
    }

    #[test]
    fn records_of_all_sizes_come_back() {
        let read = read(&write(&sample()));
        assert_eq!(read.records, sample());
        assert_eq!(read.torn, None);
    }

    #[test]
    fn every_cut_and_every_flip_ends_the_reading_and_nothing_worse() {
        let bytes = write(&[vec![1; 50], vec![2; 33_000], vec![3; 20]]);
        for cut in (0..bytes.len()).step_by(97) {
            let got = read(&bytes[..cut]).records;
            assert!(got.len() <= 3 && got.iter().zip([50, 33_000, 20]).all(|(record, len)| record.len() == len));
        }
        for at in 0..bytes.len() {
            if at > 200 && at < bytes.len() - 200 && at % 61 != 0 {
                continue;
            }
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x40;
            let read = read(&bytes);
            assert!(read.records.len() < 3, "{at}");
            assert!(read.records.iter().all(|record| record.iter().all(|byte| *byte == record[0])));
        }
    }
}
