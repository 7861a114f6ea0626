//! The repository directory, with Kubo's names where other programs look.
//!
//! Parts: `config` (text, here only moved as a whole; its meaning belongs to the node), `version`, `datastore_spec`,
//! `api` and `gateway` (addresses of a running daemon), the [`KeyStore`], the [`RepoLock`], and the directory
//! `merkury/` for the [`Store`](crate::Store). A Kubo repository can live in the same directory: nothing of ours
//! uses `blocks/`, `datastore/` or a name Kubo reads with another meaning.
//!
//! Invariants: every file is replaced in one step and flushed, so a crash leaves the old or the new one, never a half.
//! Only the holder of the lock writes (the lock itself, `init` and reads excepted).

mod files;
mod keystore;
mod lock;

use std::io;
use std::path::{Path, PathBuf};

pub use keystore::{KeyStore, KeyStoreError};
pub use lock::{Holder, RepoLock};
use merkury_core::ErrorKind;

/// The repository version we write and read: that of Kubo 0.38 and later.
pub const REPO_VERSION: u32 = 18;

/// Largest `config` we read: Kubo's own is 4 KiB; a long peering list may reach a megabyte.
const CONFIG_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Largest of the small files (`version`, `api`, …).
const SMALL_FILE_BYTES_MAX: usize = 64 * 1024;

/// Kubo's default layout, so that tools which read this file see what they know.
const DATASTORE_SPEC: &str = concat!(
    r#"{"mounts":[{"mountpoint":"/blocks","path":"blocks","shardFunc":"/repo/flatfs/shard/v1/next-to-last/2","#,
    r#""type":"flatfs"},{"mountpoint":"/","path":"datastore","type":"levelds"}],"type":"mount"}"#
);

/// Why the repository could not be used.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    /// There is no repository at this place.
    #[error("no IPFS repo found in {path}; please run: 'ipfs init'", path = path.display())]
    NotFound {
        /// Where we looked.
        path: PathBuf,
    },
    /// `init` found one there already.
    #[error("ipfs configuration file already exists in {path}", path = path.display())]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// Another process, or another part of this one, holds the lock.
    #[error("the repository {path} is in use by {holder}; stop it (ipfs shutdown) or use another IPFS_PATH", path = path.display())]
    Locked {
        /// The repository.
        path: PathBuf,
        /// Who.
        holder: Holder,
    },
    /// Another version of the repository format.
    #[error("repository {path} has version {found}, this program needs {REPO_VERSION}", path = path.display())]
    Version {
        /// The repository.
        path: PathBuf,
        /// What its `version` file says.
        found: String,
    },
    /// The system refused.
    #[error("cannot {what} {path}: {source}", path = path.display())]
    Io {
        /// The verb.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl RepoError {
    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Exists { .. } => ErrorKind::Conflict,
            Self::Locked { .. } => ErrorKind::Busy,
            Self::Version { .. } => ErrorKind::Invalid,
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Denied,
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Unavailable,
                _ => ErrorKind::Internal,
            },
        }
    }
}

/// A repository directory. Making this value touches nothing; each method does its own I/O.
#[derive(Clone, Debug)]
pub struct Repo {
    path: PathBuf,
}

/// How many files this process may open; `None` for any number.
pub fn open_files_max() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

impl Repo {
    /// The repository at `path`, there or not.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the [`Store`](crate::Store) keeps its files.
    pub fn store_dir(&self) -> PathBuf {
        self.path.join("merkury")
    }

    /// Whether there is a repository (it has a `config`).
    pub fn is_initialised(&self) -> bool {
        self.path.join("config").is_file()
    }

    /// Makes the directory with `version`, `datastore_spec`, `keystore/` and `config`.
    ///
    /// `config` is written last: a crash before it leaves no repository, and the next call makes one.
    pub fn init(&self, config: &str) -> Result<(), RepoError> {
        self.init_for(config, DATASTORE_SPEC)
    }

