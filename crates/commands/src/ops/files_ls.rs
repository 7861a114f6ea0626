//! `files ls`: a directory of the mutable file system.

use merkury_api::NodeKind;

use super::common::{FLUSH, mfs_path};
use super::prelude::*;

/// `files ls`.
pub struct FilesLs;

/// Entries; `null` when there are none.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct FilesLsOut {
    /// The entries.
    pub entries: Option<Vec<FilesEntry>>,
}

/// An entry. In a short listing all but the name is empty.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct FilesEntry {
    /// Its name.
    pub name: String,
    /// 0 file, 1 directory.
    pub r#type: u8,
    /// Bytes of a file.
    pub size: u64,
    /// Its CID.
    pub hash: String,
}

impl Op for FilesLs {
    const SPEC: &'static Spec = &Spec {
        path: "files/ls",
        about: "List a directory.",
        examples: &["ipfs files ls -l /"],
        args: &[Arg::text("path", "The directory; / when left out.").optional()],
        options: &[Opt::flag(&["long", "l"], "Print CIDs and sizes too."), Opt::flag(&["U"], "Do not sort."), FLUSH],
        ..Spec::READ
    };
    type Item = FilesLsOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<FilesLsOut> {
        Box::pin(async move {
            let call = request.call;
            let path = mfs_path(call.args.first().map_or("/", String::as_str))?;
            let long = call.options.flag("long");
            let api = cx.api(&call)?;
            let cids = CidText::of(&call)?;
            // As in Kubo the base counts for a lone file and not for what is in a directory.
            let based = long && call.options.is_given("cid-base");
            let is_file = based && api.mfs.stat(path.clone(), false).await?.kind != NodeKind::Directory;
            let hash = |cid: &merkury_core::Cid| if is_file { cids.text(cid) } else { cid.to_string() };
            let mut items = api.mfs.list(path, long).await?;
            let mut entries = Vec::new();
            while let Some(entry) = items.try_next().await? {
                let name = entry.name;
                if !long {
                    entries.push(FilesEntry { name, ..FilesEntry::default() });
                    continue;
                }
                entries.push(FilesEntry {
                    name,
                    r#type: u8::from(entry.kind == NodeKind::Directory),
                    size: entry.size,
                    hash: entry.cid.as_ref().map(hash).unwrap_or_default(),
                });
            }
            Ok(Reply::One(FilesLsOut { entries: Some(entries).filter(|entries| !entries.is_empty()) }))
        })
    }

    fn text(item: FilesLsOut, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        let mut entries = item.entries.unwrap_or_default();
        if !call.options.flag("U") {
            entries.sort_by(|a, b| a.name.cmp(&b.name));
        }
        for entry in &entries {
            if call.options.flag("long") {
                let slash = if entry.r#type == 1 { "/" } else { "" };
                out.line(format_args!("{}{slash}\t{}\t{}", entry.name, entry.hash, entry.size))?;
            } else {
                out.line(&entry.name)?;
            }
        }
        Ok(())
    }
}
