//! What can go wrong in the store, with a kind for surfaces.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use merkury_core::{Cid, ErrorKind, GetError, PutError};

use crate::PinnedHow;

/// Why the store could not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refused an operation on a file.
    #[error("cannot {what} {path}: {source}", path = path.display())]
    Io {
        /// The verb: "open", "write to", …
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: Arc<io::Error>,
    },
    /// The disk or a quota is full. What was handed over stays in memory; the next call tries again.
    #[error("no space left on the disk that holds {path}; free some, then try again", path = path.display())]
    NoSpace {
        /// The file that could not grow.
        path: PathBuf,
    },
    /// The limit of the store is reached, and everything in it is kept. Reading goes on.
    #[error(
        "{used} of the {limit} that Datastore.StorageMax allows are used, {bytes} more are needed, and what is stored is kept \
         by pins, by files or by what runs now; allow more with 'ipfs config Datastore.StorageMax {more}', or unpin something \
         ('ipfs pin ls --type=recursive' lists it) and try again",
        used = Size(*used), limit = Size(*limit), bytes = Size(*bytes), more = more_than(*limit, *used + *bytes)
    )]
    OverLimit {
        /// Bytes of the store's files.
        used: u64,
        /// Bytes they may have.
        limit: u64,
        /// Bytes that were to be added.
        bytes: u64,
    },
    /// A flush failed. What reached the disk is unknown, so nothing more is acknowledged until the store is opened anew.
    #[error("an earlier flush to the disk failed ({why}); restart to open the store again")]
    Poisoned {
        /// The first failure.
        why: String,
    },
    /// Segments are on a second disk that is not there.
    #[error("segments of this store are in {path}, which is not there; mount that disk, or set its path", path = path.display())]
    SlowDiskMissing {
        /// Where they were.
        path: PathBuf,
    },
    /// A file of ours does not hold what it must.
    #[error("{path} is damaged at byte {offset}: {why}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What is wrong.
        why: String,
    },
    /// The file was written by a later version of this program.
    #[error("{path} has format {found}, this program knows up to {known}; use a newer program", path = path.display())]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest we can read.
        known: u32,
    },
    /// The block is not stored here.
    #[error("block {cid} is not here")]
    NotHere {
        /// The block.
        cid: Cid,
    },
    /// The block cannot be removed because a pin keeps it.
    #[error("block {cid} is {how}")]
    Pinned {
        /// The block.
        cid: Cid,
        /// By which pin.
        how: Box<PinnedHow>,
    },
    /// The block cannot be removed because something that runs needs it.
    #[error("block {cid} is in use by a running operation; try again when it is done")]
    InUse {
        /// The block.
        cid: Cid,
    },
    /// There is no such pin.
    #[error("{cid} is not pinned")]
    NotPinned {
        /// What was to be unpinned.
        cid: Cid,
    },
    /// There is no such pin, but a recursive pin above keeps the block.
    #[error("{cid} is pinned indirectly under {root}")]
    PinnedIndirectly {
        /// What was to be unpinned.
        cid: Cid,
        /// The pin that keeps it.
        root: Cid,
    },
    /// A DAG has a hole where none may be.
    #[error("block {missing}, which {root} needs, is not here")]
    Incomplete {
        /// The top of the DAG.
        root: Cid,
        /// The first block found missing.
        missing: Cid,
    },
    /// A block that is here cannot be taken apart into its links.
    #[error("block {cid} cannot be decoded: {why}")]
    Undecodable {
        /// The block.
        cid: Cid,
        /// What the decoder said.
        why: String,
    },
    /// A stored block's bytes are not what its name says.
    #[error("stored block {cid} is damaged: {why}")]
    CorruptBlock {
        /// The block.
        cid: Cid,
        /// What is wrong.
        why: String,
    },
    /// The name, key or value is longer than allowed.
    #[error("{what} of {bytes} bytes is over the limit of {limit}")]
    TooLarge {
        /// Which thing.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The record of pins was damaged, so what is not pinned now may have been.
    #[error("nothing is removed while the record of pins may be incomplete: {why}")]
    PinsInDoubt {
        /// What was found.
        why: String,
    },
    /// A hard limit of the format was reached.
    #[error("the store is full: {why}")]
    Full {
        /// Which limit.
        why: &'static str,
    },
}

