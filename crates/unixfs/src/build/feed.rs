//! Sequential input: the caller's thread reads, others hash.

use std::io::Read;
use std::sync::atomic::Ordering;

use super::AddError;
use super::options::Layout;
use super::pump::Pump;
use super::slab::{Slab, slab_bytes};
use super::worker::Job;
use crate::chunk::Cutter;
use crate::meta::Metadata;

/// Slabs for sequential input.
const SEQUENTIAL_SLABS: usize = 3;

impl Pump<'_, '_, '_> {
    pub(super) fn feed(&mut self, entry: u64, reader: &mut dyn Read) -> Result<(), AddError> {
        let total = match self.context.options.chunker.cutter() {
            Cutter::Size(bytes) => self.feed_fixed(entry, reader, bytes)?,
            cutter => self.feed_cut(entry, reader, cutter)?,
        };
        self.file_mut(entry).total = Some(total);
        Ok(())
    }

    /// Leaves of one size are read to their place.
    fn feed_fixed(&mut self, entry: u64, reader: &mut dyn Read, leaf_bytes: usize) -> Result<u64, AddError> {
        let mut ahead = None;
        for index in 0.. {
            self.make_room(leaf_bytes)?;
            let room = self.filling.as_mut().and_then(|slab| slab.room(leaf_bytes)).expect("room was made");
            let start = ahead.take().map_or(0, |byte| {
                room[0] = byte;
                1
            });
            let read = start + read_full(reader, &mut room[start..]).map_err(|error| self.read_error(entry, error))?;
            if read == 0 && (index > 0 || self.context.options.layout == Layout::Trickle) {
                return Ok(index);
            }
            // Metadata stands in the root, so the first leaf must know whether it is the whole file.
            if index == 0 && read == leaf_bytes && self.context.options.metadata.any() {
                ahead = read_byte(reader).map_err(|error| self.read_error(entry, error))?;
            }
            let is_whole = index == 0 && (read < leaf_bytes || self.context.options.metadata.any() && ahead.is_none());
            self.take_leaf(entry, index, read, is_whole);
            if read < leaf_bytes {
                return Ok(index + 1);
            }
        }
        unreachable!("a file ends before 2^64 leaves")
    }

    /// Leaves whose ends depend on the content are read beside and copied to their place.
    fn feed_cut(&mut self, entry: u64, reader: &mut dyn Read, mut cutter: Cutter) -> Result<u64, AddError> {
        let leaf_bytes = self.context.options.chunker.bytes_max();
        let mut window = vec![0; leaf_bytes * 2];
        let mut held = 0;
        for index in 0.. {
            if held < leaf_bytes {
                held += read_full(reader, &mut window[held..]).map_err(|error| self.read_error(entry, error))?;
            }
            if held == 0 && (index > 0 || self.context.options.layout == Layout::Trickle) {
                return Ok(index);
            }
            let cut = if held == 0 { 0 } else { cutter.next_cut(&window[..held]) };
            self.make_room(cut)?;
            let room = self.filling.as_mut().and_then(|slab| slab.room(cut)).expect("room was made");
            room.copy_from_slice(&window[..cut]);
            window.copy_within(cut..held, 0);
            held -= cut;
            // When all that was there is one leaf, the file may go on: ask before it is named the whole file.
            if held == 0 && index == 0 {
                held = read_full(reader, &mut window).map_err(|error| self.read_error(entry, error))?;
            }
            self.take_leaf(entry, index, cut, index == 0 && held == 0);
            if held == 0 && cut == 0 {
                return Ok(index + 1);
            }
        }
        unreachable!("a file ends before 2^64 leaves")
    }

    fn take_leaf(&mut self, entry: u64, index: u64, length: usize, is_whole: bool) {
        let is_root = is_whole && self.context.options.layout == Layout::Balanced;
        let meta = if is_root { self.file_mut(entry).meta } else { Metadata::default() };
        if let Some(slab) = &mut self.filling {
            slab.take(entry, index, length, meta);
        }
    }

    fn read_error(&mut self, entry: u64, error: std::io::Error) -> AddError {
        let name = self.file_mut(entry).name.clone();
        AddError::Read { name: self.tree.path_of(&name), error }
    }

    /// Makes sure that the slab being filled has room for a leaf; waits for threads when none is free.
    fn make_room(&mut self, leaf_bytes: usize) -> Result<(), AddError> {
        if let Some(mut slab) = self.filling.take() {
            if slab.room(leaf_bytes).is_some() {
                self.filling = Some(slab);
                return Ok(());
            }
            self.submit(Job::Filled(slab))?;
        }
        loop {
            if self.context.cancel.load(Ordering::Relaxed) {
                return Err(AddError::Cancelled);
            }
            self.take_finished()?;
            if let Some(slab) = self.slabs.pop() {
                self.filling = Some(slab);
                return Ok(());
            }
            if self.slabs_made < SEQUENTIAL_SLABS {
                self.slabs_made += 1;
                self.slabs.push(Slab::new(slab_bytes(self.context.options.chunker.bytes_max())));
            } else {
                self.settle_front()?;
                self.wait()?;
            }
        }
    }
}

fn read_full(reader: &mut dyn Read, room: &mut [u8]) -> std::io::Result<usize> {
    let mut read = 0;
    while read < room.len() {
        match reader.read(&mut room[read..]) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

fn read_byte(reader: &mut dyn Read) -> std::io::Result<Option<u8>> {
    let mut byte = [0];
    Ok((read_full(reader, &mut byte)? == 1).then_some(byte[0]))
}
