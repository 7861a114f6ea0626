//! A disk with a volatile cache: what was written is durable after a flush; when the power fails, of the rest any part is.

use crate::rng::Rng;
use crate::{Res, paths};
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

const PAGE_BYTES: usize = 4096;
const SECTOR_BYTES: usize = 512;

type Page = Arc<[u8; PAGE_BYTES]>;

/// The content of a disk; pages that are not there are zeros.
#[derive(Clone, Debug, Default)]
pub(super) struct Image {
    pages: HashMap<u64, Page>,
}

impl Image {
    /// Reads an image file.
    pub(super) fn load(path: &Path) -> Res<Self> {
        let bytes = paths::read(path)?;
        let mut image = Self::default();
        for (number, page) in bytes.chunks_exact(PAGE_BYTES).enumerate() {
            if page.iter().any(|byte| *byte != 0) {
                let page: [u8; PAGE_BYTES] = page.try_into().map_err(|_| "a page is short")?;
                image.pages.insert(number as u64, Arc::new(page));
            }
        }
        Ok(image)
    }

    /// Writes an image file of `bytes` bytes, with holes.
    pub(super) fn save(&self, path: &Path, bytes: u64) -> Res<()> {
        let fail = |e| format!("cannot write {}: {e}", path.display());
        let file = File::create(path).map_err(fail)?;
        file.set_len(bytes).map_err(fail)?;
        for (number, page) in &self.pages {
            file.write_all_at(&page[..], number * PAGE_BYTES as u64).map_err(fail)?;
        }
        Ok(())
    }

    fn write(&mut self, offset: u64, piece: &[u8]) {
        let (number, at) = (offset / PAGE_BYTES as u64, (offset % PAGE_BYTES as u64) as usize);
        let page = self.pages.entry(number).or_insert_with(|| Arc::new([0; PAGE_BYTES]));
        Arc::make_mut(page)[at..at + piece.len()].copy_from_slice(piece);
    }

    fn read(&self, offset: u64, into: &mut [u8]) {
        for_each_piece(offset, into.len(), |offset, range| {
            let (number, at) = (offset / PAGE_BYTES as u64, (offset % PAGE_BYTES as u64) as usize);
            if let Some(page) = self.pages.get(&number) {
                into[range.clone()].copy_from_slice(&page[at..at + range.len()]);
            }
        });
    }
}

/// Cuts a span at page borders; calls with the offset on the disk and the range in the span.
fn for_each_piece(offset: u64, len: usize, mut each: impl FnMut(u64, std::ops::Range<usize>)) {
    let mut at = 0;
    while at < len {
        let here = offset + at as u64;
        let room = PAGE_BYTES - (here % PAGE_BYTES as u64) as usize;
        let end = len.min(at + room);
        each(here, at..end);
        at = end;
    }
}

/// The disk while it runs.
#[derive(Debug)]
pub(super) struct Disk {
    pub(super) bytes: u64,
    durable: Image,
    current: Image,
    /// What was written since the last flush, in order, no piece over a page border.
    pending: Vec<(u64, Vec<u8>)>,
    /// Flushes do nothing: to see whether the losses of such a disk are found.
    lies: bool,
}

impl Disk {
    pub(super) fn new(image: Image, bytes: u64) -> Self {
        Self { bytes, durable: image.clone(), current: image, pending: Vec::new(), lies: false }
    }

    /// From now on flushes do nothing.
    pub(super) fn begin_to_lie(&mut self) {
        self.lies = true;
    }

    pub(super) fn read(&self, offset: u64, len: usize) -> Vec<u8> {
        let len = len.min(usize::try_from(self.bytes.saturating_sub(offset)).unwrap_or(usize::MAX));
        let mut bytes = vec![0; len];
        self.current.read(offset, &mut bytes);
        bytes
    }

    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        for_each_piece(offset, bytes.len(), |offset, range| {
            let piece = &bytes[range];
            self.current.write(offset, piece);
            self.pending.push((offset, piece.to_vec()));
        });
    }

    pub(super) fn flush(&mut self) {
        if self.lies {
            return;
        }
        for (offset, piece) in self.pending.drain(..) {
            self.durable.write(offset, &piece);
        }
    }

    /// What is on the disk after the power failed now. By seed: nothing of what was not flushed, the beginning of it, or
    /// each piece or not, one in eight of them torn between sectors.
    pub(super) fn crash(&self, rng: &mut Rng) -> Image {
        let mut image = self.durable.clone();
        match rng.below(4) {
            0 => {}
            1 => {
                let count = rng.below(self.pending.len() as u64 + 1) as usize;
                self.pending.iter().take(count).for_each(|(offset, piece)| image.write(*offset, piece));
            }
            _ => {
                for (offset, piece) in &self.pending {
                    if rng.one_in(2) {
                        continue;
                    }
                    let sectors = (piece.len() / SECTOR_BYTES) as u64;
                    let torn = if rng.one_in(8) { rng.below(sectors + 1) as usize * SECTOR_BYTES } else { piece.len() };
                    image.write(*offset, &piece[..torn]);
                }
            }
        }
        image
    }
}

#[cfg(test)]
mod tests {
    use super::{Disk, Image};
    use crate::rng::Rng;

    #[test]
    fn what_was_flushed_is_there_and_the_rest_may_be() {
        let mut disk = Disk::new(Image::default(), 1 << 20);
        disk.write(4000, &[1; 200]);
        disk.flush();
        disk.write(4096, &[2; 8192]);
        assert_eq!(disk.read(4090, 12), [[1; 6], [2; 6]].concat());
        let (mut old, mut new) = (0, 0);
        for seed in 0..40 {
            let after = Disk::new(disk.crash(&mut Rng::new(seed)), 1 << 20);
            assert_eq!(after.read(4000, 96), [1; 96]);
            match after.read(4096, 1)[0] {
                1 => old += 1,
                2 => new += 1,
                other => panic!("{other}"),
            }
        }
        assert!(old > 5 && new > 5, "{old} {new}");
    }
}
