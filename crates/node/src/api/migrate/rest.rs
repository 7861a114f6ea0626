//! What is small: the mutable file system, keys, IPNS records, configuration and identity.

use merkury_api::{ApiError, Mfs, MfsCopyOptions, MigrateRequest};
use merkury_core::keys::Keypair;
use merkury_store::{KeyStoreError, Repo};
use serde_json::Value;
use tokio::runtime::Handle as Runtime;

use super::Run;
use crate::api::keys::key_store_error;
use crate::config::{document, identity};
use crate::inner::store_error;
use crate::kubo_view::kubo_error;

/// Where Kubo's mutable file system goes when there is one of ours already.
const MFS_BESIDE: &str = "/from-kubo";
/// The root of a file system that was never used.
const EMPTY_DIRECTORY: &str = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn";
/// Table of the store that keeps IPNS records: bytes of the peer id → the signed record.
pub(crate) const IPNS_TABLE: &str = "ipns.records";
/// What of a configuration is never taken over: the identity has its own switch, the stores are not Kubo's, and ours stays.
const KEPT_OF_CONFIG: &[&str] = &["Identity", "Datastore.Spec", "Merkury"];

impl Run<'_> {
    /// Kubo's file system becomes ours when there is nothing in ours, else a directory in it.
    pub(super) fn mfs(&mut self) -> Result<(), ApiError> {
        let Some(root) = self.source.mfs_root().map_err(kubo_error)? else { return Ok(()) };
        let store = self.handle.inner.store()?;
        if !store.is_here(&root) {
            return self.problem("the mutable file system", format!("its root {root} is not here"));
        }
        if self.handle.adopt_mfs_root(&root)? {
            self.done.mfs = Some("/".into());
            return Ok(());
        }
        let beside = || Runtime::current().block_on(self.handle.stat(MFS_BESIDE.into(), false)).ok();
        let ours = Runtime::current().block_on(self.handle.stat("/".into(), false)).map(|stat| stat.cid).ok();
        if ours.as_ref() == Some(&root)
            || root.to_string() == EMPTY_DIRECTORY
            || beside().is_some_and(|stat| stat.cid == root)
        {
            return Ok(());
        }
        let options = MfsCopyOptions { parents: false, force: false, flush: true };
        let copied = self.handle.copy(format!("/ipfs/{root}"), MFS_BESIDE.into(), options);
        match Runtime::current().block_on(copied) {
            Ok(()) => {
                self.done.mfs = Some(MFS_BESIDE.into());
                Ok(())
            }
            Err(error) => self.problem("the mutable file system", error),
        }
    }

    /// Copies key files; a key of ours with the same name stays.
    pub(super) fn keys(&mut self) -> Result<(), ApiError> {
        let Some(directory) = self.source.directory() else {
            return self
                .problem("keys", "a running Kubo on another machine does not give them; use ipfs key export there");
        };
        let (theirs, ours) = (Repo::at(directory).keystore(), self.handle.inner.repo.keystore());
        for name in theirs.list().map_err(key_store_error)? {
            let key = match theirs.get(&name) {
                Ok(key) => key,
                Err(error) => {
                    self.problem(format!("key {name}"), error)?;
                    continue;
                }
            };
            if ours.get(&name).is_ok_and(|known| known == key) {
                continue;
            }
            if let Err(error) = Keypair::from_protobuf(&key) {
                self.problem(format!("key {name}"), format!("it is damaged: {error}"))?;
                continue;
            }
            match ours.put(&name, &key) {
                Ok(()) => self.done.keys += 1,
                Err(KeyStoreError::Exists { .. }) => {
                    self.problem(format!("key {name}"), "another key of that name is here and stays")?;
                }
                Err(error) => self.problem(format!("key {name}"), error)?,
            }
        }
        Ok(())
    }

    /// Keeps signed records as they are: whoever publishes names later goes on from them.
    pub(super) fn ipns_records(&mut self) -> Result<(), ApiError> {
        let mut rows = Vec::new();
        self.source.each_ipns_record(&mut |peer, record| rows.push((peer, Some(record)))).map_err(kubo_error)?;
        if rows.is_empty() {
            return Ok(());
        }
        self.done.ipns_records = rows.len() as u64;
        let store = self.handle.inner.store()?;
        store.meta().set_many(IPNS_TABLE, rows).map_err(store_error)
    }

    /// Takes over the configuration and the identity, each only when asked for. Both count from the next start.
    pub(super) fn config(&mut self, request: &MigrateRequest) -> Result<(), ApiError> {
        if !request.config && !request.identity {
            return Ok(());
        }
        let theirs = self.source.config().map_err(kubo_error)?;
        if request.config {
            self.handle.inner.change_config(|config| {
                let mut next = theirs.clone();
                for key in KEPT_OF_CONFIG {
                    match document::get(config, key) {
                        Ok(value) => document::set(&mut next, key, value.clone())?,
                        Err(_) => document::set(&mut next, key, Value::Null)?,
                    }
                }
                *config = next;
                Ok(())
            })?;
            self.done.config = true;
        }
        if request.identity {
            match identity::read(&theirs) {
                Ok(pair) => {
                    self.handle.inner.change_config(|config| Ok(identity::write(config, &pair)?))?;
                    self.done.identity = Some(pair.peer_id().to_string());
                }
                Err(error) => {
                    self.problem("the identity", format!("Kubo's configuration does not give it: {error}"))?
                }
            }
        }
        Ok(())
    }
}
