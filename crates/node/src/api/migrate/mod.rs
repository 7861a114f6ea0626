//! [`Migrate`]: taking over what a Kubo has, which is only read.
//!
//! Parts: [`source`] (a repository directory, or a running Kubo), [`blocks`] (many readers, every block hashed), [`pins`],
//! [`rest`] (mutable file system, keys, IPNS records, configuration, identity), this file (the order of it).
//!
//! Order: blocks → pins → mutable file system → keys and records → configuration and identity last, so that nothing speaks
//! of what is not here. Each step finds what an earlier, interrupted run made and goes on from there; no state of its own is
//! kept. What was reported as done is durable. A temporary pin keeps copied blocks until their pins are made.

mod blocks;
mod pins;
mod rest;
mod source;

use std::time::Instant;

use merkury_api::{ApiError, ItemStream, Migrate, MigrateEvent, MigrateProgress, MigrateRequest, Migrated};
use merkury_store::StoreError;

use crate::config::View;
use crate::inner::{Handle, store_error};
use crate::stream::{self, Items};
use source::Source;

impl Migrate for Handle {
    fn migrate(&self, request: MigrateRequest) -> ItemStream<MigrateEvent> {
        let handle = self.clone();
        stream::from_blocking(move |items| {
            let store = handle.inner.store()?;
            let source = source::open(&request, handle.inner.repo.path())?;
            let keep = store.temp_pin();
            check_room(&handle, &*source)?;
            let mut run = Run::new(&handle, &*source, items);
            run.blocks()?;
            run.pins()?;
            run.mfs()?;
            run.keys()?;
            run.ipns_records()?;
            run.config(&request)?;
            drop(keep);
            run.finish()
        })
    }
}

/// Says before the first block that all of it is more than `Datastore.StorageMax` allows, not hours later.
fn check_room(handle: &Handle, source: &dyn Source) -> Result<(), ApiError> {
    let limit = View(&handle.inner.config.read()).storage_limit()?;
    match (limit, source.bytes_total()) {
        // What an earlier run took over is among what is used already.
        (Some(limit), Some(bytes)) if bytes > limit => {
            let used = handle.inner.store()?.stat().disk_bytes;
            Err(store_error(StoreError::OverLimit { used, limit, bytes }))
        }
        _ => Ok(()),
    }
}

/// One migration.
struct Run<'a> {
    handle: &'a Handle,
    source: &'a dyn Source,
    items: &'a Items<MigrateEvent>,
    started: Instant,
    done: Migrated,
}

/// The caller has gone: the work ends here, and goes on when it is asked for again.
fn caller_gone() -> ApiError {
    ApiError::new(merkury_core::ErrorKind::Unavailable, "the migration was given up; run it again to go on")
}

impl<'a> Run<'a> {
    fn new(handle: &'a Handle, source: &'a dyn Source, items: &'a Items<MigrateEvent>) -> Self {
        let done = Migrated { source: source.name(), ..Migrated::default() };
        Self { handle, source, items, started: Instant::now(), done }
    }

    fn tell(&self, event: MigrateEvent) -> Result<(), ApiError> {
        self.items.send(event).map_err(|_| caller_gone())
    }

    fn problem(&mut self, what: impl Into<String>, why: impl std::fmt::Display) -> Result<(), ApiError> {
        self.done.problems += 1;
        self.tell(MigrateEvent::Problem { what: what.into(), why: why.to_string() })
    }

    fn progress(&self, blocks: u64, bytes: u64) -> Result<(), ApiError> {
        let elapsed_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let bytes_total = self.source.bytes_total();
        self.tell(MigrateEvent::Progress(MigrateProgress { blocks, bytes, bytes_total, elapsed_ms }))
    }

    fn finish(self) -> Result<(), ApiError> {
        self.tell(MigrateEvent::Done(Box::new(self.done.clone())))
    }
}
