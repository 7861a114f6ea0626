//! `add`: entries become blocks, blocks become durable, roots become pins.
//!
//! Order: build and put (under a temporary pin) → commit → pin → the stream ends. A crash before the end leaves
//! blocks that nothing keeps; the next collection takes them.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use merkury_api::{
    AddEvent, AddInput, AddOptions, ApiError, ByteStream, EntryBody, InputEntry, ItemStream, Metadata, MfsCopyOptions,
    NodeKind,
};
use merkury_core::block::CidFormat;
use merkury_core::{Block, BlockHas, BlockPut, Cid, PutError};
use merkury_store::{PinKind, Store};
use merkury_unixfs::Mtime;
use merkury_unixfs::build::{
    self, Added, CidOptions, DirOptions, EntryStream, ImportOptions, Importer, Item, Layout, MetadataOptions,
    SizeEstimation, StreamEntry, StreamKind, Symlinks, WalkOptions,
};
use tokio::runtime::Handle as Runtime;

use super::no_copy::{self, LeavesOut, Places};
use crate::inner::{Handle, Inner, store_error};
use crate::stream::{self, Items};

/// Takes blocks and keeps none: `--only-hash`.
struct Nowhere;

impl BlockPut for Nowhere {
    fn put_many(&self, _blocks: Vec<Block>) -> Result<(), PutError> {
        Ok(())
    }

    fn commit(&self) -> Result<(), PutError> {
        Ok(())
    }
}

/// Adds `input`; see [`merkury_api::Files::add`].
pub(super) fn add(handle: &Handle, input: AddInput, options: AddOptions) -> ItemStream<AddEvent> {
    let inner = handle.inner.clone();
    let handle = handle.clone();
    stream::from_blocking(move |items| {
        let import = import_options(&options)?;
        if options.only_hash {
            return run(Arc::new(Nowhere), import, input, &options, None, items).map(|_| ());
        }
        let store = inner.store()?;
        let keep = store.temp_pin();
        let added = if options.no_copy {
            let no_copy = no_copy::switched_on(&inner)?;
            let put = Arc::new(LeavesOut { put: inner.put()?, is_elsewhere: no_copy::is_leaf });
            let places = Places::default();
            let added = run(put, import, input, &options, Some(&places), items)?;
            let blocks = inner.stores()?.blocks.clone();
            // Asked again once it is protected: it may just have been collected.
            let is_here = |cid: &Cid| {
                blocks.has(cid) && {
                    keep.protect(cid);
                    blocks.has(cid)
                }
            };
            places.refer(&no_copy, &*blocks, &is_here)?;
            added
        } else {
            run(put(&inner, options.skip_referenced)?, import, input, &options, None, items)?
        };
        let roots: Vec<Cid> = added.iter().map(|added| added.cid.clone()).collect();
        keep_roots(&store, &roots, &options)?;
        drop(keep);
        match &options.to_files {
            Some(target) => to_files(&handle, &added, target),
            None => Ok(()),
        }
    })
}

/// Where blocks go; with `--fscache` not those that are parts of files already.
fn put(inner: &Inner, skip_referenced: bool) -> Result<Arc<dyn BlockPut>, ApiError> {
    let put = inner.put()?;
    let referenced = inner.stores()?.no_copy.clone().filter(|_| skip_referenced);
    Ok(match referenced {
        None => put,
        Some(no_copy) => {
            let is_elsewhere = move |cid: &Cid| matches!(no_copy.reference(cid), Ok(Some(_)));
            Arc::new(LeavesOut { put, is_elsewhere })
        }
    })
}

fn keep_roots(store: &Store, roots: &[Cid], options: &AddOptions) -> Result<(), ApiError> {
    if !options.pin {
        return Ok(store.commit()?);
    }
    let name = options.pin_name.clone().unwrap_or_default();
    let pin = |cid: &Cid| merkury_store::Pin::new(cid.clone(), PinKind::Recursive, name.clone());
    let pins: Vec<_> = roots.iter().map(pin).collect();
    store.pins().add_many(&pins).map_err(store_error)
}

