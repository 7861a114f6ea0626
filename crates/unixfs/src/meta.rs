//! Mode and modification time of a UnixFS node (UnixFS 1.5).

use merkury_core::codec::unixfs::UnixFs;

pub use merkury_core::codec::unixfs::Mtime;

/// What a node tells about itself beside its content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Metadata {
    /// Permission bits, at most 0o7777; `None` is not set, and so is 0 when it is written.
    pub mode: Option<u32>,
    /// Modification time.
    pub mtime: Option<Mtime>,
}

impl Metadata {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.mode.is_none() && self.mtime.is_none()
    }

    /// What a node says.
    pub fn of(message: &UnixFs) -> Self {
        Self { mode: message.permissions(), mtime: message.mtime }
    }

    /// Writes it into a message; mode 0 means "not set", as everywhere in IPFS.
    pub(crate) fn apply(&self, message: &mut UnixFs) {
        message.mode = self.mode.filter(|&mode| mode != 0);
        message.mtime = self.mtime;
    }
}
