//! A look at every structure of the repository: what is wrong, and what to do about it.

use merkury_api::{ApiError, Checkup};
use merkury_core::keys::Keypair;
use merkury_core::{BlockHas, Cid};
use merkury_store::Store;

use super::mfs::ROOT as MFS_ROOT;
use crate::inner::{Inner, store_error};
use crate::stream::Items;

impl Inner {
    /// Looks at everything; an item a structure.
    pub(crate) fn check_up(&self, accept_pins: bool, items: &Items<Checkup>) -> Result<(), ApiError> {
        // A reader that left stops nothing: the index is built to its end.
        let tell = |item| {
            let _ = items.send(item);
        };
        // It was read when the repository was opened.
        tell(well("configuration", "readable".to_owned()));
        tell(self.keys_checkup());
        let (store, index) = self.rebuild_index()?;
        if accept_pins {
            store.accept_pins().map_err(store_error)?;
        }
        tell(index);
        tell(segments_checkup(&store));
        tell(quarantine_checkup(&store)?);
        tell(pins_checkup(&store)?);
        tell(broken_pins_checkup(&store)?);
        tell(mfs_checkup(&store));
        if let Some(copies) = self.copies_checkup()? {
            tell(copies);
        }
        Ok(())
    }

    /// What a person should know when the daemon starts: only what is wrong.
    pub(crate) fn start_checkup(&self) -> Result<Vec<Checkup>, ApiError> {
        let store = self.store()?;
        let all = [segments_checkup(&store), quarantine_checkup(&store)?, pins_checkup(&store)?, mfs_checkup(&store)];
        Ok(all
            .into_iter()
            .chain([self.keys_checkup()])
            .chain(self.copies_checkup()?)
            .filter(|item| !item.is_well)
            .collect())
    }

    /// Copies on other disks, if there are to be any.
    fn copies_checkup(&self) -> Result<Option<Checkup>, ApiError> {
        let Some(mirror) = self.stores()?.mirror.clone() else { return Ok(None) };
        let states = mirror.states();
        let behind: Vec<String> =
            states.iter().filter_map(|copy| Some(format!("{}: {}", copy.name, copy.behind.as_ref()?))).collect();
        Ok(Some(match behind.is_empty() {
            true => well("copies", format!("{} have everything", states.len())),
            false => ill(
                "copies",
                format!("{} of {} lack blocks: {}", behind.len(), states.len(), behind.join("; ")),
                "while a daemon runs, a copy whose disk can be written to again is brought up to date by itself within five \
                 minutes",
            ),
        }))
    }

    fn keys_checkup(&self) -> Checkup {
        let store = self.repo.keystore();
        let names = match store.list() {
            Ok(names) => names,
            Err(error) => return ill("keys", error.to_string(), "see to it that the directory keystore can be read"),
        };
        let is_damaged = |name: &&String| store.get(name).map_or(true, |bytes| Keypair::from_protobuf(&bytes).is_err());
        let damaged: Vec<&str> = names.iter().filter(is_damaged).map(String::as_str).collect();
        if damaged.is_empty() {
            return well("keys", format!("{} readable", names.len()));
        }
        let found = format!("{} of {} cannot be read: {}", damaged.len(), names.len(), damaged.join(", "));
        ill("keys", found, "merkury key import brings one back from an export; merkury key rm gives it up")
    }
}

fn segments_checkup(store: &Store) -> Checkup {
    match store.damage() {
        [] => {
            let stat = store.stat();
            well("segments", format!("{} blocks, {} bytes", stat.blocks, stat.block_bytes))
        }
        damage => ill(
            "segments",
            damage.join("; "),
            "merkury pin verify names the pins that lost blocks; merkury pin add CID fetches them again",
        ),
    }
}

fn quarantine_checkup(store: &Store) -> Result<Checkup, ApiError> {
    let damaged = store.quarantine().map_err(store_error)?.len();
    Ok(match damaged {
        0 => well("blocks", "none is known to be damaged".to_owned()),
        count => ill(
            "blocks",
            format!("{count} damaged and put aside"),
            "merkury repo verify --heal fetches them again; --drop gives them up",
        ),
    })
}

fn pins_checkup(store: &Store) -> Result<Checkup, ApiError> {
    let count = store.pins().count().map_err(store_error)?;
    let damage = store.metadata_damage().map_err(store_error)?.join("; ");
    Ok(match (store.pins_in_doubt().map_err(store_error)?, damage) {
        (Some(why), _) => ill(
            "pins",
            format!("{count} are left: {why}"),
            "nothing is collected until you say that they are complete: look at merkury pin ls --names, pin what is \
             missing, then merkury repo fsck --accept-pins",
        ),
        (None, damage) if damage.is_empty() => well("pins", format!("{count} readable")),
        // Mended as it was read; the next change writes it anew.
        (None, damage) => well("pins", format!("{count} readable; {damage}")),
    })
}

fn broken_pins_checkup(store: &Store) -> Result<Checkup, ApiError> {
    let (mut whole, mut broken) = (0u64, Vec::new());
    let mut each = |cid: Cid, bad: Vec<_>| {
        match bad.len() {
            0 => whole += 1,
            _ => broken.push(cid),
        }
        true
    };
    store.pins().verify(&mut each).map_err(store_error)?;
    Ok(match broken.first() {
        None => well("pinned blocks", format!("all here, below {whole} recursive pins")),
        Some(first) => ill(
            "pinned blocks",
            format!(
                "{} of {} recursive pins lack blocks, the first is {first}",
                broken.len(),
                whole + broken.len() as u64
            ),
            "merkury pin verify names all; merkury pin add CID fetches what is missing",
        ),
    })
}

fn mfs_checkup(store: &Store) -> Checkup {
    const WHAT: &str = "files";
    const NEXT: &str = "merkury block get CID fetches it from peers; everything else works without it";
    let root = match store.roots().get(MFS_ROOT) {
        Ok(None) => return well(WHAT, "empty".to_owned()),
        Ok(Some(root)) => root,
        Err(error) => return ill(WHAT, error.to_string(), NEXT),
    };
    let block = match store.get(&root) {
        Ok(Some(block)) => block,
        Ok(None) => return ill(WHAT, format!("the top of the mutable file system, {root}, is not here"), NEXT),
        Err(error) => return ill(WHAT, error.to_string(), NEXT),
    };
    match merkury_unixfs::node::Node::of_block(&block) {
        Ok(_) if store.has(&root) => well(WHAT, format!("the top is {root}")),
        Ok(_) => ill(WHAT, format!("the top of the mutable file system, {root}, is not here"), NEXT),
        Err(error) => ill(WHAT, error.to_string(), NEXT),
    }
}

pub(crate) fn well(what: &str, found: String) -> Checkup {
    Checkup { what: what.to_owned(), is_well: true, found, next: String::new() }
}

fn ill(what: &str, found: String, next: &str) -> Checkup {
    Checkup { what: what.to_owned(), is_well: false, found, next: next.to_owned() }
}
