//! Where a migration reads from: a repository directory, or a running Kubo.

use std::path::{Path, PathBuf};

use merkury_api::{ApiError, MigrateRequest};
use merkury_core::{Cid, ErrorKind, Multihash, PeerId};
use merkury_kubo::rpc::Address;
use merkury_kubo::{KuboError, KuboPin, KuboRepo, Rpc};
use serde_json::Value;

use crate::kubo_view::kubo_error;

/// Threads that read block files: a disk has more than one request to sort.
const FILE_READERS: usize = 4;
/// Connections to a running Kubo: each waits most of its time.
const RPC_READERS: usize = 8;

/// What a migration asks. All of it blocks.
pub(super) trait Source: Sync {
    /// For people: the directory, or the program and its address.
    fn name(&self) -> String;
    /// How much there is, as far as is known.
    fn bytes_total(&self) -> Option<u64>;
    /// How many [`Source::reader`]s pay.
    fn readers(&self) -> usize;
    /// Calls `each` with every block until it answers `false`.
    fn each_block(&self, each: &mut dyn FnMut(Multihash) -> bool) -> Result<(), KuboError>;
    /// Reads blocks, for one thread.
    fn reader(&self) -> Result<Box<dyn Reader + '_>, KuboError>;
    /// Calls `each` with every pin until it answers `false`.
    fn each_pin(&self, each: &mut dyn FnMut(KuboPin) -> bool) -> Result<(), KuboError>;
    /// The root of the mutable file system.
    fn mfs_root(&self) -> Result<Option<Cid>, KuboError>;
    /// Calls `each` with the IPNS records: the bytes of a peer id, and the record.
    fn each_ipns_record(&self, each: &mut dyn FnMut(Vec<u8>, Vec<u8>)) -> Result<(), KuboError>;
    /// The repository's directory, when this machine has it: for the keys, which no RPC gives.
    fn directory(&self) -> Option<&Path>;
    /// Its configuration; with the private key only when there is a directory.
    fn config(&self) -> Result<Value, KuboError>;
}

/// Reads blocks.
pub(super) trait Reader {
    /// The bytes under a multihash, unchecked; `None` when they are gone.
    fn read(&mut self, hash: &Multihash) -> Result<Option<Vec<u8>>, KuboError>;
}

/// Opens what the request names. `ours` is the repository that is filled.
pub(super) fn open(request: &MigrateRequest, ours: &Path) -> Result<Box<dyn Source>, ApiError> {
    if Address::is_meant(&request.from) {
        let address = Address::parse(&request.from).map_err(kubo_error)?;
        return Ok(Box::new(Running::open(address, request.authorization.clone()).map_err(kubo_error)?));
    }
    let path = PathBuf::from(&request.from);
    let same = |a: &Path, b: &Path| a.canonicalize().ok().is_some_and(|a| b.canonicalize().ok() == Some(a));
    let is_ours = same(&path, ours);
    let repo = KuboRepo::at(&path);
    if !repo.has_datastore().map_err(|error| {
        kubo_error(error)
            .hint("give the directory of a Kubo repository (often ~/.ipfs), or the address of a running Kubo")
    })? {
        return Err(ApiError::not_found(format!("{} has no content of a Kubo", path.display())));
    }
    // Our own lock is on it when both are one directory.
    if !is_ours && repo.is_in_use().unwrap_or(false) {
        let address = std::fs::read_to_string(path.join("api")).unwrap_or_else(|_| "/ip4/127.0.0.1/tcp/5001".into());
        return Err(ApiError::new(ErrorKind::Busy, format!("a Kubo runs on {}", path.display()))
            .hint(format!("ask it instead: merkury migrate --from {}", address.trim()))
            .hint("or stop it first"));
    }
    Ok(Box::new(Directory::open(repo).map_err(kubo_error)?))
}

/// A repository that no Kubo runs on.
struct Directory {
    repo: KuboRepo,
    files: merkury_kubo::FlatFs,
    datastore: merkury_kubo::leveldb::Snapshot,
    bytes_total: Option<u64>,
}

impl Directory {
    fn open(repo: KuboRepo) -> Result<Self, KuboError> {
        let (files, datastore) = (repo.blocks()?, repo.datastore()?);
        let bytes_total = files.bytes_estimate();
        Ok(Self { repo, files, datastore, bytes_total })
    }
}

impl Source for Directory {
    fn name(&self) -> String {
        self.repo.path().display().to_string()
    }

    fn bytes_total(&self) -> Option<u64> {
        self.bytes_total
    }

