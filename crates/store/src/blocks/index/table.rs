//! The hash table from names to ids: open addressing, at most three quarters full.

use std::sync::atomic::AtomicU32;

use super::{Codec, Entry, Id, Index, Name, UNDECODABLE};
use crate::StoreError;

impl Index {
    /// The id of a name, stored or absent.
    pub(crate) fn find(&self, name: Name) -> Option<Id> {
        let mask = self.slots.len() - 1;
        let mut at = name.home as usize & mask;
        loop {
            // The table is never full, so this ends at an empty slot.
            let slot = *self.slots.get(at)?;
            if slot == 0 {
                return None;
            }
            if (slot >> 32) as u32 == name.print {
                let id = Id((slot as u32).wrapping_sub(1));
                if self.entries.get(id.at()).is_some_and(|entry| entry.tag == name.tag) {
                    return Some(id);
                }
            }
            at = (at + 1) & mask;
        }
    }

    pub(super) fn find_or_add(&mut self, name: Name, wanted: Codec) -> Result<Id, StoreError> {
        match self.find(name) {
            Some(id) => Ok(id),
            None => self.add(Entry::absent(name, wanted), name.print),
        }
    }

    pub(super) fn add(&mut self, entry: Entry, print: u32) -> Result<Id, StoreError> {
        let full = StoreError::Full { why: "it holds four thousand million block names, the most it can" };
        let id = u32::try_from(self.entries.len()).ok().filter(|id| *id < UNDECODABLE - 1).ok_or(full)?;
        if (self.entries.len() + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        self.entries.push(entry);
        self.epochs.push(AtomicU32::new(0));
        self.used.push(AtomicU32::new(0));
        self.place_in_table(entry.home, print, Id(id));
        self.changed.push(Id(id));
        Ok(Id(id))
    }

    fn grow(&mut self) {
        let twice = vec![0; self.slots.len() * 2];
        for slot in std::mem::replace(&mut self.slots, twice).into_iter().filter(|slot| *slot != 0) {
            let id = Id((slot as u32).wrapping_sub(1));
            if let Some(home) = self.entries.get(id.at()).map(|entry| entry.home) {
                self.place_in_table(home, (slot >> 32) as u32, id);
            }
        }
    }

    pub(super) fn place_in_table(&mut self, home: u32, print: u32, id: Id) {
        let mask = self.slots.len() - 1;
        let mut at = home as usize & mask;
        while self.slots.get(at).is_some_and(|slot| *slot != 0) {
            at = (at + 1) & mask;
        }
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = u64::from(print) << 32 | u64::from(id.0 + 1);
        }
    }

    /// The fingerprint of an id's name, which only the table holds.
    pub(super) fn print_of(&self, id: Id) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let mut at = self.entries.get(id.at())?.home as usize & mask;
        loop {
            match *self.slots.get(at)? {
                0 => return None,
                slot if slot as u32 == id.0 + 1 => return Some((slot >> 32) as u32),
                _ => at = (at + 1) & mask,
            }
        }
    }
}
