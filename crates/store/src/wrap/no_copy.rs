//! Blocks that are parts of the user's own files, or of what an address serves: the store keeps where they are, not their bytes.
//!
//! A reference is (file or URL, first byte, length) under the block's multihash. Each read fetches the bytes from there and
//! checks the hash: a file that was changed, cut or removed since is [`GetError::Moved`], never wrong bytes. References may
//! be pinned and are collected like blocks; only raw leaves can be references, since nothing is recorded about links.
//!
//! On disk: table `nocopy.refs` (multihash → file number, offset, length) and `nocopy.files` (number → kind and path) of
//! the store's `meta.log`, and the empty file `nocopy` beside it. Files are named relative to the root directory (that which holds the repository), as in Kubo, so
//! that a disk with both can be moved as a whole. All of it is in memory: about 150 bytes a reference.
//!
//! Invariants:
//! - A reference is durable before its block counts as stored.
//! - Nothing outside the root directory is ever read.
//!
//! A crash between the collection's two steps brings a reference back, as garbage.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use merkury_core::cid::codec_code;
use merkury_core::limits::BIG_BLOCK_BYTES_MAX;
use merkury_core::{Block, BlockGet, BlockHas, BlockPut, BlockStore, BoxFuture, Cid, GetError, Multihash, PutError};
use parking_lot::Mutex;

use crate::outside::Outside;
use crate::{Store, StoreError};

const REFS: &str = "nocopy.refs";
const FILES: &str = "nocopy.files";
/// A file that says that there are references, so that a store without any need not read its tables to know.
const MARKER: &str = "nocopy";
/// Entries taken from a table at a time.
const PAGE: usize = 4096;
/// Length of a reference in the table: file number, offset, length.
const REF_BYTES: usize = 4 + 8 + 4;
/// Longest path or address.
const ORIGIN_BYTES_MAX: usize = 16 * 1024;

/// Where the bytes of a referenced block are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A file, relative to the root directory, `/` between names.
    File(String),
    /// An `http` or `https` address.
    Url(String),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::File(text) | Self::Url(text)) = self;
        f.write_str(text)
    }
}

/// A part of a file that is a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The file or address.
    pub origin: Origin,
    /// Its first byte there.
    pub offset: u64,
    /// Its length in bytes.
    pub len: u64,
}

/// What became of a referenced part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefState {
    /// It is still the block.
    Good,
    /// There are other bytes now, or fewer.
    Changed,
    /// The file is gone.
    Gone,
    /// It could not be read.
    Failed(String),
}

/// Reads parts of what addresses serve. Called from blocking threads; an implementation bounds its own waiting.
pub trait UrlReader: Send + Sync {
    /// The bytes from `offset` on, exactly `len` of them, or an error.
    fn read(&self, url: &str, offset: u64, len: usize) -> io::Result<Vec<u8>>;
}

/// A store, and references to blocks that it does not hold.
pub struct NoCopy {
    /// Holds the tables.
    store: Arc<Store>,
    /// What blocks are read from and written to first.
    blocks: Arc<dyn BlockStore>,
    root: PathBuf,
    urls: Option<Arc<dyn UrlReader>>,
    /// Held while references are added or removed.
    files: Mutex<Files>,
}

#[derive(Default)]
struct Files {
    numbers: HashMap<Origin, u32>,
    next: u32,
}

impl NoCopy {
    /// Reads the references of `store` and makes them count as its blocks. `root` holds all files that may be referenced;
    /// without `urls`, references to addresses are kept and cannot be read.
    pub fn open(store: Arc<Store>, root: PathBuf, urls: Option<Arc<dyn UrlReader>>) -> Result<Arc<Self>, StoreError> {
        Self::open_over(store.clone(), store, root, urls)
    }

    /// Whether a store ever had references, without reading its tables.
    pub fn was_used(store: &Store) -> bool {
        store.has_marker(MARKER)
    }

    /// As [`NoCopy::open`], where blocks are read and written through a wrapper of `store`.
    pub fn open_over(
        store: Arc<Store>,
        blocks: Arc<dyn BlockStore>,
        root: PathBuf,
        urls: Option<Arc<dyn UrlReader>>,
    ) -> Result<Arc<Self>, StoreError> {
        let mut files = Files::default();
        let mut last: Option<Vec<u8>> = None;
        loop {
            let page = store.meta().page(FILES, last.as_deref(), PAGE)?;
            let Some((key, _)) = page.last() else { break };
            last = Some(key.clone());
            for (key, value) in page {
                if let (Some(number), Some(origin)) = (decode_number(&key), decode_origin(&value)) {
                    files.next = files.next.max(number.saturating_add(1));
                    files.numbers.insert(origin, number);
                }
            }
        }
        let root = root.canonicalize().unwrap_or(root);
        let made = Arc::new(Self { store: store.clone(), blocks, root, urls, files: Mutex::new(files) });
        store.add_outside(made.clone())?;
        Ok(made)
    }

