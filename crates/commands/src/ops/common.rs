//! Shapes and pieces that several operations share.

use bytes::Bytes;
use merkury_api::{ByteStream, EntryBody, FastProvide, InputEntry, ItemStream, Metadata};

use super::prelude::*;

/// Lines of text.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Strings {
    /// The lines; `null` from Kubo when there are none.
    pub strings: Option<Vec<String>>,
}

impl Strings {
    /// Shows each on a line, made harmless.
    pub fn show(&self, out: &mut Out<'_>) -> TextResult {
        Ok(self.strings.iter().flatten().try_for_each(|line| out.line(escape_name(line)))?)
    }
}

/// The entries of a body; an error when it has none.
pub(crate) fn entries(body: Body) -> Result<ItemStream<InputEntry>, ApiError> {
    match body {
        Body::Entries(entries) => Ok(entries),
        Body::None => Err(ApiError::invalid("file argument is required")),
        Body::Local { .. } => Err(ApiError::internal("paths of this machine are for add alone")),
    }
}

/// The next file of a body.
pub(crate) async fn next_file(entries: &mut ItemStream<InputEntry>) -> Result<Option<ByteStream>, ApiError> {
    match entries.next().await.transpose()? {
        None => Ok(None),
        Some(InputEntry { body: EntryBody::File(bytes), .. }) => Ok(Some(bytes)),
        Some(_) => Err(ApiError::invalid("expected a file")),
    }
}

/// The only file of a body, read whole.
pub(crate) async fn whole_file(body: Body, bytes_max: usize) -> Result<Bytes, ApiError> {
    let mut entries = entries(body)?;
    let file = next_file(&mut entries).await?.ok_or_else(|| ApiError::invalid("expected a file"))?;
    Ok(crate::rpc::collect(file, bytes_max).await?.into())
}

/// An answer of bytes that are all here.
pub(crate) fn whole(content_type: &'static str, bytes: Bytes) -> BytesReply {
    let length = Some(bytes.len() as u64);
    BytesReply { content_type, length, stream: stream::iter([Ok(bytes)]).boxed() }
}

/// A path of the mutable file system, cleaned: absolute, without `.`, `..` and empty names. A `/` at the end stays.
pub(crate) fn mfs_path(text: &str) -> Result<String, ApiError> {
    if text.is_empty() {
        return Err(ApiError::invalid("paths must not be empty"));
    }
    if !text.starts_with('/') {
        return Err(ApiError::invalid("paths must start with a leading slash"));
    }
    let mut names: Vec<&str> = Vec::new();
    for name in text.split('/') {
        match name {
            "" | "." => {}
            ".." => {
                names.pop();
            }
            other => names.push(other),
        }
    }
    let end = if text.ends_with('/') && !names.is_empty() { "/" } else { "" };
    Ok(format!("/{}{end}", names.join("/")))
}

/// A path into content, or one of the mutable file system.
pub(crate) fn content_or_mfs_path(text: &str) -> Result<String, ApiError> {
    // A lone CID is no path here, and what is not quite a path into content may be one of the file system.
    let may_be_content = text.starts_with('/') || text.contains(':');
    match may_be_content.then(|| merkury_core::ContentPath::parse(text).ok()).flatten() {
        Some(path) => Ok(path.to_string()),
        None => mfs_path(text),
    }
}

/// `--cid-version` and `--hash` of the mutable file system.
pub(crate) fn mfs_node_options(call: &Call) -> Result<merkury_api::MfsNodeOptions, ApiError> {
    let hash_name = call.options.text("hash");
    let hash = match &hash_name {
        None => None,
        Some(name) => Some(crate::cids::hash_code(&name.to_ascii_lowercase(), || {
            ApiError::invalid(format!("unrecognized hash function: {name:?}"))
        })?),
    };
    let version = match call.options.int("cid-version") {
        None => hash.map(|_| 1),
        Some(0) if hash.is_some() => Some(1),
        Some(0) => Some(0),
        Some(1) => Some(1),
        Some(other) => return Err(ApiError::invalid(format!("unknown CID version: {other}"))),
    };
    Ok(merkury_api::MfsNodeOptions { cid_version: version, hash })
}

/// The flush option, which every operation on the mutable file system takes.
pub(crate) const FLUSH: Opt = Opt::flag(&["flush", "f"], "Make the change durable before answering.").or("true");
/// `--cid-version` of the mutable file system.
pub(crate) const CID_VERSION: Opt = Opt::int(&["cid-version", "cid-ver"], "CID version of new nodes.");
/// `--hash` of the mutable file system.
pub(crate) const HASH: Opt = Opt::text(&["hash"], "Hash function of new nodes; implies CID version 1.");
/// `--allow-big-block`.
pub(crate) const ALLOW_BIG_BLOCK: Opt =
    Opt::flag(&["allow-big-block"], "Allow blocks over 2 MiB, which peers refuse.").or("false");
