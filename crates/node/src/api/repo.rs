//! [`Repo`]: the repository as a whole.

use merkury_api::{Answer, GcEvent, ItemStream, Repo, RepoStat, RepoVersion};
use merkury_store::{GcOptions, REPO_VERSION, VerifyEvent};

use crate::config::View;
use crate::inner::{Handle, store_error};
use crate::stream;

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

    fn gc(&self) -> ItemStream<GcEvent> {
        let inner = self.inner.clone();
        stream::from_blocking(move |items| {
            let stores = inner.stores()?;
            let store = &stores.main;
            let mut each = |event| {
                if let merkury_store::GcEvent::Removed { cid, .. } = event {
                    // A reader that left does not stop a collection half way.
                    let _ = items.send(GcEvent::Removed(cid));
                }
            };
            let stats = store.gc(&GcOptions::default(), &mut each).map_err(store_error)?;
            // Copies on other disks drop what the store dropped.
            if let Some(mirror) = &stores.mirror {
                mirror.catch_up().map_err(store_error)?;
            }
            let done = GcEvent::Done { blocks: stats.removed_blocks, bytes_freed: stats.reclaimed_bytes };
            let _ = items.send(done);
            Ok(())
        })
    }

    fn version(&self) -> Answer<'_, RepoVersion> {
        Box::pin(async move { Ok(RepoVersion { version: REPO_VERSION.to_string() }) })
    }

    fn verify(&self) -> ItemStream<String> {
        let inner = self.inner.clone();
        stream::from_blocking(move |items| {
            let mut each = |event| {
                if let VerifyEvent::Bad { cid, why } = event {
                    let name = cid.map_or("with an unreadable name".to_owned(), |cid| cid.to_string());
                    let _ = items.send(format!("block {name} was corrupt ({why})"));
                }
            };
            inner.store()?.verify(&mut each).map_err(store_error)
        })
    }
}
