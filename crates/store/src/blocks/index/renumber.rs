//! Giving up the ids of blocks that are gone.
//!
//! A block that was removed keeps its id, since others may link to it. When most ids are of that kind, those that nothing
//! links to are given up and all others numbered anew. Nobody may hold an id meanwhile.

use super::{Entry, Id, Index, NO_EDGES, UNDECODABLE};

/// Fewer absent ids than this are not worth the work: about three megabytes.
const ABSENT_MIN: usize = 64 * 1024;

impl Index {
    /// Whether most ids are of blocks that are not stored.
    pub(crate) fn wants_renumbering(&self) -> bool {
        let absent = self.entries.len().saturating_sub(self.blocks as usize);
        absent > ABSENT_MIN && absent > self.entries.len() / 2
    }

    /// Numbers anew what is stored or linked to from what is stored. All ids given out before are void.
    pub(crate) fn renumber(&mut self) {
        let needed = self.needed();
        let mut new_ids = vec![u32::MAX; self.entries.len()];
        let mut count = 0u32;
        for (new_id, _) in new_ids.iter_mut().zip(&needed).filter(|(_, needed)| **needed) {
            *new_id = count;
            count += 1;
        }
        let new_id = |old: u32| new_ids.get(old as usize).copied().filter(|id| *id != u32::MAX);

        let mut next = Self::new(self.seed);
        (next.epoch, next.blocks, next.bytes) = (self.epoch, self.blocks, self.bytes);
        next.usage = std::mem::take(&mut self.usage);
        next.shrunk = std::mem::take(&mut self.shrunk);
        next.now = self.now().into();
        // The index is written whole after this, times and all.
        while next.slots.len() * 3 < (count as usize + 1) * 4 {
            next.slots = vec![0; next.slots.len() * 2];
        }
        for (old, entry) in (0u32..).zip(&self.entries) {
            let Some(id) = new_id(old) else { continue };
            let edges = match entry.edges {
                UNDECODABLE | NO_EDGES => entry.edges,
                run => {
                    let children: Vec<u32> = self.run(run).iter().filter_map(|child| new_id(*child)).collect();
                    let at = next.edges.len() as u32;
                    next.edges.push(children.len() as u32);
                    next.edges.extend(children);
                    at
                }
            };
            let print = self.print_of(Id(old)).unwrap_or_default();
            next.entries.push(Entry { edges, ..*entry });
            next.epochs.push(self.epoch_of(Id(old)).into());
            next.used.push(self.used(Id(old)).into());
            next.place_in_table(entry.home, print, Id(id));
        }
        next.aliases = self.aliases.iter().filter_map(|(id, codec)| Some((Id(new_id(id.0)?), *codec))).collect();
        next.outside = self.outside.iter().filter_map(|id| new_id(id.0)).map(Id).collect();
        // What was put since the last flush is still to be written in a frame.
        next.changed = self.changed.iter().filter_map(|id| new_id(id.0)).map(Id).collect();
        next.aliases_changed = self.aliases_changed;
        *self = next;
    }

    /// For each id whether it is stored, here or elsewhere, or linked to from a block that is.
    fn needed(&self) -> Vec<bool> {
        let mut needed: Vec<bool> = self.entries.iter().map(Entry::is_stored).collect();
        for id in &self.outside {
            if let Some(needed) = needed.get_mut(id.at()) {
                *needed = true;
            }
        }
        for entry in self.entries.iter().filter(|entry| entry.is_stored() && entry.edges != UNDECODABLE) {
            for child in self.run(entry.edges) {
                if let Some(needed) = needed.get_mut(*child as usize) {
                    *needed = true;
                }
            }
        }
        needed
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{block, name};
    use super::super::{Edges, Place, Seed};
    use super::*;

    #[test]
    fn keeps_what_is_stored_and_what_that_links_to() {
        let mut index = Index::new(Seed([0x9d43_a1b1_55f0_7e31, 0x1f83_d9ab_fb41_bd6b, 3, 4]));
        for n in 0..500 {
            let new = block(&index, n, &[n + 1000, n + 1]);
            index.insert(new).unwrap();
        }
        (0..500).filter(|n| n % 5 != 0).for_each(|n| {
            let id = index.find(name(&index, n)).unwrap();
            index.forget(id);
        });
        let accounts = (index.blocks(), index.bytes(), index.usage().clone());
        index.renumber();
        assert_eq!((index.blocks(), index.bytes(), index.usage().clone()), accounts);
        assert_eq!(index.ids(), 300, "a hundred stored, each with two absent children");
        for n in 0..500 {
            let id = index.find(name(&index, n));
            let stored = id.and_then(|id| index.stored(id));
            assert_eq!(stored.is_some(), n % 5 == 0, "{n}");
            if let Some(id) = id.filter(|_| n % 5 == 0) {
                assert_eq!(stored, Some((Place { segment: 1, offset: n * 100, len: 50 }, n)));
                let child = |n| index.find(name(&index, n)).unwrap().0;
                assert_eq!(index.edges(id), Edges::To(&[child(n + 1000), child(n + 1)]));
            }
        }
        let image =
            super::super::image::encode_checkpoint(&index, 1, super::super::image::Covered { segment: 9, offset: 0 });
        assert_eq!(super::super::image::decode_checkpoint(&image).ok().map(|read| read.index.ids()), Some(300));
    }
}
