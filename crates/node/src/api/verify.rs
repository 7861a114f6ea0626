//! Verifying stored blocks: found, listed, dropped, or fetched again.

use std::time::Duration;

use async_stream::try_stream;
use futures::{StreamExt, TryStreamExt};
use merkury_api::{ApiError, DamagedBlock, ItemStream, Reach, VerifyEvent, VerifyOptions};
use merkury_core::{BlockPut, Cid};
use merkury_store::{Quarantined, Store, VerifyPlace};

use crate::inner::{Handle, Inner, blocking, store_error};
use crate::stream::{self, Items};

/// Table of the store with the place where a run that was cut short goes on.
const TABLE: &str = "verify";
/// Blocks between two reports of progress.
const PROGRESS_EVERY: u64 = 64;

impl Handle {
    pub(super) fn verify_blocks(&self, options: VerifyOptions) -> ItemStream<VerifyEvent> {
        let handle = self.clone();
        try_stream! {
            if options.heal.is_some() {
                handle.inner.net()?;
            }
            let (inner, how) = (handle.inner.clone(), options.clone());
            let mut found = stream::from_blocking(move |items| inner.scan(&how, items));
            let mut done = None;
            while let Some(event) = found.try_next().await? {
                match event {
                    event @ VerifyEvent::Done { .. } => done = Some(event),
                    event => yield event,
                }
            }
            if options.drop {
                let store = handle.inner.store()?;
                let damaged = {
                    let store = store.clone();
                    blocking(move || store.quarantine().map_err(store_error)).await?
                };
                for entry in damaged {
                    let outcome = handle.treat(&store, &entry, options.heal).await?;
                    yield VerifyEvent::Damaged { cid: entry.cid, why: entry.why, outcome };
                }
            }
            if let Some(done) = done {
                yield done;
            }
        }
        .boxed()
    }

    /// Takes a damaged block off the list, and fetches it again if that is wanted.
    async fn treat(
        &self,
        store: &std::sync::Arc<Store>,
        entry: &Quarantined,
        heal: Option<Duration>,
    ) -> Result<DamagedBlock, ApiError> {
        let (store, listed) = (store.clone(), entry.clone());
        blocking(move || store.release(std::slice::from_ref(&listed)).map_err(store_error)).await?;
        let Some(timeout) = heal else { return Ok(DamagedBlock::Removed) };
        let Some(cid) = &entry.cid else {
            return Ok(DamagedBlock::NotHealed("its name is unreadable too".to_owned()));
        };
        Ok(match self.fetch_again(cid, timeout).await {
            Ok(()) => DamagedBlock::Healed,
            Err(why) => DamagedBlock::NotHealed(why),
        })
    }

    /// Fetches a block from peers and makes it durable.
    pub(crate) async fn fetch_again(&self, cid: &Cid, timeout: Duration) -> Result<(), String> {
        let handle = Self { inner: self.inner.clone(), reach: Reach::Network };
        let get = handle.getter().map_err(|error| error.message)?;
        match tokio::time::timeout(timeout, get.get(cid)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => return Err(format!("no peer sent it within {timeout:?}")),
        }
        let inner = self.inner.clone();
        let committed = blocking(move || Ok(inner.store()?.commit()?)).await;
        committed.map_err(|error| error.message)
    }
}

impl Inner {
    /// Tells blocks that were found damaged before, then reads blocks and tells what is found now.
    fn scan(&self, options: &VerifyOptions, items: &Items<VerifyEvent>) -> Result<(), ApiError> {
        let store = self.store()?;
        if !options.drop {
            for entry in store.quarantine().map_err(store_error)? {
                let _ = items.send(damaged(entry.cid, entry.why, DamagedBlock::Quarantined));
            }
        }
        let gone = std::sync::atomic::AtomicBool::new(false);
        let from = if options.for_at_most.is_some() { saved_place(&store)? } else { VerifyPlace::default() };
        let how = merkury_store::VerifyOptions {
            from,
            part: options.part,
            for_at_most: options.for_at_most,
            stop: Some(&gone),
            ..merkury_store::VerifyOptions::default()
        };
        let mut blocks = 0;
        let mut each = |event| {
            let told = match event {
                merkury_store::VerifyEvent::Mended { cid } => {
                    let why = "one bit of it was wrong".to_owned();
                    Some(damaged(Some(cid), why, DamagedBlock::Mended))
                }
                // With --drop it is told with what became of it.
                merkury_store::VerifyEvent::Bad { cid, why } if !options.drop => {
                    Some(damaged(cid, why, DamagedBlock::Quarantined))
                }
                merkury_store::VerifyEvent::Repaired { what } => Some(VerifyEvent::Repaired(what)),
                _ => None,
            };
            blocks += 1;
            let progress = (blocks % PROGRESS_EVERY == 0).then_some(VerifyEvent::Progress { blocks });
            for item in told.into_iter().chain(progress) {
                if items.send(item).is_err() {
                    gone.store(true, std::sync::atomic::Ordering::Relaxed);
                }
            }
        };
        let verified = store.verify_some(&how, &mut each).map_err(store_error)?;
        if options.for_at_most.is_some() {
            save_place(&store, verified.next)?;
        }
        let _ = items.send(VerifyEvent::Progress { blocks: verified.blocks });
        let is_complete = verified.next.is_none();
        let _ = items.send(VerifyEvent::Done { blocks: verified.blocks, bytes: verified.bytes, is_complete });
        Ok(())
    }
}

fn damaged(cid: Option<Cid>, why: String, outcome: DamagedBlock) -> VerifyEvent {
    VerifyEvent::Damaged { cid, why, outcome }
}

/// Key of the place where a run with a time limit goes on.
const NEXT_KEY: &[u8] = b"next";

fn saved_place(store: &Store) -> Result<VerifyPlace, ApiError> {
    let bytes = store.meta().get(TABLE, NEXT_KEY).map_err(store_error)?;
    Ok(bytes.and_then(|bytes| decode_place(&bytes)).unwrap_or_default())
}

fn save_place(store: &Store, place: Option<VerifyPlace>) -> Result<(), ApiError> {
    match place {
        Some(place) => store.meta().set(TABLE, NEXT_KEY, &encode_place(place)),
        None => store.meta().remove(TABLE, NEXT_KEY),
    }
    .map_err(store_error)
}

pub(crate) fn encode_place(place: VerifyPlace) -> [u8; 8] {
    (u64::from(place.segment) << 32 | u64::from(place.offset)).to_be_bytes()
}

pub(crate) fn decode_place(bytes: &[u8]) -> Option<VerifyPlace> {
    let both = u64::from_be_bytes(bytes.try_into().ok()?);
    Some(VerifyPlace { segment: (both >> 32) as u32, offset: both as u32 })
}
