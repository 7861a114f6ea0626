//! Telling the DHT what is kept here: roots of adds and pins at once, all pins again in every cycle.
//!
//! The cycle walks the pins in the order of their CIDs; how far it came is kept in the store, so a restart goes on.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use merkury_core::Cid;
use merkury_net::routing::provide::{ProvideBatch, ProvideProgress, ProvideSource};
use merkury_store::Store;
use serde::{Deserialize, Serialize};

use crate::config::View;
use crate::inner::Inner;

/// Table of the store that holds the place.
const TABLE: &str = "provide";
/// Its one key.
const KEY: &[u8] = b"cycle";

impl Inner {
    /// Queues roots for announcing when there is a network and providing is not switched off. Never waits: what a
    /// full queue drops comes with the next cycle.
    pub(crate) fn announce_roots(&self, roots: &[Cid]) {
        if let Some(net) = self.net.get()
            && self.provides()
        {
            roots.iter().for_each(|root| net.providing().announce(root.clone()));
        }
    }

    /// `Provide.Enabled`, on unless switched off.
    pub(crate) fn provides(&self) -> bool {
        View(&self.config.read()).flag("Provide.Enabled", true).unwrap_or(true)
    }
}

/// The pins as a source of announcements.
pub(crate) struct Pinned {
    pub(crate) store: Arc<Store>,
}

#[derive(Default, Serialize, Deserialize)]
struct Saved {
    started_unix_secs: Option<u64>,
    place: Option<Vec<u8>>,
    complete: bool,
}

impl ProvideSource for Pinned {
    fn batch(&self, after: Option<&[u8]>, max: usize) -> Result<ProvideBatch, String> {
        let pins = self.store.pins().list_after(after).map_err(|error| error.to_string())?;
        let mut cids = Vec::new();
        for pin in pins.take(max) {
            cids.push(pin.map_err(|error| error.to_string())?.cid);
        }
        let next = if cids.len() < max { None } else { cids.last().map(Cid::to_bytes) };
        Ok(ProvideBatch { cids, next })
    }

    fn progress(&self) -> ProvideProgress {
        let saved = self.store.meta().get(TABLE, KEY).ok().flatten();
        let saved: Saved = saved.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        ProvideProgress {
            started: saved.started_unix_secs.map(|secs| SystemTime::UNIX_EPOCH + Duration::from_secs(secs)),
            place: saved.place,
            complete: saved.complete,
        }
    }

    fn save_progress(&self, progress: &ProvideProgress) -> Result<(), String> {
        let started = progress.started.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        let saved = Saved {
            started_unix_secs: started.map(|since| since.as_secs()),
            place: progress.place.clone(),
            complete: progress.complete,
        };
        let bytes = serde_json::to_vec(&saved).map_err(|error| error.to_string())?;
        self.store.meta().set(TABLE, KEY, &bytes).map_err(|error| error.to_string())
    }
}
