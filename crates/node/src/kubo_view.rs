//! What a Kubo repository in the same directory says beside its blocks: pins and the root of its mutable file system.
//!
//! It is read, never written: pins of Kubo's are listed and cannot be removed here; what is pinned here is copied into our
//! store. While our lock is held Kubo does not run, so all of it stands still.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use merkury_api::ApiError;
use merkury_core::cid::codec_code;
use merkury_core::codec;
use merkury_core::{BlockGet, Cid, Multihash};
use merkury_kubo::leveldb::Snapshot;
use merkury_kubo::{KuboBlocks, KuboError, KuboPin, KuboRepo};

/// Kubo's side of the repository.
pub(crate) struct KuboView {
    repo: KuboRepo,
    blocks: Arc<KuboBlocks>,
    /// Read when it is first asked for.
    datastore: OnceLock<Snapshot>,
}

pub(crate) fn kubo_error(error: KuboError) -> ApiError {
    let made = ApiError::new(error.kind(), error.to_string());
    match error {
        KuboError::Unread { .. } => made.hint("start Kubo on it, then: merkury migrate --from /ip4/127.0.0.1/tcp/5001"),
        _ => made,
    }
}

/// How Kubo keeps a block.
pub(crate) enum KuboPinned {
    /// By a pin of its own.
    Itself(KuboPin),
    /// By a recursive pin above.
    Below(Cid),
}

impl KuboView {
    pub(crate) fn open(repo: KuboRepo) -> Result<Self, KuboError> {
        let blocks = Arc::new(KuboBlocks::new(repo.blocks()?));
        Ok(Self { repo, blocks, datastore: OnceLock::new() })
    }

    /// Its blocks.
    pub(crate) fn blocks(&self) -> &Arc<KuboBlocks> {
        &self.blocks
    }

    /// Calls `each` with every block until it answers `false`.
    pub(crate) fn each_block(&self, each: &mut dyn FnMut(Cid) -> bool) -> Result<(), ApiError> {
        let files = self.blocks.files();
        for shard in files.shards().map_err(kubo_error)? {
            for (hash, _) in files.list(&shard).map_err(kubo_error)? {
                if !each(Cid::v1(codec_code::RAW, hash)) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn datastore(&self) -> Result<&Snapshot, ApiError> {
        if let Some(datastore) = self.datastore.get() {
            return Ok(datastore);
        }
        let read = self.repo.datastore().map_err(kubo_error)?;
        Ok(self.datastore.get_or_init(|| read))
    }

    /// The root of the mutable file system.
    pub(crate) fn mfs_root(&self) -> Result<Option<Cid>, ApiError> {
        merkury_kubo::mfs_root(self.datastore()?).map_err(kubo_error)
    }

    /// Calls `each` with every pin until it answers `false`.
    pub(crate) fn each_pin(&self, each: &mut dyn FnMut(KuboPin) -> bool) -> Result<(), ApiError> {
        for pin in merkury_kubo::pins(self.datastore()?) {
            if !each(pin.map_err(kubo_error)?) {
                break;
            }
        }
        Ok(())
    }

    /// Calls `each` with every block below recursive pins, once each, with the pin it was first reached from, until it
    /// answers `false`. Reads every block with links; remembers the names of those that it saw.
    pub(crate) fn each_indirect(&self, each: &mut dyn FnMut(&Cid, &Cid) -> bool) -> Result<(), ApiError> {
        let mut seen: HashSet<Multihash> = HashSet::new();
        let mut go_on = true;
        let mut walk = |root: &Cid| {
            let mut stack = vec![root.clone()];
            while let Some(cid) = stack.pop().filter(|_| go_on) {
                // What is missing or damaged leads nowhere; reading it says so.
                let Ok(Some(block)) = self.blocks.get_local(&cid) else { continue };
                for link in codec::links(cid.codec(), block.data()).unwrap_or_default() {
                    if seen.insert(link.hash().clone()) && go_on {
                        go_on = each(&link, root);
                        if link.codec() != codec_code::RAW {
                            stack.push(link);
                        }
                    }
                }
            }
            go_on
        };
        self.each_pin(&mut |pin| if pin.recursive { walk(&pin.cid) } else { true })
    }

    /// How Kubo keeps this block, if it does.
    pub(crate) fn how(&self, cid: &Cid) -> Result<Option<KuboPinned>, ApiError> {
        if let Some(pin) = self.pin(cid)? {
            return Ok(Some(KuboPinned::Itself(pin)));
        }
        let mut found = None;
        self.each_indirect(&mut |below, root| {
            if below.hash() == cid.hash() {
                found = Some(KuboPinned::Below(root.clone()));
            }
            found.is_none()
        })?;
        Ok(found)
    }

    /// The pin of exactly this CID, through the index that Kubo keeps.
    pub(crate) fn pin(&self, cid: &Cid) -> Result<Option<KuboPin>, ApiError> {
        merkury_kubo::pin_of(self.datastore()?, cid).map_err(kubo_error)
    }
}
