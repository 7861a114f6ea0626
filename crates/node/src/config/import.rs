//! The `Import` section, as far as the mutable file system builds by it.

use merkury_core::block::CidFormat;
use merkury_core::hash::name;
use merkury_unixfs::build::SizeEstimation;
use merkury_unixfs::mfs::MfsOptions;
use serde_json::Value;

use super::{ConfigError, View};

/// How MFS builds new nodes. A directory's own CID version and hash win over these.
pub(crate) fn mfs_options(config: &Value) -> Result<MfsOptions, ConfigError> {
    let view = View(config);
    let mut options = MfsOptions::default();
    let hash = view.text("Import.HashFunction", "sha2-256")?;
    options.cid.hash_code =
        name::code_of(&hash).ok_or_else(|| wrong("Import.HashFunction", "a hash function", &hash))?;
    options.cid.format = match view.number("Import.CidVersion", 0)? {
        0 => CidFormat::V0,
        _ => CidFormat::V1,
    };
    let chunker = view.text("Import.UnixFSChunker", "")?;
    if !chunker.is_empty() {
        options.chunker = chunker.parse().map_err(|_| wrong("Import.UnixFSChunker", "a chunker", &chunker))?;
    }
    options.raw_leaves = match super::document::get(config, "Import.UnixFSRawLeaves") {
        Ok(Value::Bool(raw)) => Some(*raw),
        _ => None,
    };
    let directory = &mut options.directory;
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    directory.fanout = size(view.number("Import.UnixFSHAMTDirectoryMaxFanout", directory.fanout as u64)?);
    directory.threshold_bytes =
        size(view.size("Import.UnixFSHAMTDirectorySizeThreshold", directory.threshold_bytes as u64)?);
    directory.links_max = match view.number("Import.UnixFSDirectoryMaxLinks", 0)? {
        0 => None,
        links => Some(size(links)),
    };
    if view.text("Import.UnixFSHAMTDirectorySizeEstimation", "links")? == "block" {
        directory.estimation = SizeEstimation::Block;
    }
    Ok(options)
}

fn wrong(key: &str, wants: &'static str, has: &str) -> ConfigError {
    ConfigError::WrongType { key: key.to_owned(), wants, has: has.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_change_how_mfs_builds() {
        let mut config = super::super::default_document();
        assert_eq!(mfs_options(&config), Ok(MfsOptions::default()));
        super::super::profiles::apply(&mut config, "unixfs-v1-2025").expect("profile");
        let options = mfs_options(&config).expect("options");
        assert_eq!(options.cid.format, CidFormat::V1);
        assert_eq!(options.raw_leaves, Some(true));
        assert_eq!(options.directory.estimation, SizeEstimation::Block);
        super::super::document::set(&mut config, "Import.HashFunction", "md5".into()).expect("set");
        assert!(mfs_options(&config).is_err());
    }
}