/// Puts what was added into the mutable file system, as `--to-files` asks, in Kubo's words when that cannot be.
fn to_files(handle: &Handle, added: &[Added], target: &str) -> Result<(), ApiError> {
    let runtime = Runtime::current();
    let stat = |path: &str| runtime.block_on(merkury_api::Mfs::stat(handle, path.to_owned(), false));
    let fail = |what: String| Err(ApiError::invalid(format!("to-files: {what}")));
    let into_directory = target.ends_with('/');
    for (index, root) in added.iter().enumerate() {
        // Bytes without a name are called by their CID.
        if root.name.is_empty() || root.name == root.cid.to_string() {
            return fail("cannot add unnamed files to MFS".into());
        }
        let mut path = target.to_owned();
        if into_directory {
            match stat(target) {
                Err(error) => {
                    return fail(format!("MFS destination directory {target:?} does not exist: {}", error.message));
                }
                Ok(stat) if stat.kind != NodeKind::Directory => {
                    return fail(format!("MFS destination {target:?} is not a directory"));
                }
                Ok(_) => path.push_str(root.name.rsplit('/').next().unwrap_or(&root.name)),
            }
        } else if index > 0 {
            return fail(format!("MFS destination is a file: only one entry can be copied to {target:?}"));
        }
        let parent = match path.rsplit_once('/') {
            Some(("", _)) | None => "/",
            Some((parent, _)) => parent,
        };
        if let Err(error) = stat(parent) {
            return fail(format!("MFS destination parent {path:?} {parent:?} does not exist: {}", error.message));
        }
        let options = MfsCopyOptions { parents: false, force: false, flush: true };
        let copied =
            runtime.block_on(merkury_api::Mfs::copy(handle, format!("/ipfs/{}", root.cid), path.clone(), options));
        if let Err(error) = copied {
            let why = error.message.rsplit(&format!("{path}: ")).next().unwrap_or_default().to_owned();
            return Err(ApiError { message: format!("to-files: cannot put node in path {path:?}: {why}"), ..error });
        }
    }
    Ok(())
}

fn run(
    put: Arc<dyn BlockPut>,
    import: ImportOptions,
    input: AddInput,
    options: &AddOptions,
    places: Option<&Places>,
    items: &Items<AddEvent>,
) -> Result<Vec<Added>, ApiError> {
    let importer = Importer::new(put, import);
    let cancel = importer.cancel_switch();
    let mut events = |event: build::AddEvent<'_>| {
        let event = match event {
            build::AddEvent::Progress { name, bytes } => AddEvent::Progress { name: name.to_owned(), bytes },
            build::AddEvent::Added { name, cid, size, is_directory } => {
                if let Some(places) = places.filter(|_| !is_directory) {
                    places.built(name, cid, size);
                }
                AddEvent::Added { name: name.to_owned(), cid: cid.clone(), size, is_directory }
            }
        };
        if items.send(event).is_err() {
            cancel.cancel();
        }
    };
    match input {
        AddInput::Local { paths, hidden, dereference_args, dereference_symlinks, exclude } => {
            let symlinks = match (dereference_symlinks, dereference_args) {
                (true, _) => Symlinks::Follow,
                (false, true) => Symlinks::FollowItem,
                (false, false) => Symlinks::Keep,
            };
            let exclude = exclude.map(|exclude| {
                let by_name = move |path: &Path, _: bool| path.file_name().is_some_and(|name| exclude(name));
                Arc::new(by_name) as build::Exclude
            });
            let walk = WalkOptions { hidden, symlinks, exclude };
            if let Some(places) = places {
                paths.iter().for_each(|path| places.tell(item_name(path), path.clone()));
            }
            let named = |path: PathBuf| Item::Path { name: item_name(&path), path, walk: walk.clone() };
            let paths = paths.into_iter().map(named).collect();
            importer.add_items(paths, options.wrap, &mut events).map_err(add_error)
        }
        AddInput::Stream(entries) => {
            let mut entries =
                BlockingEntries { entries, body: BodyReader::default(), failure: None, places: places.cloned() };
            let added = importer.add_stream(&mut entries, options.wrap, &mut events);
            // The client's own error says more than the reader that stumbled over it.
            match entries.failure.or(entries.body.failure) {
                Some(error) => Err(error),
                None => added.map_err(add_error),
            }
        }
    }
}

fn add_error(error: build::AddError) -> ApiError {
    ApiError::new(error.kind(), error.to_string())
}

/// The last name of a path; of `.` and `..` the name of the directory they stand for, as Kubo does.
fn item_name(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    name.or_else(|| Some(path.canonicalize().ok()?.file_name()?.to_string_lossy().into_owned())).unwrap_or_default()
}

