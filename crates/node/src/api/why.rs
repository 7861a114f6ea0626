//! What keeps a block, with the names on the way.

use merkury_api::{ApiError, Keeper, KeptBy, PinMode, WhyKept};
use merkury_core::codec::unixfs::Kind;
use merkury_core::{BlockHas, Cid};
use merkury_store::Store;
use merkury_unixfs::node::Node;

use super::mfs::ROOT as MFS_ROOT;
use crate::inner::{Inner, store_error};

/// Most reasons told.
const REASONS_MAX: usize = 16;

impl Inner {
    /// What keeps a block. Reads only the blocks on the way from each keeper, for their links' names.
    pub(crate) fn why(&self, cid: &Cid) -> Result<WhyKept, ApiError> {
        let store = self.store()?;
        self.expire_pins(&store)?;
        let unsaved_mfs = self.mfs.unsaved_root();
        let why = store.why(cid, REASONS_MAX).map_err(store_error)?;
        let kept_by = why.kept_by.into_iter().map(|merkury_store::KeptBy { keeper, chain }| {
            let path = names_on(&store, &chain);
            KeptBy { keeper: keeper_of(keeper, chain.first(), unsaved_mfs.as_ref()), chain, path }
        });
        Ok(WhyKept { kept_by: kept_by.collect(), more: why.more, is_here: store.has(cid) })
    }
}

fn keeper_of(keeper: merkury_store::Keeper, top: Option<&Cid>, unsaved_mfs: Option<&Cid>) -> Keeper {
    match keeper {
        merkury_store::Keeper::Pin(pin) => Keeper::Pin {
            mode: match pin.kind {
                merkury_store::PinKind::Direct => PinMode::Direct,
                merkury_store::PinKind::Recursive => PinMode::Recursive,
            },
            name: pin.name,
            expires_unix_secs: pin.expires_unix_secs,
        },
        merkury_store::Keeper::Root { name } if name == MFS_ROOT => Keeper::Mfs,
        merkury_store::Keeper::Root { name } => Keeper::Root { name },
        // A change that is not flushed yet is kept by a temporary pin.
        merkury_store::Keeper::Temporary if top.is_some() && top == unsaved_mfs => Keeper::Mfs,
        merkury_store::Keeper::Temporary | merkury_store::Keeper::Running => Keeper::Operation,
    }
}

/// Names of the links of a chain of blocks, as far as they are here and have names.
fn names_on(store: &Store, chain: &[Cid]) -> Vec<String> {
    chain
        .windows(2)
        .filter_map(|pair| if let [parent, child] = pair { name_of(store, parent, child) } else { None })
        .collect()
}

fn name_of(store: &Store, parent: &Cid, child: &Cid) -> Option<String> {
    // Stored under another version or codec than it is linked with, perhaps: what counts are its bytes.
    let block = store.get(parent).ok()??;
    let Node::Pb(node, message) = Node::of_block(&block).ok()? else { return None };
    let link = node.links.iter().find(|link| link.cid.hash() == child.hash())?;
    let name = link.name_text();
    match message.kind {
        Kind::Directory => Some(name.into_owned()),
        // Two letters say where in the shard; what follows is the name, if it is no shard below.
        Kind::HamtShard => name.get(2..).filter(|name| !name.is_empty()).map(str::to_owned),
        _ => None,
    }
}