    /// The directory that holds all files that may be referenced.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// How a file is named in references; `None` when it is not below the root directory.
    pub fn origin_of(&self, path: &Path) -> Option<Origin> {
        let path = path.canonicalize().ok()?;
        Some(Origin::File(path.strip_prefix(&self.root).ok()?.to_str()?.to_owned()))
    }

    /// Refers to blocks; durable when it returns, one flush for all. The caller has just hashed those bytes.
    ///
    /// Only CIDs of codec raw can be references, since their bytes have no links.
    pub fn put_refs(&self, refs: Vec<(Cid, Reference)>) -> Result<(), StoreError> {
        let mut files = self.files.lock();
        let (mut new_files, mut rows, mut cids) = (Vec::new(), Vec::new(), Vec::new());
        for (cid, reference) in refs {
            let limit = BIG_BLOCK_BYTES_MAX;
            let Some(len) = u32::try_from(reference.len).ok().filter(|len| *len as usize <= limit) else {
                let bytes = usize::try_from(reference.len).unwrap_or(usize::MAX);
                return Err(StoreError::TooLarge { what: "a referenced block", bytes, limit });
            };
            if cid.codec() != codec_code::RAW {
                let why = "only raw blocks can be parts of files".to_owned();
                return Err(StoreError::Undecodable { cid, why });
            }
            let number = files.number(reference.origin, &mut new_files)?;
            let mut row = number.to_le_bytes().to_vec();
            row.extend_from_slice(&reference.offset.to_le_bytes());
            row.extend_from_slice(&len.to_le_bytes());
            rows.push((cid.hash().to_bytes(), Some(row)));
            cids.push(cid);
        }
        self.store.set_marker(MARKER)?;
        // A file without references is harmless; a reference without its file would be damage.
        if !new_files.is_empty() {
            self.store.meta().set_many(FILES, new_files)?;
        }
        self.store.meta().set_many(REFS, rows)?;
        self.store.note_outside(&cids)
    }

    /// Where a block is referred to, if it is.
    pub fn reference(&self, cid: &Cid) -> Result<Option<Reference>, StoreError> {
        match self.store.meta().get(REFS, &cid.hash().to_bytes())? {
            Some(row) => self.decode(&row).map(Some),
            None => Ok(None),
        }
    }

    /// Up to `count` references in the order of their multihashes' bytes, from the first one after `after`; the CIDs are of
    /// version 1 and codec raw.
    pub fn list(&self, after: Option<&Cid>, count: usize) -> Result<Vec<(Cid, Reference)>, StoreError> {
        let after = after.map(|cid| cid.hash().to_bytes());
        let page = self.store.meta().page(REFS, after.as_deref(), count)?;
        page.iter().map(|(key, row)| Ok((decode_key(key)?, self.decode(row)?))).collect()
    }

    /// Forgets references, whatever keeps their blocks; durable when it returns. The blocks are missing then, unless the store
    /// holds their bytes too.
    pub fn forget(&self, cids: &[Cid]) -> Result<(), StoreError> {
        let _alone = self.files.lock();
        let rows = cids.iter().map(|cid| (cid.hash().to_bytes(), None)).collect();
        self.store.meta().set_many(REFS, rows)?;
        self.store.forget_outside(cids);
        Ok(())
    }

    /// Whether the store holds the bytes of this block too.
    pub fn is_duplicate(&self, cid: &Cid) -> bool {
        self.store.has(cid)
    }

    /// Reads a referenced part and compares it with the block's hash.
    pub fn check(&self, cid: &Cid, reference: &Reference) -> RefState {
        match self.read(reference) {
            Ok(bytes) => match Block::verify_big(cid.clone(), bytes) {
                Ok(_) => RefState::Good,
                Err(_) => RefState::Changed,
            },
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound => RefState::Gone,
                io::ErrorKind::UnexpectedEof => RefState::Changed,
                _ => RefState::Failed(error.to_string()),
            },
        }
    }

    fn read(&self, reference: &Reference) -> io::Result<Bytes> {
        let len = usize::try_from(reference.len).map_err(|_| io::ErrorKind::InvalidInput)?;
        let bytes = match &reference.origin {
            Origin::File(path) => {
                let relative = Path::new(path);
                if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
                    return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is not below the root directory"));
                }
                let file = File::open(self.root.join(relative))?;
                let mut bytes = vec![0; len];
                file.read_exact_at(&mut bytes, reference.offset)?;
                bytes
            }
            Origin::Url(url) => match &self.urls {
                Some(urls) => urls.read(url, reference.offset, len)?,
                None => return Err(io::Error::new(io::ErrorKind::Unsupported, "addresses are not read here")),
            },
        };
        Ok(bytes.into())
    }

    fn get_referenced(&self, cid: &Cid) -> Result<Option<Block>, GetError> {
        let Some(reference) = self.reference(cid).map_err(|error| error.into_get(cid))? else { return Ok(None) };
        let moved =
            |why: &str| GetError::Moved { cid: cid.clone(), origin: reference.origin.to_string(), why: why.to_owned() };
        match self.read(&reference) {
            Ok(bytes) => Block::verify_big(cid.clone(), bytes).map(Some).map_err(|_| moved("has changed")),
            Err(error) => Err(match error.kind() {
                io::ErrorKind::NotFound => moved("is gone"),
                io::ErrorKind::UnexpectedEof => moved("has become shorter"),
                _ => moved(&format!("cannot be read: {error}")),
            }),
        }
    }

    fn decode(&self, row: &[u8]) -> Result<Reference, StoreError> {
        let damaged = || StoreError::damaged(Path::new("meta.log"), 0, "a reference to a part of a file is damaged");
        let row: [u8; REF_BYTES] = row.try_into().map_err(|_| damaged())?;
        let [n0, n1, n2, n3, o0, o1, o2, o3, o4, o5, o6, o7, l0, l1, l2, l3] = row;
        let file = self.store.meta().get(FILES, &u32::from_le_bytes([n0, n1, n2, n3]).to_be_bytes())?;
        Ok(Reference {
            origin: file.as_deref().and_then(decode_origin).ok_or_else(damaged)?,
            offset: u64::from_le_bytes([o0, o1, o2, o3, o4, o5, o6, o7]),
            len: u32::from_le_bytes([l0, l1, l2, l3]).into(),
        })
    }
}