fn import_options(options: &AddOptions) -> Result<ImportOptions, ApiError> {
    let chunker = options.chunker.parse().map_err(|error| ApiError::invalid(format!("{error}")))?;
    let format = if options.cid_v0 { CidFormat::V0 } else { CidFormat::V1 };
    let estimation = if options.hamt_threshold_by_block { SizeEstimation::Block } else { SizeEstimation::Links };
    Ok(ImportOptions {
        cid: CidOptions { format, hash_code: options.hash, inline_bytes_max: options.inline_bytes_max },
        raw_leaves: options.raw_leaves,
        chunker,
        file_links_max: options.file_links_max,
        layout: if options.trickle { Layout::Trickle } else { Layout::Balanced },
        directory: DirOptions {
            links_max: options.directory_links_max,
            fanout: options.hamt_fanout,
            threshold_bytes: usize::try_from(options.hamt_threshold).unwrap_or(usize::MAX),
            estimation,
        },
        metadata: MetadataOptions {
            // A value for all wins over what each has.
            preserve_mode: options.preserve_mode && options.fixed_metadata.mode.is_none(),
            preserve_mtime: options.preserve_mtime && options.fixed_metadata.mtime.is_none(),
            fixed: unixfs_metadata(options.fixed_metadata),
        },
        empty_directories: options.empty_directories,
        progress: options.progress,
    })
}

fn unixfs_metadata(metadata: Metadata) -> merkury_unixfs::Metadata {
    let mtime = metadata.mtime.map(|(seconds, nanos)| Mtime { seconds, nanos });
    merkury_unixfs::Metadata { mode: metadata.mode, mtime }
}

/// A client's entries, waited for on the blocking thread that builds.
struct BlockingEntries {
    entries: ItemStream<InputEntry>,
    body: BodyReader,
    failure: Option<ApiError>,
    /// Hears where each file is.
    places: Option<Places>,
}

impl EntryStream for BlockingEntries {
    fn next_entry(&mut self) -> io::Result<Option<StreamEntry<'_>>> {
        let entry = match Runtime::current().block_on(self.entries.next()) {
            None => return Ok(None),
            Some(Ok(entry)) => entry,
            Some(Err(error)) => {
                self.failure = Some(error.clone());
                return Err(io::Error::other(error));
            }
        };
        match (&self.places, entry.source, &entry.body) {
            (Some(places), Some(source), _) => places.tell(entry.path.clone(), source),
            (Some(_), None, EntryBody::File(_)) => {
                let error = no_copy::has_no_place();
                self.failure = Some(error.clone());
                return Err(io::Error::other(error));
            }
            _ => {}
        }
        let kind = match entry.body {
            EntryBody::Directory => StreamKind::Directory,
            EntryBody::Symlink(target) => StreamKind::Symlink { target: target.into_bytes() },
            EntryBody::File(bytes) => {
                self.body = BodyReader::new(bytes);
                StreamKind::File { body: &mut self.body }
            }
        };
        // Of what clients send, Kubo keeps the nine permission bits alone.
        let mode = entry.metadata.mode.map(|mode| mode & 0o777);
        let meta = unixfs_metadata(Metadata { mode, ..entry.metadata });
        Ok(Some(StreamEntry { path: entry.path, meta, kind }))
    }
}

/// A stream of bytes as a blocking reader.
#[derive(Default)]
pub(crate) struct BodyReader {
    bytes: Option<ByteStream>,
    at_hand: Bytes,
    pub(crate) failure: Option<ApiError>,
}

impl BodyReader {
    /// Reads `bytes`; only on blocking threads of the runtime.
    pub(crate) fn new(bytes: ByteStream) -> Self {
        Self { bytes: Some(bytes), ..Self::default() }
    }
}

impl Read for BodyReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at_hand.is_empty() {
            let Some(bytes) = &mut self.bytes else { return Ok(0) };
            match Runtime::current().block_on(bytes.next()) {
                // A stream that ended must not be asked again; a reader may be.
                None => self.bytes = None,
                Some(Ok(chunk)) => self.at_hand = chunk,
                Some(Err(error)) => {
                    self.failure = Some(error.clone());
                    return Err(io::Error::other(error));
                }
            }
        }
        let count = into.len().min(self.at_hand.len());
        into[..count].copy_from_slice(&self.at_hand.split_to(count));
        Ok(count)
    }
}
