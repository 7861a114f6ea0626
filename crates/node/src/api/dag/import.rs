//! Importing archives: sections are verified many at a time, stored under a temporary pin, and roots are pinned last.
//!
//! A wrong or malformed section ends the import with an error; no root of the request is pinned then. Blocks of
//! earlier groups stay as garbage, which the next collection takes.

use std::collections::HashSet;

use bytes::Bytes;
use futures::StreamExt;
use merkury_api::{ApiError, ByteStream, CarImported, DagImportOptions, ItemStream};
use merkury_core::car::{CarError, CarReader};
use merkury_core::limits::BLOCK_BYTES_MAX;
use merkury_core::{Block, BlockError, BlockHas, BlockPut, Cid};
use merkury_store::{Pin, PinKind, Store, StoreError};
use tokio::runtime::Handle as Runtime;

use crate::api::files::BodyReader;
use crate::inner::{Handle, store_error};
use crate::stream::{self, Items};

/// Blocks verified and stored at a time …
const GROUP_BLOCKS: usize = 1024;
/// … or this many bytes of them.
const GROUP_BYTES: usize = 8 << 20;
/// Roots pinned with one flush.
const ROOTS_AT_ONCE: usize = 1024;

pub(super) fn import(
    handle: &Handle,
    mut cars: ItemStream<ByteStream>,
    options: DagImportOptions,
) -> ItemStream<CarImported> {
    let handle = handle.clone();
    stream::from_blocking(move |items| {
        let store = handle.inner.store()?;
        let (put, keep) = (handle.inner.put()?, store.temp_pin());
        let mut totals = Totals::default();
        let mut roots: Vec<Cid> = Vec::new();
        let mut known_roots: HashSet<Cid> = HashSet::new();
        while let Some(car) = Runtime::current().block_on(cars.next()) {
            let car = car?;
            for root in read_archive(&*put, car, options.allow_big, &mut totals)? {
                // What it lacks may be fetched, as cache that only this name keeps.
                keep.protect(&root);
                if known_roots.insert(root.clone()) {
                    roots.push(root);
                }
            }
        }
        drop(known_roots);
        store.commit()?;
        if options.pin_roots {
            pin_roots(&handle, &store, &roots, &options, items)?;
        } else {
            for root in roots {
                if items.send(CarImported::Root { cid: root, pin_error: None }).is_err() {
                    break;
                }
            }
        }
        drop(keep);
        let _ = items.send(CarImported::Stats { blocks: totals.blocks, bytes: totals.bytes });
        Ok(())
    })
}

#[derive(Default)]
struct Totals {
    blocks: u64,
    bytes: u64,
}

fn read_archive(
    put: &dyn BlockPut,
    car: ByteStream,
    allow_big: bool,
    totals: &mut Totals,
) -> Result<Vec<Cid>, ApiError> {
    let mut body = BodyReader::new(car);
    let mut reader = CarReader::new(&mut body, allow_big).map_err(header_error)?;
    let mut previous: Option<Cid> = None;
    let (mut group, mut group_bytes) = (Vec::<(Cid, Bytes)>::new(), 0usize);
    loop {
        let section = reader.next_section().map_err(|error| section_error(previous.as_ref(), error))?;
        let is_end = section.is_none();
        if let Some(section) = section {
            totals.blocks += 1;
            totals.bytes += section.data.len() as u64;
            group_bytes += section.data.len();
            previous = Some(section.cid.clone());
            group.push((section.cid, section.data));
        }
        if is_end || group.len() >= GROUP_BLOCKS || group_bytes >= GROUP_BYTES {
            store_group(put, std::mem::take(&mut group), allow_big)?;
            group_bytes = 0;
        }
        if is_end {
            return Ok(reader.roots().to_vec());
        }
    }
}

fn store_group(put: &dyn BlockPut, group: Vec<(Cid, Bytes)>, allow_big: bool) -> Result<(), ApiError> {
    let names: Vec<Cid> = group.iter().map(|(cid, _)| cid.clone()).collect();
    let verified = if allow_big {
        group.into_iter().map(|(cid, data)| Block::verify_big(cid, data)).collect()
    } else {
        Block::verify_many(group)
    };
    let blocks = verified
        .into_iter()
        .zip(names)
        .map(|(block, cid)| block.map_err(|error| block_error(&cid, &error)))
        .filter(|block| !block.as_ref().is_ok_and(|block| block.cid().hash().is_identity()))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(put.put_many(blocks)?)
}

fn block_error(cid: &Cid, error: &BlockError) -> ApiError {
    match error {
        BlockError::TooLarge { .. } => {
            let place = format!("import failed at block \"{cid}\"");
            ApiError::block_over(BLOCK_BYTES_MAX).context(&place).hint(error.to_string())
        }
        _ => ApiError::invalid(format!("import failed: {error}")),
    }
}

/// In Kubo's words, where it has some; ours, which say where, as a hint.
fn header_error(error: CarError) -> ApiError {
    let words = if is_cut(&error) { "unexpected EOF".to_owned() } else { error.to_string() };
    ApiError::new(error.kind(), words).hint(format!("{error}; is it an archive?"))
}

fn section_error(previous: Option<&Cid>, error: CarError) -> ApiError {
    let after = previous.map_or(String::new(), |cid| format!(" after block \"{cid}\""));
    let words = match &error {
        _ if is_cut(&error) => "unexpected EOF".to_owned(),
        CarError::TooLarge { .. } => ApiError::block_over(BLOCK_BYTES_MAX).message,
        _ => error.to_string(),
    };
    ApiError::new(error.kind(), format!("import failed{after}: {words}")).hint(error.to_string())
}

fn is_cut(error: &CarError) -> bool {
    matches!(error, CarError::Read { source, .. } if source.kind() == std::io::ErrorKind::UnexpectedEof)
}

fn pin_roots(
    handle: &Handle,
    store: &Store,
    roots: &[Cid],
    options: &DagImportOptions,
    items: &Items<CarImported>,
) -> Result<(), ApiError> {
    for some in roots.chunks(ROOTS_AT_ONCE) {
        // One flush for many; what cannot be pinned with the others is pinned, or refused, by itself.
        let pins: Vec<Pin> = some.iter().map(|root| Pin::new(root.clone(), PinKind::Recursive, "")).collect();
        let together = store.pins().add_many(&pins).is_ok();
        for root in some {
            let pinned = if together { Ok(()) } else { pin_root(handle, store, root, options) };
            let pin_error = pinned.err().map(|error| error.message);
            if items.send(CarImported::Root { cid: root.clone(), pin_error }).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Pins a root; what the archive lacks is fetched when that is allowed.
fn pin_root(handle: &Handle, store: &Store, root: &Cid, options: &DagImportOptions) -> Result<(), ApiError> {
    match store.pins().add(root, PinKind::Recursive, "") {
        Err(StoreError::Incomplete { .. } | StoreError::NotHere { .. }) if !options.local_only => {}
        // In the words of a read: scripts look for them.
        Err(StoreError::Incomplete { missing: cid, .. } | StoreError::NotHere { cid }) => {
            return Err(merkury_core::GetError::NotHere { cid }.into());
        }
        other => return other.map_err(store_error),
    }
    if !store.has(root) {
        return Err(ApiError::not_found(format!("block was not found locally: {root}")));
    }
    Runtime::current().block_on(handle.fetch_all(root))?;
    store.pins().add(root, PinKind::Recursive, "").map_err(store_error)
}
