//! `files stat`: what a path of the mutable file system, or of content, is.

use merkury_api::{MfsStat, NodeKind};

use super::common::{FLUSH, content_or_mfs_path, go_mode, go_mode_letters};
use super::prelude::*;
use merkury_core::stamp::Stamp;

/// `files stat`.
pub struct FilesStat;

/// What a path is. Mode comes last, as Kubo writes it.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct FilesStatOut {
    /// The node.
    pub hash: String,
    /// Bytes of a file.
    pub size: u64,
    /// Bytes of the DAG below.
    pub cumulative_size: u64,
    /// Links of the root block.
    pub blocks: u64,
    /// `file` or `directory`.
    pub r#type: String,
    /// Whether the next two are meant.
    #[serde(skip_serializing_if = "is_zero")]
    pub with_locality: bool,
    /// Everything is stored here.
    #[serde(skip_serializing_if = "is_zero")]
    pub local: bool,
    /// Bytes that are.
    #[serde(skip_serializing_if = "is_zero")]
    pub size_local: u64,
    /// Modification time.
    #[serde(skip_serializing_if = "is_zero")]
    pub mtime: i64,
    /// Its nanoseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub mtime_nsecs: u32,
    /// Mode in octal digits.
    #[serde(skip_serializing_if = "is_zero")]
    pub mode: String,
}

const FORMAT: &str = "<hash>\nSize: <size>\nCumulativeSize: <cumulsize>\nChildBlocks: <childs>\nType: <type>\n\
                      Mode: <mode> (<mode-octal>)\nMtime: <mtime>";
const NOT_SET: &str = "not set";

impl Op for FilesStat {
    const SPEC: &'static Spec = &Spec {
        path: "files/stat",
        about: "Print what a path is.",
        examples: &["ipfs files stat /notes.txt"],
        help: "--format takes the words <hash>, <size>, <cumulsize>, <type>, <childs>, <mode>, <mode-octal>, <mtime>,\n\
               <mtime-secs> and <mtime-nsecs>.",
        args: &[Arg::text("path", "The path; /ipfs/… and /ipns/… too.")],
        options: &[
            Opt::text(&["format"], "Form of the output.").or(FORMAT),
            Opt::flag(&["hash"], "Print the CID alone."),
            Opt::flag(&["size"], "Print the size of the DAG alone."),
            Opt::flag(&["with-local"], "Find out how much of it is stored here."),
            FLUSH,
        ],
        ..Spec::READ
    };
    type Item = FilesStatOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<FilesStatOut> {
        Box::pin(async move {
            let call = request.call;
            format(&call)?;
            let path = content_or_mfs_path(call.arg(0)?)?;
            let api = cx.api(&call)?;
            let cids = CidText::of(&call)?;
            let stat = api.mfs.stat(path, call.options.flag("with-local")).await?;
            Ok(Reply::One(shown(stat, cids)?))
        })
    }

    fn text(item: FilesStatOut, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        let mode = u32::from_str_radix(&item.mode, 8).unwrap_or(0);
        let letters = if mode == 0 { NOT_SET.to_owned() } else { go_mode_letters(mode) };
        let octal = if mode == 0 { NOT_SET.to_owned() } else { format!("0{:o}", mode & 0o777) };
        let stamp = Stamp { seconds: item.mtime, nanoseconds: item.mtime_nsecs };
        let time = |text: String| if item.mtime > 0 { text } else { NOT_SET.to_owned() };
        let text = format(call)?
            .replace("<hash>", &item.hash)
            .replace("<size>", &item.size.to_string())
            .replace("<cumulsize>", &item.cumulative_size.to_string())
            .replace("<childs>", &item.blocks.to_string())
            .replace("<type>", &item.r#type)
            .replace("<mode>", &letters)
            .replace("<mode-octal>", &octal)
            .replace("<mtime>", &time(stamp.long()))
            .replace("<mtime-secs>", &time(item.mtime.to_string()))
            .replace("<mtime-nsecs>", &time(item.mtime_nsecs.to_string()));
        out.line(text)?;
        if item.with_locality {
            let part = 100.0 * item.size_local as f64 / item.cumulative_size as f64;
            let (local, all) = (human_size(item.size_local), human_size(item.cumulative_size));
            out.line(format_args!("Local: {local} of {all} ({part:.2}%)"))?;
        }
        Ok(())
    }
}

fn format(call: &Call) -> Result<String, ApiError> {
    let (hash, size) = (call.options.flag("hash"), call.options.flag("size"));
    let format = call.options.text("format").unwrap_or_default();
    let other = format != FORMAT;
    if [hash, size, other].iter().filter(|given| **given).count() > 1 {
        return Err(ApiError::invalid(
            "invalid parameters: format was set by multiple options. Only one format option is allowed",
        ));
    }
    Ok(match (hash, size) {
        (true, _) => "<hash>".into(),
        (_, true) => "<cumulsize>".into(),
        _ => format,
    })
}

fn shown(stat: MfsStat, cids: CidText) -> Result<FilesStatOut, ApiError> {
    let kind = match stat.kind {
        NodeKind::Directory => "directory",
        NodeKind::File | NodeKind::Raw | NodeKind::Symlink => "file",
        NodeKind::Other => return Err(ApiError::invalid("not unixfs node (proto or raw)")),
    };
    let (mtime, mtime_nsecs) = stat.metadata.mtime.unwrap_or_default();
    Ok(FilesStatOut {
        hash: cids.text(&stat.cid),
        size: stat.size,
        cumulative_size: stat.cumulative_size,
        blocks: stat.blocks,
        r#type: kind.into(),
        with_locality: stat.local.is_some(),
        local: stat.local.is_some_and(|(all, _)| all),
        size_local: stat.local.map_or(0, |(_, bytes)| bytes),
        mtime,
        mtime_nsecs,
        mode: Some(go_mode(stat.kind, &stat.metadata))
            .filter(|mode| *mode != 0)
            .map_or_else(String::new, |mode| format!("{mode:04o}")),
    })
}
