//! The 512-byte header of a tar entry: ustar, with a PAX header before it for what does not fit.

use bytes::Bytes;

use super::{Entry, EntryKind, TarError};

/// Everything in a tar archive is a multiple of this.
pub(super) const RECORD_BYTES: usize = 512;
/// Longest name in the header itself.
const NAME_BYTES: usize = 100;
/// Largest size that eleven octal digits hold.
const SIZE_MAX: u64 = 0o77_777_777_777;

/// Where fields lie: offset and length.
pub(super) mod field {
    pub(in super::super) const NAME: (usize, usize) = (0, 100);
    pub(in super::super) const MODE: (usize, usize) = (100, 8);
    pub(in super::super) const SIZE: (usize, usize) = (124, 12);
    pub(in super::super) const MTIME: (usize, usize) = (136, 12);
    pub(in super::super) const CHECKSUM: (usize, usize) = (148, 8);
    pub(in super::super) const TYPE: usize = 156;
    pub(in super::super) const LINK: (usize, usize) = (157, 100);
    pub(in super::super) const MAGIC: (usize, usize) = (257, 8);
    pub(in super::super) const PREFIX: (usize, usize) = (345, 155);
}

/// What a header says beside name and link.
struct Plain {
    kind: u8,
    mode: u32,
    bytes: u64,
    mtime: i64,
}

/// The header, or headers, of an entry named `name`. `now` stands for a missing time, in seconds since 1970.
pub(super) fn encode(name: &[u8], entry: &Entry, now: i64) -> Result<Bytes, TarError> {
    let (kind, mode, bytes, link) = match &entry.kind {
        EntryKind::File { bytes } => (b'0', 0o644, *bytes, &b""[..]),
        EntryKind::Directory => (b'5', 0o755, 0, &b""[..]),
        EntryKind::Symlink { target } => (b'2', 0o777, 0, &target[..]),
    };
    let mode = entry.meta.mode.unwrap_or(mode) & 0o7777;
    let mtime = entry.meta.mtime.map_or(now, |mtime| mtime.seconds);
    if name.contains(&0) || link.contains(&0) {
        return Err(TarError::Path(String::from_utf8_lossy(name).into_owned()));
    }
    let mut pax = Vec::new();
    if name.len() > NAME_BYTES || !name.is_ascii() {
        put_pax(b"path", name, &mut pax);
    }
    if link.len() > NAME_BYTES || !link.is_ascii() {
        put_pax(b"linkpath", link, &mut pax);
    }
    if bytes > SIZE_MAX {
        put_pax(b"size", bytes.to_string().as_bytes(), &mut pax);
    }
    let nanos = entry.meta.mtime.map_or(0, |mtime| mtime.nanos).min(999_999_999);
    if nanos > 0 || !(0..=SIZE_MAX as i64).contains(&mtime) {
        put_pax(b"mtime", pax_time(mtime, nanos).as_bytes(), &mut pax);
    }
    let mut out = Vec::with_capacity(RECORD_BYTES * 3);
    if !pax.is_empty() {
        let extended = Plain { kind: b'x', mode: 0, bytes: pax.len() as u64, mtime: 0 };
        out.extend_from_slice(&record(b"PaxHeaders.0", b"", &extended));
        out.extend_from_slice(&pax);
        out.resize(out.len().next_multiple_of(RECORD_BYTES), 0);
    }
    out.extend_from_slice(&record(name, link, &Plain { kind, mode, bytes, mtime }));
    Ok(out.into())
}

fn record(name: &[u8], link: &[u8], plain: &Plain) -> [u8; RECORD_BYTES] {
    let mut out = [0; RECORD_BYTES];
    put(&mut out, field::NAME, name);
    put_octal(&mut out, field::MODE, u64::from(plain.mode));
    put_octal(&mut out, (108, 8), 0);
    put_octal(&mut out, (116, 8), 0);
    put_octal(&mut out, field::SIZE, plain.bytes.min(SIZE_MAX));
    put_octal(&mut out, field::MTIME, u64::try_from(plain.mtime).unwrap_or(0).min(SIZE_MAX));
    out[field::TYPE] = plain.kind;
    put(&mut out, field::LINK, link);
    put(&mut out, field::MAGIC, b"ustar\x0000");
    put_octal(&mut out, (329, 8), 0);
    put_octal(&mut out, (337, 8), 0);
    let sum = checksum(&out);
    let digits = format!("{sum:06o}\0 ");
    put(&mut out, field::CHECKSUM, digits.as_bytes());
    out
}

/// Copies what fits.
fn put(out: &mut [u8; RECORD_BYTES], (at, length): (usize, usize), value: &[u8]) {
    let length = length.min(value.len());
    out[at..at + length].copy_from_slice(&value[..length]);
}

fn put_octal(out: &mut [u8; RECORD_BYTES], (at, length): (usize, usize), value: u64) {
    let digits = format!("{value:0width$o}", width = length - 1);
    put(out, (at, length - 1), digits.as_bytes());
}

/// Sum of the bytes, those of the checksum counted as spaces.
pub(super) fn checksum(record: &[u8; RECORD_BYTES]) -> u64 {
    let (at, length) = field::CHECKSUM;
    let spaces = length as u64 * u64::from(b' ');
    let others = record.iter().enumerate().filter(|(index, _)| !(at..at + length).contains(index));
    others.map(|(_, &byte)| u64::from(byte)).sum::<u64>() + spaces
}

/// Seconds with a fraction, if there is one; before 1970 the fraction counts away from zero.
fn pax_time(seconds: i64, nanos: u32) -> String {
    match (seconds, nanos) {
        (_, 0) => seconds.to_string(),
        (0.., _) => format!("{seconds}.{nanos:09}"),
        (before, _) => format!("-{}.{:09}", (before + 1).unsigned_abs(), 1_000_000_000 - nanos),
    }
}

/// One line of a PAX header: its own length in decimal, key, value.
fn put_pax(key: &[u8], value: &[u8], out: &mut Vec<u8>) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    out.extend_from_slice(length.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}
