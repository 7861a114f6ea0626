//! What an import may choose. Defaults are Kubo's, so that CIDs are.

use merkury_core::block::CidFormat;
use merkury_core::multihash::code;

use crate::chunk::Chunker;
use crate::meta::Metadata;

/// Links per file node unless told otherwise.
pub const FILE_LINKS_DEFAULT: usize = 174;
/// Slots of a HAMT node unless told otherwise.
pub const HAMT_FANOUT_DEFAULT: usize = 256;
/// Size over which a directory becomes a HAMT.
pub const HAMT_THRESHOLD_DEFAULT: usize = 256 * 1024;

/// How blocks get their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CidOptions {
    /// Version of CIDs of dag-pb nodes; raw leaves always have version 1.
    pub format: CidFormat,
    /// Multicodec of the hash function.
    pub hash_code: u64,
    /// Blocks up to this many bytes go into their own CID (`--inline`).
    pub inline_bytes_max: Option<usize>,
}

impl Default for CidOptions {
    fn default() -> Self {
        Self { format: CidFormat::V0, hash_code: code::SHA2_256, inline_bytes_max: None }
    }
}

/// How the size of a directory is judged when it may become a HAMT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SizeEstimation {
    /// Sum of name and CID lengths: Kubo's old and default rule.
    #[default]
    Links,
    /// Exact size of the block.
    Block,
    /// Not at all; only the number of links counts.
    Disabled,
}

/// Shape of directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirOptions {
    /// Links a plain directory may have; `None` is no limit.
    pub links_max: Option<usize>,
    /// Slots of a HAMT node: a power of two, 8 to 1024.
    pub fanout: usize,
    /// A directory estimated over this many bytes becomes a HAMT; 0 turns HAMTs off.
    pub threshold_bytes: usize,
    /// How the size is estimated.
    pub estimation: SizeEstimation,
}

impl Default for DirOptions {
    fn default() -> Self {
        Self {
            links_max: None,
            fanout: HAMT_FANOUT_DEFAULT,
            threshold_bytes: HAMT_THRESHOLD_DEFAULT,
            estimation: SizeEstimation::default(),
        }
    }
}

/// How leaves are joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// All leaves at the same depth.
    #[default]
    Balanced,
    /// Early bytes near the root.
    Trickle,
}

/// Where mode and modification time of entries come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MetadataOptions {
    /// Keep each entry's own mode.
    pub preserve_mode: bool,
    /// Keep each entry's own modification time.
    pub preserve_mtime: bool,
    /// For every entry, unless preserved.
    pub fixed: Metadata,
}

impl MetadataOptions {
    /// Whether any node gets metadata.
    pub fn any(&self) -> bool {
        self.preserve_mode || self.preserve_mtime || !self.fixed.is_empty()
    }

    /// What an entry with `own` metadata gets.
    pub(crate) fn of(&self, own: Metadata) -> Metadata {
        Metadata {
            mode: if self.preserve_mode { own.mode } else { self.fixed.mode },
            mtime: if self.preserve_mtime { own.mtime } else { self.fixed.mtime },
        }
    }
}

/// Everything that decides the CIDs of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportOptions {
    /// Names of blocks.
    pub cid: CidOptions,
    /// Leaves are plain bytes instead of UnixFS nodes.
    pub raw_leaves: bool,
    /// How files are cut.
    pub chunker: Chunker,
    /// Links per file node.
    pub file_links_max: usize,
    /// Layout of file nodes.
    pub layout: Layout,
    /// Shape of directories.
    pub directory: DirOptions,
    /// Modes and times.
    pub metadata: MetadataOptions,
    /// Keep directories without entries.
    pub empty_directories: bool,
    /// Emit [`AddEvent::Progress`](super::AddEvent::Progress).
    pub progress: bool,
}

impl Default for ImportOptions {
    /// Kubo's defaults, which are those of `unixfs-v0-2015`.
    fn default() -> Self {
        Self {
            cid: CidOptions::default(),
            raw_leaves: false,
            chunker: Chunker::default(),
            file_links_max: FILE_LINKS_DEFAULT,
            layout: Layout::Balanced,
            directory: DirOptions::default(),
            metadata: MetadataOptions::default(),
            empty_directories: true,
            progress: false,
        }
    }
}

impl ImportOptions {
    /// Profile `unixfs-v1-2025` of IPIP-499.
    pub fn v1_2025() -> Self {
        Self {
            cid: CidOptions { format: CidFormat::V1, ..CidOptions::default() },
            raw_leaves: true,
            chunker: Chunker::Size(1024 * 1024),
            file_links_max: 1024,
            directory: DirOptions { estimation: SizeEstimation::Block, ..DirOptions::default() },
            ..Self::default()
        }
    }
}
