//! `key export`: writes a private key where its owner wants it, readable by the owner alone.
//!
//! A file is replaced as a whole or not at all: the key is written beside it, flushed, and renamed over it, so that it
//! never passes through a file others may read. Terminals, pipes and devices are written in place.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use futures::TryStreamExt;
use merkury_api::{ApiError, ByteStream};
use merkury_commands::input::io_error;
use merkury_commands::op::Call;
use merkury_commands::ops::key_export::FORMAT_PEM;

use super::Failure;
use super::show::print_json;

/// Symbolic links that may follow each other.
const LINKS_MAX: usize = 8;
/// Owner only.
const MODE: u32 = 0o600;

/// Saves what `key export` answers.
pub(super) async fn save(call: &Call, bytes: ByteStream, json: bool) -> Result<(), Failure> {
    let chunks: Vec<_> = bytes.try_collect().await?;
    let path = target(call)?;
    write(&path, &chunks.concat())?;
    if json {
        print_json(&serde_json::json!({ "Path": path.display().to_string() }))?;
    }
    Ok(())
}

/// `--output`, or the last part of the key's name with the ending of its format.
fn target(call: &Call) -> Result<PathBuf, ApiError> {
    if let Some(output) = call.options.text("output").filter(|output| !output.is_empty()) {
        return Ok(PathBuf::from(output));
    }
    let ending = if call.options.text("format").as_deref() == Some(FORMAT_PEM) { "pem" } else { "key" };
    let name = call.arg(0)?;
    Ok(PathBuf::from(format!("{}.{ending}", name.rsplit('/').next().unwrap_or(name))))
}

fn write(path: &Path, key: &[u8]) -> Result<(), ApiError> {
    match fs::metadata(path) {
        Ok(stat) if is_written_in_place(stat.file_type()) => return write_in_place(path, key),
        Ok(stat) if !stat.is_file() => {
            return Err(ApiError::invalid(format!(
                "refusing to export key to {}: not a regular file, character device or pipe",
                path.display()
            )));
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error("stat", path, &error)),
        _ => {}
    }
    let path = end_of_links(path)?;
    let name = path.file_name().ok_or_else(|| ApiError::invalid(format!("no file name in {}", path.display())))?;
    let aside = path.with_file_name(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    let written = write_aside(&aside, key).and_then(|()| fs::rename(&aside, &path));
    if written.is_err() {
        // It may not even be there.
        let _ = fs::remove_file(&aside);
    }
    written.map_err(|error| io_error("open", &path, &error))?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| io_error("flush", dir, &error))
}

fn write_aside(aside: &Path, key: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(aside)?;
    file.write_all(key)?;
    file.sync_all()
}

fn is_written_in_place(kind: fs::FileType) -> bool {
    kind.is_char_device() || kind.is_fifo()
}

/// The kind is looked at once more on the open file: a path may have been swapped meanwhile.
fn write_in_place(path: &Path, key: &[u8]) -> Result<(), ApiError> {
    let failed = |error: io::Error| io_error("open", path, &error);
    let mut file = OpenOptions::new().write(true).open(path).map_err(failed)?;
    if !is_written_in_place(file.metadata().map_err(failed)?.file_type()) {
        return Err(ApiError::invalid(format!(
            "refusing to export key to {}: it changed type while being opened",
            path.display()
        )));
    }
    file.write_all(key).map_err(failed)
}

/// Where a chain of symbolic links ends; the end need not exist.
fn end_of_links(path: &Path) -> Result<PathBuf, ApiError> {
    let mut path = path.to_path_buf();
    for _ in 0..LINKS_MAX {
        let Ok(link) = fs::read_link(&path) else { return Ok(path) };
        let dir = path.parent().unwrap_or(Path::new("")).to_path_buf();
        path = dir.join(link);
    }
    Err(ApiError::invalid(format!("too many levels of symbolic links: {}", path.display())))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_its_owner_s_alone_and_links_stay_links() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("k"), dir.path().join("link"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        std::os::unix::fs::symlink("k", &link).unwrap();
        write(&link, b"key").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"key");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is left aside");
        assert!(write(dir.path(), b"key").is_err());
        std::os::unix::fs::symlink("loop", dir.path().join("loop")).unwrap();
        assert!(write(&dir.path().join("loop"), b"key").is_err());
    }
}
