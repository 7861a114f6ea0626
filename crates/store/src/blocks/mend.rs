//! What becomes of a damaged record: mended when one bit changed, else forgotten and noted.
//!
//! The index has a checksum of the block's bytes, which names the bit that changed ([`one_bit`]); the head is so short that
//! every bit of it is tried. The hash is checked before anybody sees the result, so a wrong guess cannot harm.
//! What is mended is appended anew, and the index led there.

use merkury_core::{Block, Cid};

use super::record::{Head, encode_head};
use super::{Blocks, Id, Place, decode_head, record};
use crate::{StoreError, one_bit};

/// Notes of damaged blocks that wait to be written down; with more, the oldest are forgotten.
const NOTED_MAX: usize = 64 * 1024;

/// A block whose stored bytes are not what they were, and cannot be mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damaged {
    /// Its CID; `None` when its name is unreadable too.
    pub(crate) cid: Option<Cid>,
    pub(crate) place: Place,
    /// What is wrong, and where.
    pub(crate) why: String,
}

/// What a closer look at a suspicious record gave.
pub(super) enum Examined {
    /// It is not there any more.
    Gone,
    /// Nothing is wrong with it (any more).
    Good(Cid),
    /// It had one wrong bit, and has none now.
    Mended(Cid),
    /// It is lost. The block counts as missing from now on.
    Lost(Damaged),
}

impl Blocks {
    /// Looks closely at a record that did not read well, mends it if that can be done, and forgets it otherwise.
    pub(super) fn examine(&self, id: Id, place: Place, checksum: u32, why: &str) -> Examined {
        let there = |index: &super::Index| index.stored(id) == Some((place, checksum));
        if !there(&self.index.read()) {
            return Examined::Gone;
        }
        match self.mend(id, place, checksum) {
            Some((block, true)) => {
                let cid = block.cid().clone();
                tracing::warn!(%cid, path = %self.segments.path(place.segment).display(), offset = place.offset,
                    "a stored block had one wrong bit; it is mended");
                self.write_anew(id, place, &block);
                Examined::Mended(cid)
            }
            Some((block, false)) => Examined::Good(block.into_parts().0),
            None => {
                let mut index = self.index.write();
                if !there(&index) {
                    return Examined::Gone;
                }
                index.forget(id);
                drop(index);
                let damaged = self.note_damaged(self.name_at(id, place), place, why);
                // Whoever verifies tells it; an error of the log would be told twice.
                tracing::warn!(
                    cid = damaged.cid.as_ref().map(tracing::field::display),
                    why = damaged.why,
                    "a stored block is damaged"
                );
                Examined::Lost(damaged)
            }
        }
    }

    /// The block of a record, with at most one bit of its bytes and one of its head put right, and whether any was.
    pub(super) fn mend(&self, id: Id, place: Place, checksum: u32) -> Option<(Block, bool)> {
        let most = record::HEAD_BYTES_MAX + place.len as usize;
        let bytes = self.read_span(place.segment, place.offset.into(), most).ok()?;
        let (head, head_mended) = self.mend_head(&bytes, id, place)?;
        let end = head.head_len.checked_add(head.data_len).filter(|end| *end <= bytes.len())?;
        let data = bytes.slice(head.head_len..end);
        let syndrome = crc32fast::hash(&data) ^ checksum;
        if syndrome == 0 {
            return Some((Block::verify_big(head.cid, data).ok()?, head_mended));
        }
        let (at, mask) = one_bit::find(data.len(), syndrome)?;
        let mut data = data.to_vec();
        *data.get_mut(at)? ^= mask;
        Some((Block::verify_big(head.cid, data.into()).ok()?, true))
    }

    fn mend_head(&self, bytes: &[u8], id: Id, place: Place) -> Option<(Head, bool)> {
        let fitting = |bytes: &[u8]| {
            let head = decode_head(bytes).ok()?;
            (head.data_len == place.len as usize && self.is_named(id, &head.cid)).then_some(head)
        };
        if let Some(head) = fitting(bytes) {
            return Some((head, false));
        }
        let mut tried = bytes.get(..record::HEAD_BYTES_MAX.min(bytes.len()))?.to_vec();
        for bit in 0..tried.len() * 8 {
            *tried.get_mut(bit / 8)? ^= 1 << (bit % 8);
            if let Some(head) = fitting(&tried) {
                return Some((head, true));
            }
            *tried.get_mut(bit / 8)? ^= 1 << (bit % 8);
        }
        None
    }

    /// Appends a mended block and leads the index to it; durable with the next commit. If the disk takes nothing, the block stays
    /// where it is and is mended again on each read.
    fn write_anew(&self, id: Id, from: Place, block: &Block) {
        let mut head = Vec::new();
        encode_head(block.cid(), block.data().len(), &mut head);
        match self.check_usable().and_then(|()| self.writer.appender().append(&head, block.data())) {
            Ok(to) => {
                self.count_appended(to, head.len());
                self.index.write().relocate(id, from, to);
            }
            Err(error) => tracing::warn!(%error, "a mended block could not be written anew"),
        }
    }

    /// Whether a record's CID is the one the index knows the block by; the hash of the bytes does not cover its codec.
    pub(super) fn is_named(&self, id: Id, cid: &Cid) -> bool {
        let name = self.seed.name(cid.hash());
        let index = self.index.read();
        index.find(name) == Some(id) && index.codec(id) == super::Codec::of(cid.codec())
    }

    /// The CID in a record, if it is readable and the one the index means.
    fn name_at(&self, id: Id, place: Place) -> Option<Cid> {
        let bytes = self.read_span(place.segment, place.offset.into(), record::HEAD_BYTES_MAX).ok()?;
        let cid = decode_head(&bytes).ok()?.cid;
        self.is_named(id, &cid).then_some(cid)
    }

    /// Keeps a note of a lost block for [`Blocks::take_damaged`].
    fn note_damaged(&self, cid: Option<Cid>, place: Place, why: &str) -> Damaged {
        let path = self.segments.path(place.segment);
        let why = format!("{why} ({} at byte {})", path.display(), place.offset);
        let damaged = Damaged { cid, place, why };
        let mut noted = self.damaged.lock();
        if noted.len() < NOTED_MAX {
            noted.push(damaged.clone());
        }
        damaged
    }

    /// The blocks found damaged since the last call.
    pub(crate) fn take_damaged(&self) -> Vec<Damaged> {
        std::mem::take(&mut self.damaged.lock())
    }

    /// A damaged block is as good as none; without it in the index it can be fetched and put again.
    pub(super) fn forget_damaged(&self, cid: &Cid, id: Id, place: Place, why: &str) -> StoreError {
        let mut index = self.index.write();
        let is_there = index.stored(id).is_some_and(|(now, _)| now == place);
        if is_there {
            index.forget(id);
        }
        drop(index);
        let why = if is_there { self.note_damaged(Some(cid.clone()), place, why).why } else { why.to_owned() };
        tracing::error!(%cid, why, "a stored block is damaged");
        StoreError::CorruptBlock { cid: cid.clone(), why }
    }
}