/// `--progress` of transfers.
pub(crate) const PROGRESS: Opt =
    Opt::flag(&["progress", "p"], "Show progress; by default when standard error is a terminal.");
/// `--fast-provide-root`.
pub(crate) const FAST_PROVIDE_ROOT: Opt = Opt::flag(&["fast-provide-root"], "Announce the root at once.");
/// `--fast-provide-dag`.
pub(crate) const FAST_PROVIDE_DAG: Opt = Opt::flag(&["fast-provide-dag"], "Announce every block at once.");
/// `--fast-provide-wait`.
pub(crate) const FAST_PROVIDE_WAIT: Opt = Opt::flag(&["fast-provide-wait"], "Wait until that is done.");

/// What new roots are, for [`fast_provide`].
#[derive(Clone, Copy)]
pub(crate) struct New {
    /// They are pinned.
    pub(crate) pinned: bool,
    /// They are in the mutable file system.
    pub(crate) mfs: bool,
}

/// Announces new roots as the fast-provide options or, without them, the section `Import` of the configuration ask.
pub(crate) async fn fast_provide(
    api: &merkury_api::Api,
    call: &Call,
    roots: &[merkury_core::Cid],
    new: New,
) -> Result<(), ApiError> {
    if roots.is_empty() {
        return Ok(());
    }
    let import = api.config.get("Import").await.unwrap_or_default();
    let flag = |option: &str, key: &str, default: bool| {
        let configured = || import.get(key).and_then(serde_json::Value::as_bool);
        call.options.flag_given(option).or_else(configured).unwrap_or(default)
    };
    let how = FastProvide {
        root: flag("fast-provide-root", "FastProvideRoot", true),
        dag: flag("fast-provide-dag", "FastProvideDAG", false),
        wait: flag("fast-provide-wait", "FastProvideWait", false),
        pinned: new.pinned,
        mfs: new.mfs,
    };
    api.routing.fast_provide(roots.to_vec(), how).await
}

/// The words Kubo's swarm commands have for a node without a network; others say it differently.
pub(crate) fn offline_words(mut error: ApiError) -> ApiError {
    const OTHERS: &str = "this command must be run in online mode. Try running 'ipfs daemon' first";
    error.message =
        error.message.replace(OTHERS, "this action must be run in online mode, try running 'ipfs daemon' first");
    error
}

/// Kind and permissions of a node in the bits of Go's `os.FileMode`; 0 when no permissions are stored.
pub(crate) fn go_mode(kind: merkury_api::NodeKind, metadata: &Metadata) -> u32 {
    use merkury_api::NodeKind;
    let permissions = metadata.mode.unwrap_or(0) & 0o7777;
    let kind_bit = match kind {
        NodeKind::Directory => 1 << 31,
        NodeKind::Symlink => 1 << 27,
        _ => 0,
    };
    match (permissions, kind) {
        (0, NodeKind::Symlink) => kind_bit | 0o777,
        (0, _) => 0,
        // Kubo moves the sticky bit from the place of another one, so that it never shows.
        _ => kind_bit | (permissions & 0o777) | ((permissions & 0o6000) << 12) | ((permissions & 0o1000) << 11),
    }
}

/// Permissions that Kubo stores for bits of Go's `os.FileMode`.
pub(crate) fn permissions_of_go_mode(mode: u32) -> u32 {
    ((mode & 0xC0_0000) >> 12) | ((mode & (1 << 20)) >> 11) | (mode & 0o777)
}

/// Bits of Go's `os.FileMode` as Go prints them, in lower case.
pub(crate) fn go_mode_letters(mode: u32) -> String {
    let mut text: String =
        "daltldpsugct?".chars().enumerate().filter(|(at, _)| mode & (1 << (31 - at)) != 0).map(|(_, c)| c).collect();
    if text.is_empty() {
        text.push('-');
    }
    for (at, letter) in "rwxrwxrwx".chars().enumerate() {
        text.push(if mode & (1 << (8 - at)) != 0 { letter } else { '-' });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mfs_paths_are_cleaned() {
        for (text, wanted) in [("/", "/"), ("/a//b/./c", "/a/b/c"), ("/a/../b/", "/b/"), ("/..", "/"), ("//", "/")] {
            assert_eq!(mfs_path(text).expect(text), wanted);
        }
        assert_eq!(mfs_path("a").expect_err("relative").message, "paths must start with a leading slash");
        assert_eq!(mfs_path("").expect_err("empty").message, "paths must not be empty");
    }
}
