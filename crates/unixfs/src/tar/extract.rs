//! A tar archive as a sequence of items: what `get` received over RPC.
//!
//! Accepted: ustar with PAX headers (path, linkpath, size, mtime) and GNU long names, one root, files, directories and
//! symbolic links. Everything else is refused: nothing of it comes from an export.

use std::io::{BufRead, Read};

use bytes::Bytes;
use merkury_core::codec::unixfs::check_file_name;

use super::header::{RECORD_BYTES, checksum, field};
use super::{DEPTH_MAX, DiskWriter, Entry, EntryKind, Item, TarError};
use crate::meta::{Metadata, Mtime};

/// Largest PAX header or long name: paths are shorter.
const EXTENDED_BYTES_MAX: u64 = 1 << 20;

/// Content is handed on in parts of at most this size: of a file that is gone on with, a part is kept or written as a whole.
const PART_BYTES_MAX: usize = 256 << 10;

type Record = [u8; RECORD_BYTES];

/// Writes an archive to a disk. The name of its root counts only where `target` is an existing directory and the root
/// is none, as in Kubo. What was written before an error stays.
pub fn extract(archive: &mut dyn BufRead, target: &mut DiskWriter) -> Result<(), TarError> {
    let extracted = extract_entries(archive, target);
    if extracted.is_err() {
        target.break_off();
    }
    extracted
}

fn extract_entries(archive: &mut dyn BufRead, target: &mut DiskWriter) -> Result<(), TarError> {
    let mut reader = Reader { archive, root: None, root_is_directory: false };
    while let Some((entry, root_name)) = reader.next_entry()? {
        let bytes = if let EntryKind::File { bytes } = entry.kind { bytes } else { 0 };
        target.set_root_name(root_name);
        target.take(Item::Entry(entry))?;
        reader.copy_content(bytes, target)?;
        reader.skip_padding(bytes)?;
    }
    target.finish()
}

struct Reader<'a> {
    archive: &'a mut dyn BufRead,
    root: Option<Bytes>,
    root_is_directory: bool,
}

/// What headers before an entry say about it.
#[derive(Default)]
struct Extended {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    bytes: Option<u64>,
    mtime: Option<Mtime>,
}

