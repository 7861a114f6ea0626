//! [`merkury_api`] over store, UnixFS and network: one file a trait.

mod blocks;
mod checkup;
mod config;
mod dag;
mod files;
mod history;
mod keys;
mod kubo_pins;
pub(crate) mod mfs;
mod migrate;
mod name_records;
mod names;
mod peers;
mod pins;
mod records;
mod references;
mod repo;
mod routing;
mod space;
mod verify;
mod why;

use std::sync::Arc;

use merkury_api::{Api, ApiError, Reach};
use merkury_core::{BlockGet, ErrorKind};

pub(crate) use checkup::well;
pub(crate) use keys::generate as generate_key;
pub(crate) use mfs::MfsState;
pub(crate) use name_records::{NameState, check_settings as check_name_settings};
pub(crate) use verify::{decode_place, encode_place};

use crate::getter::{Getter, Reading, Remote};
use crate::inner::Handle;

impl Handle {
    /// All handles of this reach.
    pub(crate) fn into_api(self) -> Api {
        let shared = Arc::new(self);
        Api {
            blocks: shared.clone(),
            dag: shared.clone(),
            files: shared.clone(),
            mfs: shared.clone(),
            history: shared.clone(),
            pins: shared.clone(),
            names: shared.clone(),
            keys: shared.clone(),
            routing: shared.clone(),
            peers: shared.clone(),
            references: shared.clone(),
            repo: shared.clone(),
            migrate: shared.clone(),
            space: shared.clone(),
            config: shared.clone(),
            records: shared,
        }
    }

    /// Blocks for one reader: from here, and with [`Reach::Network`] from peers, in a session of its own.
    pub(crate) fn getter(&self) -> Result<Arc<dyn BlockGet>, ApiError> {
        self.getter_that(false)
    }

    /// As [`Handle::getter`], for what is to be pinned: all that is read is in the main store afterwards.
    pub(crate) fn copying_getter(&self) -> Result<Arc<dyn BlockGet>, ApiError> {
        self.getter_that(true)
    }

    fn getter_that(&self, copies: bool) -> Result<Arc<dyn BlockGet>, ApiError> {
        let stores = self.inner.stores()?;
        let remote = match (self.reach, self.inner.net.get(), self.inner.ingest.get()) {
            (Reach::Network, Some(net), Some(ingest)) => {
                Some(Remote { session: net.exchange().session(), ingest: ingest.clone() })
            }
            _ => None,
        };
        let reading = Reading::new(stores.main.reader_pin());
        Ok(Arc::new(Getter { stores, copies, remote, reading }))
    }
}

/// An error of any family that names its kind.
pub(crate) fn with_kind(kind: ErrorKind, error: impl std::fmt::Display) -> ApiError {
    ApiError::new(kind, error.to_string())
}
