//! A new repository: identity, configuration, profiles, and the empty directory that Kubo pins too.

use std::path::Path;

use bytes::Bytes;
use merkury_api::{ApiError, KeyKind};
use merkury_core::block::CidFormat;
use merkury_core::cid::codec_code;
use merkury_core::multihash::code;
use merkury_core::{Block, BlockPut, PeerId};
use merkury_store::{PinKind, Repo, Store};
use serde_json::Value;

use crate::api::generate_key;
use crate::config::{self, identity, profiles};
use crate::inner::{repo_error, store_error};

/// The empty UnixFS directory: a dag-pb node whose data is the message `Type: Directory`.
const EMPTY_DIRECTORY: &[u8] = &[0x0a, 0x02, 0x08, 0x01];

/// What a new repository is made of.
#[derive(Clone, Debug)]
pub struct InitOptions {
    /// Kind of the identity's key.
    pub key: KeyKind,
    /// Profiles, applied in order.
    pub profiles: Vec<String>,
    /// A configuration to start from instead of the defaults, with the identity in it.
    pub config: Option<Value>,
}

impl Default for InitOptions {
    fn default() -> Self {
        Self { key: crate::DEFAULT_KEY_KIND, profiles: Vec::new(), config: None }
    }
}

/// A repository that was just made.
#[derive(Clone, Debug)]
pub struct Initialised {
    /// Its identity.
    pub peer_id: PeerId,
}

/// Makes a repository at `path`. Fails with `Conflict` when there is one; durable when it returns.
pub fn init(path: &Path, options: &InitOptions) -> Result<Initialised, ApiError> {
    let repo = Repo::at(path);
    if repo.is_initialised() {
        return Err(ApiError::new(
            merkury_core::ErrorKind::Conflict,
            "ipfs configuration file already exists!\nReinitializing would overwrite your keys\n",
        ));
    }
    let mut document = options.config.clone().unwrap_or_else(config::default_document);
    for profile in &options.profiles {
        profiles::apply(&mut document, profile)?;
    }
    let pair = match &options.config {
        Some(given) => own_identity(given)?,
        None => generate_key(options.key)?,
    };
    identity::write(&mut document, &pair)?;
    config::check(&document)?;
    let lock = repo.lock().map_err(repo_error)?;
    let store = Store::open(&repo.store_dir(), merkury_store::Options::default()).map_err(store_error)?;
    keep_empty_directory(&store)?;
    make_places(&repo, &document)?;
    // The configuration is written last: a crash before it leaves no repository.
    let spec = config::datastore::on_disk(&document).to_string();
    repo.init_for(&config::render(&document), &spec).map_err(repo_error)?;
    drop(store);
    drop(lock);
    Ok(Initialised { peer_id: pair.peer_id() })
}

/// The directories a Kubo on this repository would use: empty here, but programs know a repository by them.
fn make_places(repo: &Repo, document: &Value) -> Result<(), ApiError> {
    for name in config::datastore::places(document) {
        let path = repo.path().join(name);
        std::fs::create_dir_all(&path)
            .map_err(|error| ApiError::internal(format!("cannot create {}: {error}", path.display())))?;
    }
    Ok(())
}

/// The identity of a configuration to start from: without one every later start would fail.
fn own_identity(given: &Value) -> Result<merkury_core::keys::Keypair, ApiError> {
    let key = config::document::get(given, "Identity.PrivKey").ok().and_then(Value::as_str).unwrap_or_default();
    if key.is_empty() {
        return Err(ApiError::invalid(
            "config file has no Identity.PrivKey. Pass a copy of a repo's 'config' file, not the output of 'ipfs config \
             show'",
        ));
    }
    Ok(identity::read(given)?)
}

/// IPFS Desktop asks for this block to see whether a daemon is one.
fn keep_empty_directory(store: &Store) -> Result<(), ApiError> {
    let block = Block::build(CidFormat::V0, codec_code::DAG_PB, code::SHA2_256, Bytes::from_static(EMPTY_DIRECTORY))
        .map_err(|error| ApiError::internal(error.to_string()))?;
    let cid = block.cid().clone();
    store.put_many(vec![block])?;
    store.pins().add(&cid, PinKind::Recursive, "").map_err(store_error)
}
