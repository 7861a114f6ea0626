//! Names of blocks without links whose bytes are kept elsewhere. Not saved: entered anew when the store is opened.

use super::{Codec, Id, Index, Name, Purpose};
use crate::StoreError;

impl Index {
    /// The block counts as there, put now.
    pub(crate) fn note_outside(&mut self, name: Name) -> Result<Id, StoreError> {
        let id = self.find_or_add(name, Codec::Leaf)?;
        self.outside.insert(id);
        self.touch_for(id, Purpose::Put);
        Ok(id)
    }

    /// Whether the block counts as there because of [`Index::note_outside`].
    pub(crate) fn is_outside(&self, id: Id) -> bool {
        !self.outside.is_empty() && self.outside.contains(&id)
    }

    /// It does no longer.
    pub(crate) fn forget_outside(&mut self, id: Id) {
        self.outside.remove(&id);
    }
}
