//! Kubo's block directory: a file for each block, named by its multihash, in directories by a part of that name.
//!
//! `SHARDING` says which part: `/repo/flatfs/shard/v1/next-to-last/2` unless somebody chose otherwise.

use std::io;
use std::path::{Path, PathBuf};

use data_encoding::BASE32_NOPAD;
use merkury_core::Multihash;
use merkury_core::limits::BIG_BLOCK_BYTES_MAX;

use crate::KuboError;
use crate::files::read_bounded;

/// Longest part of a name that may name directories: more would be more directories than blocks.
const PART_MAX: usize = 32;
const ENDING: &str = ".data";

/// Which part of a block's name is its directory's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Prefix(usize),
    Suffix(usize),
    NextToLast(usize),
}

/// The block directory.
#[derive(Clone, Debug)]
pub struct FlatFs {
    dir: PathBuf,
    part: Part,
}

impl FlatFs {
    /// Reads `SHARDING` in the directory.
    pub fn open(dir: &Path) -> Result<Self, KuboError> {
        let path = dir.join("SHARDING");
        let text = read_bounded(&path, 4096).map_err(|e| KuboError::io(&path, e))?;
        let text = String::from_utf8_lossy(&text);
        let part = parse_part(text.trim()).ok_or_else(|| KuboError::Layout {
            path,
            why: format!("{:?} is no way of sharding that is known here", text.trim()),
        })?;
        Ok(Self { dir: dir.to_owned(), part })
    }

    /// The bytes under a multihash, unchecked; `None` when there is no such file.
    pub fn read(&self, hash: &Multihash) -> Result<Option<Vec<u8>>, KuboError> {
        let path = self.path_of(hash);
        match read_bounded(&path, BIG_BLOCK_BYTES_MAX as u64) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some).map_err(|e| KuboError::io(&path, e)),
        }
    }

    /// Bytes of all blocks as Kubo noted them when it last stopped.
    pub fn bytes_estimate(&self) -> Option<u64> {
        let text = read_bounded(&self.dir.join("diskUsage.cache"), 4096).ok()?;
        let noted: serde_json::Value = serde_json::from_slice(&text).ok()?;
        noted.get("diskUsage")?.as_u64()
    }

    /// The size of the file under a multihash.
    pub fn size_of(&self, hash: &Multihash) -> Option<u64> {
        std::fs::metadata(self.path_of(hash)).ok().filter(std::fs::Metadata::is_file).map(|found| found.len())
    }

    /// The directories that hold blocks, in order: at most 1024 with the usual sharding.
    pub fn shards(&self) -> Result<Vec<String>, KuboError> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.dir).map_err(|e| KuboError::io(&self.dir, e))? {
            let entry = entry.map_err(|e| KuboError::io(&self.dir, e))?;
            let is_dir = entry.file_type().map_err(|e| KuboError::io(&self.dir, e))?.is_dir();
            // `.temp` is where files are before they are whole.
            if let Ok(name) = entry.file_name().into_string()
                && is_dir
                && !name.starts_with('.')
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The blocks in a directory, with the sizes of their files. Other files are passed over.
    pub fn list(&self, shard: &str) -> Result<Vec<(Multihash, u64)>, KuboError> {
        let dir = self.dir.join(shard);
        let fail = |e| KuboError::io(&dir, e);
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&dir).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let hash = entry.file_name().to_str().and_then(parse_name);
            // Removed meanwhile, if there is no size to be had.
            if let (Some(hash), Ok(metadata)) = (hash, entry.metadata()) {
                found.push((hash, metadata.len()));
            }
        }
        Ok(found)
    }

    fn path_of(&self, hash: &Multihash) -> PathBuf {
        let name = BASE32_NOPAD.encode(&hash.to_bytes());
        self.dir.join(self.part.of(&name)).join(format!("{name}{ENDING}"))
    }
}

impl Part {
    /// The directory of a name; a short name is filled with underscores.
    fn of(self, name: &str) -> String {
        let (size, skip) = match self {
            Self::Prefix(size) => {
                return name.chars().chain(std::iter::repeat('_')).take(size).collect();
            }
            Self::Suffix(size) => (size, 0),
            Self::NextToLast(size) => (size, 1),
        };
        let padded = format!("{}{name}", "_".repeat(size + skip));
        let end = padded.len() - skip;
        padded.get(end - size..end).unwrap_or_default().to_owned()
    }
}

fn parse_part(text: &str) -> Option<Part> {
    let (name, size) = text.strip_prefix("/repo/flatfs/shard/v1/")?.split_once('/')?;
    let size = size.parse().ok().filter(|size| (1..=PART_MAX).contains(size))?;
    match name {
        "prefix" => Some(Part::Prefix(size)),
        "suffix" => Some(Part::Suffix(size)),
        "next-to-last" => Some(Part::NextToLast(size)),
        _ => None,
    }
}

fn parse_name(name: &str) -> Option<Multihash> {
    let bytes = BASE32_NOPAD.decode(name.strip_suffix(ENDING)?.as_bytes()).ok()?;
    match Multihash::decode(&bytes) {
        Ok((hash, [])) => Some(hash),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_of_names() {
        let name = "CIQA4T3TD3BP3C2M3GXCGRCRTCCHV7XSGAZPZJOAOHLPOI6IQR3H6YQ";
        for (text, dir) in [
            ("/repo/flatfs/shard/v1/next-to-last/2", "6Y"),
            ("/repo/flatfs/shard/v1/suffix/3", "6YQ"),
            ("/repo/flatfs/shard/v1/prefix/4", "CIQA"),
        ] {
            let part = parse_part(text).unwrap();
            assert_eq!(part.of(name), dir);
        }
        assert_eq!(Part::NextToLast(2).of("A"), "__");
        assert_eq!(Part::Prefix(3).of("A"), "A__");
        for wrong in [
            "",
            "/repo/flatfs/shard/v1/next-to-last/0",
            "/repo/flatfs/shard/v1/prefix/x",
            "/repo/flatfs/shard/v2/prefix/2",
        ] {
            assert_eq!(parse_part(wrong), None, "{wrong}");
        }
        assert!(parse_name("CIQA4T3TD3BP3C2M3GXCGRCRTCCHV7XSGAZPZJOAOHLPOI6IQR3H6YQ.data").is_some());
        assert!(parse_name("put-123").is_none());
        assert!(parse_name("CIQA4T3T.data").is_none(), "a digest that ends early");
    }
}