    /// The same, with another `datastore_spec`: what a Kubo on this repository would keep on disk, as JSON.
    pub fn init_for(&self, config: &str, datastore_spec: &str) -> Result<(), RepoError> {
        if self.is_initialised() {
            return Err(RepoError::Exists { path: self.path.clone() });
        }
        std::fs::create_dir_all(&self.path).map_err(|e| self.io("create", &self.path, e))?;
        let keystore = self.path.join("keystore");
        keystore::make_dir(&keystore).map_err(|e| self.io("create", &keystore, e))?;
        self.write("version", format!("{REPO_VERSION}\n").as_bytes(), 0o644)?;
        self.write("datastore_spec", datastore_spec.as_bytes(), 0o600)?;
        let path = self.path.join("config");
        match files::create_atomic(&path, config.as_bytes(), 0o600) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(RepoError::Exists { path: self.path.clone() })
            }
            other => other.map_err(|e| self.io("write", &path, e)),
        }
    }

    /// Fails unless this is a repository of [`REPO_VERSION`].
    pub fn check_version(&self) -> Result<(), RepoError> {
        let text = self.read("version", SMALL_FILE_BYTES_MAX)?;
        let found = String::from_utf8_lossy(&text).trim().to_owned();
        if found.parse() == Ok(REPO_VERSION) {
            Ok(())
        } else {
            Err(RepoError::Version { path: self.path.clone(), found })
        }
    }

    /// The text of `config`.
    pub fn read_config(&self) -> Result<String, RepoError> {
        let bytes = self.read("config", CONFIG_BYTES_MAX)?;
        String::from_utf8(bytes).map_err(|e| {
            let source = io::Error::new(io::ErrorKind::InvalidData, e.utf8_error());
            self.io("read", &self.path.join("config"), source)
        })
    }

    /// The text of `datastore_spec`: what a Kubo on this repository keeps on disk; empty when there is none.
    pub fn read_datastore_spec(&self) -> Result<String, RepoError> {
        match self.read("datastore_spec", SMALL_FILE_BYTES_MAX) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(RepoError::NotFound { .. }) => Ok(String::new()),
            Err(error) => Err(error),
        }
    }

    /// Replaces `config` in one step; only its owner can read it, for it holds the private key.
    pub fn write_config(&self, text: &str) -> Result<(), RepoError> {
        self.write("config", text.as_bytes(), 0o600)
    }

    /// Keeps a copy of `config` beside it, named `config-LABEL` with a number behind that is new. Returns where.
    pub fn back_up_config(&self, label: &str) -> Result<PathBuf, RepoError> {
        let bytes = self.read("config", CONFIG_BYTES_MAX)?;
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let first = since.as_nanos();
        for number in first..first + 100 {
            let path = self.path.join(format!("config-{label}{number}"));
            match files::create_atomic(&path, &bytes, 0o600) {
                Ok(()) => return Ok(path),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(self.io("write", &path, error)),
            }
        }
        let taken = io::Error::from(io::ErrorKind::AlreadyExists);
        Err(self.io("write", &self.path.join(format!("config-{label}{first}")), taken))
    }

    /// Takes the repository for this process until the guard is dropped. Never waits.
    pub fn lock(&self) -> Result<RepoLock, RepoError> {
        RepoLock::take(self)
    }

    /// Bytes that may still be written to the file system the repository lies on.
    pub fn free_bytes(&self) -> std::io::Result<u64> {
        let stat = rustix::fs::statvfs(self.path())?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// The keys other than the node's own.
    pub fn keystore(&self) -> KeyStore {
        KeyStore::at(self.path.join("keystore"))
    }

    /// The address (a multiaddr, or whatever stands there) of a daemon's RPC port, if one says so.
    pub fn api_address(&self) -> Result<Option<String>, RepoError> {
        self.read_address("api")
    }

    /// Tells other programs where the RPC port is. Call it once the port accepts.
    pub fn write_api_address(&self, address: &str) -> Result<(), RepoError> {
        self.write("api", address.as_bytes(), 0o600)
    }

    /// Takes the RPC address back. No error when there is none.
    pub fn remove_api_address(&self) -> Result<(), RepoError> {
        self.remove("api")
    }

    /// The URL of a daemon's gateway, if one says so.
    pub fn gateway_address(&self) -> Result<Option<String>, RepoError> {
        self.read_address("gateway")
    }

    /// Tells other programs where the gateway is. Call it once the port accepts.
    pub fn write_gateway_address(&self, address: &str) -> Result<(), RepoError> {
        self.write("gateway", address.as_bytes(), 0o600)
    }

    /// Takes the gateway's URL back. No error when there is none.
    pub fn remove_gateway_address(&self) -> Result<(), RepoError> {
        self.remove("gateway")
    }

    fn read_address(&self, name: &str) -> Result<Option<String>, RepoError> {
        match self.read(name, SMALL_FILE_BYTES_MAX) {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).trim().to_owned()).filter(|text| !text.is_empty())),
            Err(RepoError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read(&self, name: &str, bytes_max: usize) -> Result<Vec<u8>, RepoError> {
        let path = self.path.join(name);
        files::read_bounded(&path, bytes_max).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => RepoError::NotFound { path: self.path.clone() },
            _ => self.io("read", &path, error),
        })
    }

    fn write(&self, name: &str, bytes: &[u8], mode: u32) -> Result<(), RepoError> {
        let path = self.path.join(name);
        files::write_atomic(&path, bytes, mode).map_err(|e| self.io("write", &path, e))
    }

    fn remove(&self, name: &str) -> Result<(), RepoError> {
        let path = self.path.join(name);
        files::remove_if_there(&path).map_err(|e| self.io("remove", &path, e))
    }

    fn io(&self, what: &'static str, path: &Path, source: io::Error) -> RepoError {
        RepoError::Io { what, path: path.to_owned(), source }
    }
}
