//! [`Repo`]: the repository as a whole.

use std::time::{Duration, SystemTime};

use merkury_api::{
    Amount, Answer, ApiError, Checkup, GcEvent, GcPreview, GcRequest, ItemStream, Repo, RepoStat, RepoVersion,
    VerifyEvent, VerifyOptions,
};
use merkury_core::{Cid, ErrorKind};
use merkury_store::{GcOptions, REPO_VERSION};

use crate::config::View;
use crate::inner::{Handle, store_error};
use crate::stream::{self, Items};
use crate::upkeep;

/// Removed blocks told in one item.
const TOLD_TOGETHER: usize = 512;
/// How long a collection, for which writers may wait, waits for whoever reads what it removed.
const READER_PATIENCE: Duration = Duration::from_secs(10);

/// Whoever is told what was removed.
struct Told<'a> {
    items: &'a Items<GcEvent>,
    cids: Vec<Cid>,
    is_gone: bool,
}

impl Told<'_> {
    fn tell(&mut self, event: merkury_store::GcEvent) {
        if let merkury_store::GcEvent::Removed { cid, .. } = event {
            self.cids.push(cid);
            if self.cids.len() >= TOLD_TOGETHER {
                self.flush();
            }
        }
    }

    fn flush(&mut self) {
        let cids = std::mem::take(&mut self.cids);
        if !cids.is_empty() && !self.is_gone {
            // A reader that left does not stop a collection half way.
            self.is_gone = self.items.send_within(GcEvent::Removed(cids), READER_PATIENCE).is_err();
        }
    }
}

fn preview_of(preview: &merkury_store::GcPreview) -> GcPreview {
    let amount = |amount: merkury_store::Amount| Amount { blocks: amount.blocks, bytes: amount.bytes };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let ago = |seconds: u32| now.saturating_sub(seconds.into());
    GcPreview {
        garbage: amount(preview.garbage),
        garbage_rested: preview.garbage_used.map(|(oldest, newest)| (ago(oldest), ago(newest))),
        pinned: amount(preview.pinned),
        files: amount(preview.rooted),
        in_use: amount(preview.in_use),
        segments_dropped: preview.segments_dropped,
        segments_compacted: preview.segments_compacted,
        bytes_freed: preview.reclaimed_bytes,
    }
}

impl Repo for Handle {
    fn stat(&self) -> Answer<'_, RepoStat> {
        Box::pin(async move {
            let stat = self.inner.store()?.stat();
            Ok(RepoStat {
                size: stat.disk_bytes,
                storage_max: View(&self.inner.config.read()).storage_max()?,
                objects: stat.blocks,
                path: self.inner.repo.path().display().to_string(),
                version: format!("fs-repo@{REPO_VERSION}"),
            })
        })
    }

    fn gc(&self, request: GcRequest) -> ItemStream<GcEvent> {
        let inner = self.inner.clone();
        stream::from_blocking(move |items| {
            let stores = inner.stores()?;
            let mut options = GcOptions { silent: request.silent, ..GcOptions::default() };
            options.pace = upkeep::pace(&inner.config.read())?;
            if request.dry_run {
                let preview = stores.main.gc_preview(&options).map_err(store_error)?;
                let _ = items.send(GcEvent::Preview(preview_of(&preview)));
                return Ok(());
            }
            // Who asks for a collection wants the space back: what only undo steps keep goes too.
            crate::history::forget_all(&stores.main)?;
            let mut told = Told { items, cids: Vec::new(), is_gone: false };
            let stats = stores.main.gc(&options, &mut |event| told.tell(event)).map_err(store_error)?;
            told.flush();
            // Copies on other disks drop what the store dropped.
            if let Some(mirror) = &stores.mirror {
                mirror.catch_up();
            }
            if told.is_gone {
                let why = "everything was collected, but the list of what was removed is incomplete: it was not read";
                return Err(ApiError::new(ErrorKind::Timeout, why));
            }
            let done = GcEvent::Done { blocks: stats.removed_blocks, bytes_freed: stats.reclaimed_bytes };
            let _ = items.send(done);
            Ok(())
        })
    }

    fn version(&self) -> Answer<'_, RepoVersion> {
        Box::pin(async move { Ok(RepoVersion { version: REPO_VERSION.to_string() }) })
    }

    fn verify(&self, options: VerifyOptions) -> ItemStream<VerifyEvent> {
        self.verify_blocks(options)
    }

    fn check_up(&self, accept_pins: bool) -> ItemStream<Checkup> {
        let inner = self.inner.clone();
        stream::from_blocking(move |items| inner.check_up(accept_pins, items))
    }
}