impl Files {
    /// The number of a file; a new one is added to `new`.
    fn number(&mut self, origin: Origin, new: &mut Vec<(Vec<u8>, Option<Vec<u8>>)>) -> Result<u32, StoreError> {
        if let Some(number) = self.numbers.get(&origin) {
            return Ok(*number);
        }
        let value = encode_origin(&origin);
        if value.len() > ORIGIN_BYTES_MAX {
            return Err(StoreError::TooLarge { what: "a path", bytes: value.len(), limit: ORIGIN_BYTES_MAX });
        }
        let number = self.next;
        self.next =
            number.checked_add(1).ok_or(StoreError::Full { why: "four thousand million files are referenced" })?;
        new.push((number.to_be_bytes().to_vec(), Some(value)));
        self.numbers.insert(origin, number);
        Ok(number)
    }
}

fn encode_origin(origin: &Origin) -> Vec<u8> {
    let (kind, text) = match origin {
        Origin::File(path) => (b'f', path),
        Origin::Url(url) => (b'u', url),
    };
    [&[kind], text.as_bytes()].concat()
}

fn decode_origin(value: &[u8]) -> Option<Origin> {
    let (kind, text) = value.split_first()?;
    let text = std::str::from_utf8(text).ok()?.to_owned();
    match kind {
        b'f' => Some(Origin::File(text)),
        b'u' => Some(Origin::Url(text)),
        _ => None,
    }
}

fn decode_number(key: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(key.try_into().ok()?))
}

fn decode_key(key: &[u8]) -> Result<Cid, StoreError> {
    match Multihash::decode(key) {
        Ok((hash, [])) => Ok(Cid::v1(codec_code::RAW, hash)),
        _ => Err(StoreError::damaged(Path::new("meta.log"), 0, "a reference has no multihash")),
    }
}

impl Outside for NoCopy {
    fn page(&self, after: Option<&[u8]>, count: usize) -> Result<Vec<Cid>, StoreError> {
        self.store.meta().page(REFS, after, count)?.iter().map(|(key, _)| decode_key(key)).collect()
    }

    fn kept_size(&self, cid: &Cid) -> Option<u64> {
        self.reference(cid).ok().flatten().map(|reference| reference.len)
    }

    fn remove(&self, cids: &[Cid]) -> Result<(), StoreError> {
        let _alone = self.files.lock();
        // What was referred to again since the collection decided stays.
        let gone = cids.iter().filter(|cid| !self.store.counts_as_here(cid));
        let rows: Vec<_> = gone.map(|cid| (cid.hash().to_bytes(), None)).collect();
        if rows.is_empty() { Ok(()) } else { self.store.meta().set_many(REFS, rows) }
    }
}

impl BlockGet for NoCopy {
    fn get<'a>(&'a self, cid: &'a Cid) -> BoxFuture<'a, Result<Block, GetError>> {
        let found = self.get_local(cid);
        Box::pin(async move { found?.ok_or_else(|| GetError::NotHere { cid: cid.clone() }) })
    }

    fn get_local(&self, cid: &Cid) -> Result<Option<Block>, GetError> {
        match self.blocks.get_local(cid)? {
            Some(block) => Ok(Some(block)),
            None => self.get_referenced(cid),
        }
    }
}

impl BlockPut for NoCopy {
    fn put_many(&self, blocks: Vec<Block>) -> Result<(), PutError> {
        self.blocks.put_many(blocks)
    }

    fn put_cached(&self, blocks: Vec<Block>) -> Result<(), PutError> {
        self.blocks.put_cached(blocks)
    }

    fn commit(&self) -> Result<(), PutError> {
        self.blocks.commit()
    }
}

impl BlockHas for NoCopy {
    fn has(&self, cid: &Cid) -> bool {
        self.size_of(cid).is_some()
    }

    fn size_of(&self, cid: &Cid) -> Option<u64> {
        self.blocks.size_of(cid).or_else(|| self.kept_size(cid))
    }
}