    fn readers(&self) -> usize {
        FILE_READERS
    }

    fn each_block(&self, each: &mut dyn FnMut(Multihash) -> bool) -> Result<(), KuboError> {
        for shard in self.files.shards()? {
            for (hash, _) in self.files.list(&shard)? {
                if !each(hash) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>, KuboError> {
        struct Files<'a>(&'a merkury_kubo::FlatFs);
        impl Reader for Files<'_> {
            fn read(&mut self, hash: &Multihash) -> Result<Option<Vec<u8>>, KuboError> {
                self.0.read(hash)
            }
        }
        Ok(Box::new(Files(&self.files)))
    }

    fn each_pin(&self, each: &mut dyn FnMut(KuboPin) -> bool) -> Result<(), KuboError> {
        for pin in merkury_kubo::pins(&self.datastore) {
            if !each(pin?) {
                break;
            }
        }
        Ok(())
    }

    fn mfs_root(&self) -> Result<Option<Cid>, KuboError> {
        merkury_kubo::mfs_root(&self.datastore)
    }

    fn each_ipns_record(&self, each: &mut dyn FnMut(Vec<u8>, Vec<u8>)) -> Result<(), KuboError> {
        for entry in merkury_kubo::ipns_records(&self.datastore) {
            let (key, record) = entry?;
            each(key, record);
        }
        Ok(())
    }

    fn directory(&self) -> Option<&Path> {
        Some(self.repo.path())
    }

    fn config(&self) -> Result<Value, KuboError> {
        self.repo.config()
    }
}

/// A running Kubo.
struct Running {
    address: Address,
    authorization: Option<String>,
    version: String,
    bytes_total: u64,
    directory: Option<PathBuf>,
}

impl Running {
    fn open(address: Address, authorization: Option<String>) -> Result<Self, KuboError> {
        let mut rpc = Rpc::connect(&address, authorization.clone())?;
        let (version, repo, peer) = (rpc.version()?, rpc.repo()?, rpc.peer_id()?);
        // The same path on another machine is another repository: the peer id tells.
        let directory = Some(PathBuf::from(repo.path)).filter(|path| {
            let config = KuboRepo::at(path).config().ok();
            config.and_then(|config| Some(config.pointer("/Identity/PeerID")?.as_str()? == peer)) == Some(true)
        });
        Ok(Self { address, authorization, version, bytes_total: repo.bytes, directory })
    }

    fn rpc(&self) -> Result<Rpc, KuboError> {
        Rpc::connect(&self.address, self.authorization.clone())
    }
}

impl Source for Running {
    fn name(&self) -> String {
        format!("Kubo {} at {}", self.version, self.address)
    }

    fn bytes_total(&self) -> Option<u64> {
        Some(self.bytes_total)
    }

    fn readers(&self) -> usize {
        RPC_READERS
    }

    fn each_block(&self, each: &mut dyn FnMut(Multihash) -> bool) -> Result<(), KuboError> {
        self.rpc()?.each_block(each)
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>, KuboError> {
        struct Connected(Rpc);
        impl Reader for Connected {
            fn read(&mut self, hash: &Multihash) -> Result<Option<Vec<u8>>, KuboError> {
                self.0.block(hash)
            }
        }
        Ok(Box::new(Connected(self.rpc()?)))
    }

    fn each_pin(&self, each: &mut dyn FnMut(KuboPin) -> bool) -> Result<(), KuboError> {
        let mut rpc = self.rpc()?;
        let mut go_on = true;
        for recursive in [true, false] {
            if go_on {
                rpc.each_pin(recursive, &mut |pin| {
                    go_on = each(pin);
                    go_on
                })?;
            }
        }
        Ok(())
    }

    fn mfs_root(&self) -> Result<Option<Cid>, KuboError> {
        self.rpc()?.mfs_root()
    }

    fn each_ipns_record(&self, each: &mut dyn FnMut(Vec<u8>, Vec<u8>)) -> Result<(), KuboError> {
        let mut rpc = self.rpc()?;
        for (_, id) in rpc.keys()? {
            if let Ok(peer) = PeerId::parse(&id)
                && let Some(record) = rpc.ipns_record(&id)?
            {
                each(peer.to_bytes(), record);
            }
        }
        Ok(())
    }

    fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    fn config(&self) -> Result<Value, KuboError> {
        match &self.directory {
            Some(path) => KuboRepo::at(path).config(),
            None => self.rpc()?.config(),
        }
    }
}