impl Reader<'_> {
    fn next_entry(&mut self) -> Result<Option<(Entry, Bytes)>, TarError> {
        let mut extended = Extended::default();
        loop {
            let Some(record) = self.read_record()? else { return Ok(None) };
            let bytes = octal(text(&record, field::SIZE))?;
            match record[field::TYPE] {
                b'x' => self.read_pax(bytes, &mut extended)?,
                // Global headers hold nothing an entry needs.
                b'g' => drop(self.read_extended(bytes)?),
                b'L' => extended.path = Some(until_nul(self.read_extended(bytes)?)),
                b'K' => extended.link = Some(until_nul(self.read_extended(bytes)?)),
                kind => return self.entry(&record, kind, bytes, extended).map(Some),
            }
        }
    }

    fn entry(&mut self, record: &Record, kind: u8, bytes: u64, extended: Extended) -> Result<(Entry, Bytes), TarError> {
        let path = extended.path.unwrap_or_else(|| plain_name(record));
        let (root, path) = self.split(&path, kind == b'5')?;
        let kind = match kind {
            b'0' | 0 => EntryKind::File { bytes: extended.bytes.unwrap_or(bytes) },
            b'5' => EntryKind::Directory,
            b'2' => {
                let target = extended.link.unwrap_or_else(|| text(record, field::LINK).to_vec());
                EntryKind::Symlink { target: target.into() }
            }
            _ => return Err(TarError::Format("only files, directories and symbolic links are taken")),
        };
        let seconds = i64::try_from(octal(text(record, field::MTIME))?).unwrap_or(0);
        let meta = Metadata {
            mode: Some(octal(text(record, field::MODE))? as u32 & 0o7777),
            mtime: extended.mtime.or(Some(Mtime { seconds, nanos: 0 })),
        };
        Ok((Entry { path, kind, meta }, root))
    }

    /// Checks a path and splits off the root, which is the same for all entries.
    fn split(&mut self, path: &[u8], is_directory: bool) -> Result<(Bytes, Vec<Bytes>), TarError> {
        let fail = || TarError::Path(String::from_utf8_lossy(&path[..path.len().min(200)]).into_owned());
        let trimmed = if is_directory { path.strip_suffix(b"/").unwrap_or(path) } else { path };
        let mut names = Vec::new();
        for name in trimmed.split(|&byte| byte == b'/') {
            check_file_name(name).map_err(|_| fail())?;
            names.push(Bytes::copy_from_slice(name));
        }
        if names.len() > DEPTH_MAX {
            return Err(TarError::TooDeep);
        }
        let root = names.remove(0);
        match &self.root {
            None if names.is_empty() => {
                self.root = Some(root.clone());
                self.root_is_directory = is_directory;
            }
            None => return Err(TarError::Format("the first entry is not the root")),
            Some(known) if *known == root && self.root_is_directory && !names.is_empty() => {}
            Some(_) => return Err(TarError::Format("more than one root")),
        }
        Ok((root, names))
    }

    /// The next header; `None` at the end of the archive.
    fn read_record(&mut self) -> Result<Option<Record>, TarError> {
        let mut record = [0; RECORD_BYTES];
        self.archive.read_exact(&mut record).map_err(TarError::Archive)?;
        if record.iter().all(|&byte| byte == 0) {
            return match self.root {
                Some(_) => Ok(None),
                None => Err(TarError::Format("empty archive")),
            };
        }
        if octal(text(&record, field::CHECKSUM))? != checksum(&record) {
            return Err(TarError::Format("checksum of a header does not match"));
        }
        Ok(Some(record))
    }

    fn read_extended(&mut self, bytes: u64) -> Result<Vec<u8>, TarError> {
        if bytes > EXTENDED_BYTES_MAX {
            return Err(TarError::Format("a long name is too long"));
        }
        let mut value = Vec::new();
        self.archive.take(bytes).read_to_end(&mut value).map_err(TarError::Archive)?;
        if value.len() as u64 != bytes {
            return Err(TarError::Archive(std::io::ErrorKind::UnexpectedEof.into()));
        }
        self.skip_padding(bytes)?;
        Ok(value)
    }

    fn read_pax(&mut self, bytes: u64, extended: &mut Extended) -> Result<(), TarError> {
        let value = self.read_extended(bytes)?;
        let mut rest = &value[..];
        while !rest.is_empty() {
            let (line, after) = pax_line(rest).ok_or(TarError::Format("malformed pax header"))?;
            rest = after;
            let at = line.iter().position(|&byte| byte == b'=').ok_or(TarError::Format("malformed pax header"))?;
            let (key, value) = (&line[..at], &line[at + 1..]);
            match key {
                b"path" => extended.path = Some(value.to_vec()),
                b"linkpath" => extended.link = Some(value.to_vec()),
                b"size" => extended.bytes = Some(decimal(value).ok_or(TarError::Format("malformed pax size"))?),
                b"mtime" => extended.mtime = pax_time(value),
                _ => {}
            }
        }
        Ok(())
    }

    /// Hands content on as it comes, without a copy.
    fn copy_content(&mut self, mut left: u64, target: &mut DiskWriter) -> Result<(), TarError> {
        while left > 0 {
            let part = self.archive.fill_buf().map_err(TarError::Archive)?;
            let count = part.len().min(usize::try_from(left).unwrap_or(usize::MAX)).min(PART_BYTES_MAX);
            match part.get(..count).filter(|part| !part.is_empty()) {
                Some(part) => target.take_data(part)?,
                None => return Err(TarError::Archive(std::io::ErrorKind::UnexpectedEof.into())),
            }
            self.archive.consume(count);
            left -= count as u64;
        }
        Ok(())
    }

    fn skip_padding(&mut self, bytes: u64) -> Result<(), TarError> {
        let used = (bytes % RECORD_BYTES as u64) as usize;
        let mut padding = [0; RECORD_BYTES];
        let length = if used == 0 { 0 } else { RECORD_BYTES - used };
        self.archive.read_exact(&mut padding[..length]).map_err(TarError::Archive)
    }
}

fn until_nul(mut value: Vec<u8>) -> Vec<u8> {
    if let Some(end) = value.iter().position(|&byte| byte == 0) {
        value.truncate(end);
    }
    value
}

/// A field up to its first NUL.
fn text(record: &Record, (at, length): (usize, usize)) -> &[u8] {
    let field = &record[at..at + length];
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

fn plain_name(record: &Record) -> Vec<u8> {
    let mut name = Vec::new();
    // GNU archives have other things where ustar has the prefix.
    if record[field::MAGIC.0..].starts_with(b"ustar\0") && !text(record, field::PREFIX).is_empty() {
        name.extend_from_slice(text(record, field::PREFIX));
        name.push(b'/');
    }
    name.extend_from_slice(text(record, field::NAME));
    name
}

fn octal(digits: &[u8]) -> Result<u64, TarError> {
    let digits = digits.trim_ascii();
    digits.iter().try_fold(0_u64, |value, &digit| match digit {
        b'0'..=b'7' if value < 1 << 60 => Ok(value << 3 | u64::from(digit - b'0')),
        _ => Err(TarError::Format("malformed number in a header")),
    })
}

fn decimal(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Seconds, perhaps with a fraction.
fn pax_time(value: &[u8]) -> Option<Mtime> {
    let text = std::str::from_utf8(value).ok()?;
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = seconds.parse().ok()?;
    let digits: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    let nanos: u32 = digits.parse().ok()?;
    // Before 1970 a fraction counts away from zero.
    Some(match (text.starts_with('-'), nanos) {
        (true, 1..) => Mtime { seconds: seconds.checked_sub(1)?, nanos: 1_000_000_000 - nanos },
        _ => Mtime { seconds, nanos },
    })
}

/// The first line of a PAX header without its length and its end, and what follows.
fn pax_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = bytes.iter().position(|&byte| byte == b' ')?;
    let length = usize::try_from(decimal(&bytes[..space])?).ok()?;
    let (line, after) = bytes.split_at_checked(length)?;
    let line = line.strip_suffix(b"\n")?;
    Some((line.get(space + 1..)?, after))
}
