//! [`Pins`]: what is kept.
//!
//! Pinning fetches what is missing under a temporary pin, then makes the pin: one durable step that also checks that
//! everything it reaches is here.

use async_stream::try_stream;
use futures::{StreamExt, TryStreamExt};
use merkury_api::{
    Answer, ApiError, ItemStream, PinEntry, PinEvent, PinFilter, PinKind, PinMode, PinOptions, PinVerified, Pins,
    WhyKept,
};
use merkury_core::{Cid, ErrorKind};
use merkury_store::{PinnedHow, StoreError};
use merkury_unixfs::walk;

use super::with_kind;
use crate::history;
use crate::inner::{Handle, Inner, blocking, store_error};
use crate::stream::{self, Groups};

/// Progress events: one in so many blocks.
const PROGRESS_EVERY: u64 = 64;

fn mode_of(kind: merkury_store::PinKind) -> PinKind {
    match kind {
        merkury_store::PinKind::Direct => PinKind::Direct,
        merkury_store::PinKind::Recursive => PinKind::Recursive,
    }
}

fn kind_of(mode: PinMode) -> merkury_store::PinKind {
    match mode {
        PinMode::Direct => merkury_store::PinKind::Direct,
        PinMode::Recursive => merkury_store::PinKind::Recursive,
    }
}

fn entry_of(pin: merkury_store::Pin) -> PinEntry {
    let merkury_store::Pin { cid, kind, name, expires_unix_secs } = pin;
    PinEntry { cid, kind: mode_of(kind), name, expires_unix_secs }
}

pub(super) fn indirect(cid: &Cid, via: Option<Cid>) -> PinEntry {
    PinEntry { cid: cid.clone(), kind: PinKind::Indirect { via }, name: String::new(), expires_unix_secs: None }
}

impl Pins for Handle {
    fn add(&self, cid: Cid, options: PinOptions) -> ItemStream<PinEvent> {
        let handle = self.clone();
        try_stream! {
            let store = handle.inner.store()?;
            // The DAG is named from its top: nothing else that is put meanwhile needs to be kept for it.
            let keep = store.reader_pin();
            keep.protect(&cid);
            let get = handle.copying_getter()?;
            match options.mode {
                PinMode::Direct => drop(get.get(&cid).await?),
                // What is complete here already needs no walk unless its size is asked for: the pin is checked in memory.
                PinMode::Recursive if !options.progress && handle.inner.try_pin(&cid, &options).await? => {}
                PinMode::Recursive => {
                    let mut blocks = Box::pin(walk::fetch(get, cid.clone()));
                    let (mut count, mut bytes) = (0u64, 0u64);
                    while let Some(block) = blocks.next().await {
                        let block = block.map_err(|error| with_kind(error.kind(), error))?;
                        count += 1;
                        bytes += block.bytes;
                        if options.progress && count % PROGRESS_EVERY == 1 {
                            yield PinEvent::Progress { blocks: count, bytes };
                        }
                    }
                    yield PinEvent::Progress { blocks: count, bytes };
                }
            }
            handle.inner.pin(&cid, &options).await?;
            drop(keep);
            yield PinEvent::Pinned(cid);
        }
        .boxed()
    }

    fn remove(&self, cid: Cid, mode: PinMode) -> Answer<'_, ()> {
        let inner = self.inner.clone();
        Box::pin(blocking(move || {
            let store = inner.store()?;
            let pins = store.pins();
            let is_recursive =
                pins.get(&cid).map_err(store_error)?.is_some_and(|p| kind_of(PinMode::Recursive) == p.kind);
            if is_recursive && mode == PinMode::Direct {
                return Err(ApiError::new(ErrorKind::Conflict, format!("{cid} is pinned recursively"))
                    .hint("merkury pin rm CID without --recursive=false removes it"));
            }
            // Until the step that can undo it keeps what it reaches.
            let keep = store.temp_pin();
            keep.protect(&cid);
            match pins.remove(&cid) {
                Ok(pin) => history::record_pin(&store, &pin),
                Err(StoreError::NotPinned { .. }) => {
                    inner.refuse_kubo_pin(&cid)?;
                    Err(ApiError::not_found("not pinned or pinned indirectly")
                        .hint("merkury pin ls prints what is pinned"))
                }
                Err(StoreError::PinnedIndirectly { cid, root }) => {
                    Err(ApiError::new(ErrorKind::Conflict, format!("{cid} is pinned indirectly under {root}"))
                        .hint(format!("merkury pin rm {root} removes the pin above")))
                }
                Err(error) => Err(store_error(error)),
            }
        }))
    }

    fn list(&self, filter: PinFilter) -> ItemStream<PinEntry> {
        let inner = self.inner.clone();
        stream::grouped(move |items| {
            inner.expire_pins(&*inner.store()?)?;
            if filter.cids.is_empty() { inner.list_pins(&filter, items) } else { inner.look_up_pins(&filter, items) }
        })
    }

    fn verify(&self) -> ItemStream<PinVerified> {
        let inner = self.inner.clone();
        stream::from_blocking(move |items| {
            let store = inner.store()?;
            inner.expire_pins(&store)?;
            let mut each = |cid, bad: Vec<(Cid, StoreError)>| {
                let told = |(cid, error): (Cid, StoreError)| {
                    let why = error.into_get(&cid).to_string();
                    (cid, why)
                };
                items.send(PinVerified { cid, bad: bad.into_iter().map(told).collect() }).is_ok()
            };
            store.pins().verify(&mut each).map_err(store_error)
        })
    }

    fn why(&self, cid: Cid) -> Answer<'_, WhyKept> {
        let inner = self.inner.clone();
        Box::pin(blocking(move || inner.why(&cid)))
    }

    fn update(&self, from: Cid, to: Cid, unpin: bool) -> Answer<'_, ()> {
        let handle = self.clone();
        Box::pin(async move {
            let store = handle.inner.store()?;
            let there = store.pins().get(&to).map_err(store_error)?;
            if from != to && there.is_some_and(|pin| pin.kind == kind_of(PinMode::Recursive)) {
                return Err(ApiError::new(ErrorKind::Conflict, "'to' cid was already recursively pinned"));
            }
            let keep = store.temp_pin();
            keep.protect(&to);
            handle.fetch_all(&to).await?;
            let target = to.clone();
            blocking(move || match store.pins().update(&from, &target, unpin) {
                Err(StoreError::NotPinned { .. }) => {
                    Err(ApiError::not_found("'from' cid was not recursively pinned already"))
                }
                other => other.map_err(store_error),
            })
            .await?;
            drop(keep);
            Ok(())
        })
    }
}