impl StoreError {
    /// An I/O failure with its place; a full disk becomes [`StoreError::NoSpace`].
    pub fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace { path: path.to_owned() },
            _ => Self::Io { what, path: path.to_owned(), source: Arc::new(source) },
        }
    }

    /// A damaged place in a file.
    pub fn damaged(path: &Path, offset: u64, why: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), offset, why: why.into() }
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { .. } | Self::Poisoned { .. } => ErrorKind::Internal,
            Self::NoSpace { .. } | Self::OverLimit { .. } | Self::Full { .. } => ErrorKind::NoSpace,
            Self::Damaged { .. } | Self::Undecodable { .. } | Self::CorruptBlock { .. } | Self::PinsInDoubt { .. } => {
                ErrorKind::Corrupt
            }
            Self::TooNew { .. } | Self::TooLarge { .. } => ErrorKind::Invalid,
            Self::NotHere { .. } | Self::NotPinned { .. } | Self::Incomplete { .. } => ErrorKind::NotFound,
            Self::Pinned { .. } | Self::PinnedIndirectly { .. } => ErrorKind::Conflict,
            Self::InUse { .. } => ErrorKind::Busy,
            Self::SlowDiskMissing { .. } => ErrorKind::Unavailable,
        }
    }

    /// The same failure in the words of [`BlockGet`](merkury_core::BlockGet).
    pub fn into_get(self, cid: &Cid) -> GetError {
        let cid = cid.clone();
        match self {
            Self::NotHere { .. } => GetError::NotHere { cid },
            Self::CorruptBlock { why, .. } => GetError::Corrupt { cid, why },
            other => GetError::Failed { cid, why: other.to_string() },
        }
    }

    /// The same failure in the words of [`BlockPut`](merkury_core::BlockPut).
    pub fn into_put(self) -> PutError {
        match self {
            Self::NoSpace { .. } | Self::OverLimit { .. } | Self::Full { .. } => PutError::NoSpace(self.to_string()),
            other => PutError::Failed(other.to_string()),
        }
    }
}

/// Bytes for people, with decimal units as Kubo's configuration has them.
struct Size(u64);

const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (mut size, mut units) = (self.0 as f64, UNITS.iter());
        let mut unit = units.next().copied().unwrap_or_default();
        while size >= 999.95
            && let Some(next) = units.next()
        {
            (size, unit) = (size / 1000.0, *next);
        }
        if unit == "B" { write!(f, "{} B", self.0) } else { write!(f, "{size:.1} {unit}") }
    }
}

/// A round limit, at least twice the old one and more than is needed, as it stands in a configuration.
fn more_than(limit: u64, needed: u64) -> String {
    let wanted = limit.saturating_mul(2).max(needed);
    let mut size = wanted;
    let mut unit = 0;
    while size >= 1000 && unit + 1 < UNITS.len() {
        size = size.div_ceil(1000);
        unit += 1;
    }
    format!("{size}{}", UNITS.get(unit).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_store_says_what_is_used_and_what_to_type() {
        let error = StoreError::OverLimit { used: 9_940_000_000, limit: 10_000_000_000, bytes: 262_144 };
        let text = error.to_string();
        assert!(
            text.starts_with("9.9 GB of the 10.0 GB that Datastore.StorageMax allows are used, 262.1 kB more"),
            "{text}"
        );
        assert!(text.contains("'ipfs config Datastore.StorageMax 20GB'"), "{text}");
        assert_eq!((error.kind(), more_than(500, 1_000_000)), (ErrorKind::NoSpace, "1MB".to_owned()));
        assert_eq!((Size(999).to_string(), Size(999_999).to_string()), ("999 B".into(), "1.0 MB".into()));
    }
}
