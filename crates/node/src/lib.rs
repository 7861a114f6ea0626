//! The node: configuration, life cycle, and [`merkury_api`] over store, UnixFS and network.
//!
//! Parts: [`config`] (Kubo's file, typed), [`init`] (a new repository), [`OpenNode`] (an open one; implements
//! [`merkury_api::Node`]), `stores` (the store and what wraps it), `getter` and `ingest` (blocks from here or from peers), `api/` (one file a
//! trait).
//!
//! Life cycle: [`OpenNode::open`] reads the configuration only; the store is opened and locked on first use;
//! [`OpenNode::go_online`] starts the network and, with it, what a daemon does; [`OpenNode::close`] ends it.
//!
//! Invariants: an answer that says stored, pinned or changed is durable. Dropping a future or stream gives up its work.

mod address_files;
mod announce;
mod api;
pub mod config;
mod expiry;
mod getter;
mod history;
mod ingest;
mod init;
mod inner;
mod kubo_view;
mod network;
mod remembered;
mod scrub;
mod stores;
mod strategy;
mod stream;
mod upkeep;

use std::path::Path;
use std::sync::Arc;

use merkury_api::{Answer, Api, ApiError, Checkup, KeyKind, Node, Reach};
use merkury_core::PeerId;

pub use address_files::AddressFiles;
pub use init::{InitOptions, Initialised, init};
use inner::{Handle, Inner};

/// An open repository, with or without a network. Cheap to clone.
#[derive(Clone)]
pub struct OpenNode {
    inner: Arc<Inner>,
}

impl OpenNode {
    /// Opens the repository at `path`. Takes no lock and reads no blocks yet.
    pub fn open(path: &Path) -> Result<Self, ApiError> {
        Ok(Self { inner: Inner::open(path)? })
    }

    /// Who this node is, from the configuration alone.
    pub fn peer_id(&self) -> Result<PeerId, ApiError> {
        Ok(config::identity::peer_id(&self.inner.config.read())?)
    }

    /// The whole configuration as it is now, secrets included: for the program's own start-up, never for a surface.
    pub fn config(&self) -> serde_json::Value {
        self.inner.config.read().clone()
    }

    /// Strings of the configuration: a list, or one string that counts as a list of one.
    pub fn setting_list(&self, key: &str) -> Result<Vec<String>, ApiError> {
        Ok(config::View(&self.inner.config.read()).list(key)?)
    }

    /// Sets a dotted key for this run alone; the file stays as it is.
    pub fn override_setting(&self, key: &str, value: serde_json::Value) -> Result<(), ApiError> {
        let mut config = self.inner.config.write();
        config::document::set(&mut config, key, value.clone())?;
        self.inner.overrides.lock().push((key.to_owned(), value));
        Ok(config::check(&config)?)
    }

    /// Where the repository is.
    pub fn path(&self) -> &Path {
        self.inner.repo.path()
    }

    /// Tells other programs where the servers are: the multiaddr of the RPC, the URL of the gateway.
    pub fn publish_addresses(&self, api: Option<&str>, gateway: Option<&str>) -> Result<AddressFiles, ApiError> {
        AddressFiles::write(&self.inner.repo, api, gateway)
    }

    /// Opens the store now and locks the repository: a daemon does this before anything else.
    pub fn lock(&self) -> Result<(), ApiError> {
        self.inner.store().map(|_| ())
    }

    /// What is wrong with the repository and what to do about it, for the person who starts a daemon. Empty when all is well.
    pub fn start_checkup(&self) -> Result<Vec<Checkup>, ApiError> {
        self.inner.start_checkup()
    }

    /// Starts the network.
    pub async fn go_online(&self, agent: &str) -> Result<(), ApiError> {
        api::check_name_settings(&self.inner.config.read())?;
        network::start(&self.inner, agent).await
    }

    /// Begins to look after the store as long as the node lives: space, pins that expire, damage. With `collects`, garbage is collected too, as `--enable-gc` says.
    /// Call it within the runtime, once.
    pub fn look_after_store(&self, collects: bool) {
        let node = Arc::downgrade(&self.inner);
        let tasks = [
            tokio::spawn(upkeep::run(node.clone(), collects)),
            tokio::spawn(expiry::run(node.clone())),
            tokio::spawn(scrub::run(node)),
        ];
        *self.inner.upkeep.lock() = tasks.iter().map(tokio::task::JoinHandle::abort_handle).collect();
    }

    /// Resolves when somebody asked the node to stop (see [`Node::shutdown`]).
    pub async fn stop_asked(&self) {
        let mut asked = self.inner.stop.subscribe();
        // The sender lives as long as `self`, so this ends only by the value.
        let _ = asked.wait_for(|stop| *stop).await;
    }

    /// Stops the network and closes the store. What was acknowledged is durable already.
    pub async fn close(self) {
        self.inner.upkeep.lock().drain(..).for_each(|task| task.abort());
        if let Some(net) = self.inner.net.get() {
            net.shutdown().await;
        }
        self.inner.save_files();
        self.inner.close_store();
    }
}

impl Node for OpenNode {
    fn api(&self, reach: Reach) -> Api {
        Handle { inner: self.inner.clone(), reach }.into_api()
    }

    fn is_online(&self) -> bool {
        self.inner.net.get().is_some()
    }

    fn shutdown(&self) -> Answer<'_, ()> {
        self.inner.stop.send_replace(true);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Whether another process holds the repository at `path`: a daemon, or a command that works in process.
pub fn is_locked(path: &Path) -> bool {
    matches!(merkury_store::Repo::at(path).lock(), Err(merkury_store::RepoError::Locked { .. }))
}

/// The default kind of a new key.
pub const DEFAULT_KEY_KIND: KeyKind = KeyKind::Ed25519;
