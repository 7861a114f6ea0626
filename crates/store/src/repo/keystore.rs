//! Private keys as files: `keystore/key_<base32 of the name>`, each the libp2p protobuf of one key, as Kubo has them.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use data_encoding::BASE32_NOPAD;
use merkury_core::ErrorKind;

use super::files;

const FILE_PREFIX: &str = "key_";
/// Longest name: its base32 with the prefix must fit a file name of 255 bytes.
const NAME_BYTES_MAX: usize = 156;
/// Largest key file: an RSA key of 8192 bits has 5 KiB.
const KEY_BYTES_MAX: usize = 64 * 1024;

/// Why a key could not be kept or had.
#[derive(Debug, thiserror::Error)]
pub enum KeyStoreError {
    /// The name is empty.
    #[error("key name must be at least one character")]
    NoName,
    /// The name is too long for a file.
    #[error("key names may not be longer than {NAME_BYTES_MAX} bytes: {name:?}")]
    Name {
        /// The name.
        name: String,
    },
    /// A key of that name is there already.
    #[error("key by that name already exists, refusing to overwrite")]
    Exists {
        /// The name.
        name: String,
    },
    /// There is none of that name.
    #[error("no key by the given name was found: {name}")]
    NotFound {
        /// The name.
        name: String,
    },
    /// The system refused.
    #[error("cannot use key file {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl KeyStoreError {
    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoName | Self::Name { .. } => ErrorKind::Invalid,
            Self::Exists { .. } => ErrorKind::Conflict,
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Io { .. } => ErrorKind::Internal,
        }
    }
}

/// The directory of named private keys. Knows nothing of what a key is.
#[derive(Clone, Debug)]
pub struct KeyStore {
    dir: PathBuf,
}

impl KeyStore {
    pub(super) fn at(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Keeps a new key; durable when it returns. Never replaces one.
    pub fn put(&self, name: &str, key: &[u8]) -> Result<(), KeyStoreError> {
        let path = self.file(name)?;
        make_dir(&self.dir).map_err(|source| KeyStoreError::Io { path: self.dir.clone(), source })?;
        match files::create_atomic(&path, key, 0o400) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(KeyStoreError::Exists { name: name.to_owned() })
            }
            other => other.map_err(|source| KeyStoreError::Io { path, source }),
        }
    }

    /// The key's bytes.
    pub fn get(&self, name: &str) -> Result<Vec<u8>, KeyStoreError> {
        let path = self.file(name)?;
        files::read_bounded(&path, KEY_BYTES_MAX).map_err(|source| missing_or_io(name, path, source))
    }

    /// Whether there is a key of that name.
    pub fn has(&self, name: &str) -> Result<bool, KeyStoreError> {
        let path = self.file(name)?;
        path.try_exists().map_err(|source| KeyStoreError::Io { path, source })
    }

    /// The names, sorted. Files that are no keys are passed over.
    pub fn list(&self) -> Result<Vec<String>, KeyStoreError> {
        let fail = |source| KeyStoreError::Io { path: self.dir.clone(), source };
        let entries = match std::fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(fail)?,
        };
        let mut names = Vec::new();
        for entry in entries {
            names.extend(entry.map_err(fail)?.file_name().to_str().and_then(name_of_file));
        }
        names.sort();
        Ok(names)
    }

    /// Forgets a key.
    pub fn remove(&self, name: &str) -> Result<(), KeyStoreError> {
        let path = self.file(name)?;
        std::fs::remove_file(&path)
            .and_then(|()| files::sync_parent(&path))
            .map_err(|source| missing_or_io(name, path, source))
    }

    /// Gives a key another name; `replace` allows that name to be taken from another key. Says whether it was.
    pub fn rename(&self, from: &str, to: &str, replace: bool) -> Result<bool, KeyStoreError> {
        let (old, new) = (self.file(from)?, self.file(to)?);
        let replaces = self.has(to)?;
        if replaces && !replace {
            return Err(KeyStoreError::Exists { name: to.to_owned() });
        }
        std::fs::rename(&old, &new)
            .and_then(|()| files::sync_parent(&new))
            .map_err(|source| missing_or_io(from, old, source))?;
        Ok(replaces)
    }

    fn file(&self, name: &str) -> Result<PathBuf, KeyStoreError> {
        if name.is_empty() {
            return Err(KeyStoreError::NoName);
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(KeyStoreError::Name { name: name.to_owned() });
        }
        Ok(self.dir.join(format!("{FILE_PREFIX}{}", BASE32_NOPAD.encode(name.as_bytes()).to_ascii_lowercase())))
    }
}

pub(super) fn make_dir(dir: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

fn name_of_file(file: &str) -> Option<String> {
    let coded = file.strip_prefix(FILE_PREFIX)?.to_ascii_uppercase();
    String::from_utf8(BASE32_NOPAD.decode(coded.as_bytes()).ok()?).ok()
}

fn missing_or_io(name: &str, path: PathBuf, source: io::Error) -> KeyStoreError {
    match source.kind() {
        io::ErrorKind::NotFound => KeyStoreError::NotFound { name: name.to_owned() },
        _ => KeyStoreError::Io { path, source },
    }
}
