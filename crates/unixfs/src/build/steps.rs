//! What sources say: entries in the order of the walk.

use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;

use super::AddError;
use crate::meta::Metadata;

/// What a source says next.
pub(super) enum Step<'a> {
    /// A directory begins.
    Enter { name: Bytes, meta: Metadata },
    /// It ends.
    Leave,
    /// A symbolic link.
    Symlink { name: Bytes, target: Vec<u8>, meta: Metadata },
    /// A file of the local file system.
    File { name: Bytes, open: OpenFile },
    /// A file that must be read now.
    Body { name: Bytes, reader: &'a mut dyn Read, meta: Metadata },
}

/// How a local file is opened.
pub(super) struct OpenFile {
    pub(super) dir: Arc<std::os::fd::OwnedFd>,
    pub(super) name: std::ffi::CString,
    pub(super) follow: bool,
}

/// Takes steps.
pub(super) type StepSink<'a> = &'a mut dyn FnMut(Step<'_>) -> Result<(), AddError>;

/// Where entries come from.
pub(super) trait Steps {
    /// Says the next few steps; false when these were the last.
    fn advance(&mut self, out: StepSink<'_>) -> Result<bool, AddError>;
}