impl Handle {
    /// Gets every block below a root that is not here.
    pub(crate) async fn fetch_all(&self, root: &Cid) -> Result<(), ApiError> {
        let blocks = walk::fetch(self.copying_getter()?, root.clone());
        blocks.try_for_each(|_| std::future::ready(Ok(()))).await.map_err(|error| with_kind(error.kind(), error))
    }
}

impl Inner {
    /// Pins if everything is here; says whether it was.
    async fn try_pin(self: &std::sync::Arc<Self>, cid: &Cid, options: &PinOptions) -> Result<bool, ApiError> {
        match self.pin_now(cid, options).await? {
            Ok(()) => Ok(true),
            Err(StoreError::Incomplete { .. } | StoreError::NotHere { .. }) => Ok(false),
            Err(error) => Err(store_error(error)),
        }
    }

    async fn pin(self: &std::sync::Arc<Self>, cid: &Cid, options: &PinOptions) -> Result<(), ApiError> {
        self.pin_now(cid, options).await?.map_err(store_error)
    }

    async fn pin_now(
        self: &std::sync::Arc<Self>,
        cid: &Cid,
        options: &PinOptions,
    ) -> Result<Result<(), StoreError>, ApiError> {
        let (inner, cid, options) = (self.clone(), cid.clone(), options.clone());
        blocking(move || {
            let store = inner.store()?;
            let old = store.pins().get(&cid).map_err(store_error)?;
            if options.mode == PinMode::Direct && old.as_ref().is_some_and(|p| p.kind == kind_of(PinMode::Recursive)) {
                return Err(ApiError::new(ErrorKind::Conflict, format!("{cid} already pinned recursively")));
            }
            let name = options.name.or(old.map(|pin| pin.name)).unwrap_or_default();
            let pin = merkury_store::Pin {
                expires_unix_secs: options.expires_unix_secs,
                ..merkury_store::Pin::new(cid, kind_of(options.mode), name)
            };
            Ok(store.pins().add_many(&[pin]))
        })
        .await
    }

    fn list_pins(&self, filter: &PinFilter, items: &Groups<'_, PinEntry>) -> Result<(), ApiError> {
        let store = self.store()?;
        let all = !(filter.direct || filter.recursive || filter.indirect);
        let wanted = |name: &str| filter.name_contains.as_ref().is_none_or(|part| name.contains(part.as_str()));
        for pin in store.pins().list().map_err(store_error)? {
            let pin = pin.map_err(store_error)?;
            let kind = mode_of(pin.kind);
            let is_kind =
                all || (filter.direct && kind == PinKind::Direct) || (filter.recursive && kind == PinKind::Recursive);
            if is_kind && wanted(&pin.name) && items.send(entry_of(pin)).is_err() {
                return Ok(());
            }
        }
        if (all || filter.indirect) && filter.name_contains.is_none() {
            let mut each = |cid: &Cid, _root: &Cid| {
                let entry = indirect(cid, None);
                // The reader left: the walk goes on in memory, which is quick.
                let _ = items.send(entry);
                Ok(())
            };
            store.pins().list_indirect(!all, &mut each).map_err(store_error)?;
        }
        self.list_kubo_pins(filter, items)
    }

    fn look_up_pins(&self, filter: &PinFilter, items: &Groups<'_, PinEntry>) -> Result<(), ApiError> {
        let store = self.store()?;
        let all = !(filter.direct || filter.recursive || filter.indirect);
        for (cid, path) in &filter.cids {
            let how = store.pins().how(cid).map_err(store_error)?;
            let only_indirect = filter.indirect && !filter.direct && !filter.recursive;
            let entry = match how {
                // What is pinned both directly and from above is listed as either.
                Some(PinnedHow::Pinned(pin)) if only_indirect && pin.kind == merkury_store::PinKind::Direct => {
                    store.pins().above(cid).map_err(store_error)?.map(|root| indirect(cid, Some(root)))
                }
                Some(PinnedHow::Pinned(pin)) => Some(entry_of(pin)),
                Some(PinnedHow::Indirect { root }) => Some(indirect(cid, Some(root))),
                None => self.kubo_pin(cid)?,
            };
            let entry = entry.filter(|entry| {
                all || match entry.kind {
                    PinKind::Direct => filter.direct,
                    PinKind::Recursive => filter.recursive,
                    PinKind::Indirect { .. } => filter.indirect,
                }
            });
            let entry = entry.ok_or_else(|| {
                ApiError::not_found(format!("path '{path}' is not pinned")).hint("merkury pin ls prints what is pinned")
            })?;
            if items.send(entry).is_err() {
                return Ok(());
            }
        }
        Ok(())
    }
}
