//! `files mkdir`, `cp`, `mv`, `rm`, `flush`: the shape of the mutable file system.

use merkury_api::MfsCopyOptions;

use super::common::{CID_VERSION, FLUSH, HASH, content_or_mfs_path, mfs_node_options, mfs_path};
use super::prelude::*;

/// `files mkdir`.
pub struct FilesMkdir;
/// `files cp`.
pub struct FilesCp;
/// `files mv`.
pub struct FilesMv;
/// `files rm`.
pub struct FilesRm;
/// `files flush`.
pub struct FilesFlush;

/// The CID of a path that is durable now.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct FilesFlushOut {
    /// The CID.
    pub cid: String,
}

/// Where a copy goes: into a directory it keeps its name.
pub(crate) fn copy_target(source: &str, target: &str) -> Result<String, ApiError> {
    let mut target = mfs_path(target)?;
    if target.ends_with('/') {
        target.push_str(source.rsplit('/').next().unwrap_or_default());
    }
    Ok(target)
}

impl Op for FilesMkdir {
    const SPEC: &'static Spec = &Spec {
        path: "files/mkdir",
        about: "Make a directory.",
        examples: &["ipfs files mkdir --parents /a/b"],
        args: &[Arg::text("path", "The directory.")],
        options: &[
            Opt::flag(&["parents", "p"], "Make missing parents; no error when it exists."),
            CID_VERSION,
            HASH,
            FLUSH,
        ],
        ..Spec::ADMIN
    };
    type Item = NoItem;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<NoItem> {
        Box::pin(async move {
            let call = request.call;
            let path = mfs_path(call.arg(0)?)?;
            let node = mfs_node_options(&call)?;
            let flag = |name: &str| call.options.flag(name);
            cx.api(&call)?.mfs.mkdir(path, flag("parents"), node, flag("flush")).await?;
            Ok(Reply::Empty)
        })
    }

    fn text(item: NoItem, _: &Call, (): &mut (), _: &mut Out<'_>) -> TextResult {
        match item {}
    }
}

impl Op for FilesCp {
    const SPEC: &'static Spec = &Spec {
        path: "files/cp",
        about: "Put content at a path.",
        help: "Copies from /ipfs/… or from another path, without copying bytes. A target that ends with / keeps the name.",
        examples: &["ipfs files cp /ipfs/CID /photos"],
        args: &[Arg::text("source", "What to copy."), Arg::text("dest", "Where to put it.")],
        options: &[
            Opt::flag(&["force"], "Replace a file that is there."),
            Opt::flag(&["parents", "p"], "Make missing directories."),
            FLUSH,
        ],
        ..Spec::ADMIN
    };
    type Item = NoItem;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<NoItem> {
        Box::pin(async move {
            let call = request.call;
            let source = content_or_mfs_path(call.arg(0)?)?.trim_end_matches('/').to_owned();
            let target = copy_target(&source, call.arg(1)?)?;
            let flag = |name: &str| call.options.flag(name);
            let options = MfsCopyOptions { parents: flag("parents"), force: flag("force"), flush: flag("flush") };
            let api = cx.api(&call)?;
            api.mfs.copy(source, target, options).await?;
            Ok(Reply::Empty)
        })
    }

    fn text(item: NoItem, _: &Call, (): &mut (), _: &mut Out<'_>) -> TextResult {
        match item {}
    }
}

impl Op for FilesMv {
    const SPEC: &'static Spec = &Spec {
        path: "files/mv",
        about: "Move or rename a path.",
        examples: &["ipfs files mv /a /b"],
        args: &[Arg::text("source", "What to move."), Arg::text("dest", "Where to.")],
        options: &[FLUSH],
        ..Spec::ADMIN
    };
    type Item = NoItem;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<NoItem> {
        Box::pin(async move {
            let call = request.call;
            let (source, target) = (mfs_path(call.arg(0)?)?, mfs_path(call.arg(1)?)?);
            cx.api(&call)?.mfs.rename(source, target, call.options.flag("flush")).await?;
            Ok(Reply::Empty)
        })
    }

    fn text(item: NoItem, _: &Call, (): &mut (), _: &mut Out<'_>) -> TextResult {
        match item {}
    }
}

impl Op for FilesRm {
    const SPEC: &'static Spec = &Spec {
        path: "files/rm",
        about: "Remove paths.",
        examples: &["ipfs files rm -r /old"],
        help: "Always durable when it answers.",
        args: &[Arg::text("path", "What to remove.").many()],
        options: &[
            Opt::flag(&["recursive", "r"], "Remove directories with everything in them."),
            Opt::flag(&["force"], "Remove what cannot be read, and directories too."),
            FLUSH,
        ],
        ..Spec::ADMIN
    };
    type Item = String;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<String> {
        Box::pin(async move {
            let call = request.call;
            if call.options.flag_given("flush") == Some(false) {
                return Err(ApiError::invalid(
                    "files rm always flushes for safety. The --flush flag cannot be set to false for this command",
                ));
            }
            let (recursive, force) = (call.options.flag("recursive"), call.options.flag("force"));
            let mfs = cx.api(&call)?.mfs;
            let mut failures = Vec::new();
            for text in &call.args {
                let path = match mfs_path(text) {
                    Ok(path) => path,
                    Err(error) => {
                        failures.push(format!("{text} is not a valid path: {}", error.message));
                        continue;
                    }
                };
                if let Err(error) = mfs.remove(path.clone(), recursive, force, true).await {
                    failures.push(format!("{path}: {}", error.message));
                }
            }
            if failures.is_empty() {
                return Ok(Reply::Empty);
            }
            let failed = Err(ApiError::invalid("can't remove some files"));
            Ok(Reply::Stream(stream::iter(failures.into_iter().map(Ok).chain([failed])).boxed()))
        })
    }

    fn text(item: String, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        // Kubo has no text form here: it prints JSON.
        let line = String::from_utf8_lossy(&crate::json::line(&item)?).into_owned();
        Ok(out.put(line)?)
    }
}

impl Op for FilesFlush {
    const SPEC: &'static Spec = &Spec {
        path: "files/flush",
        about: "Make a path durable.",
        examples: &["ipfs files flush /"],
        help: "Needed after changes with --flush=false. Prints the CID.",
        args: &[Arg::text("path", "The path; / when left out.").optional()],
        options: &[FLUSH],
        tier: Tier::Common,
        ..Spec::ADMIN
    };
    type Item = FilesFlushOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<FilesFlushOut> {
        Box::pin(async move {
            let call = request.call;
            let path = call.args.first().cloned().unwrap_or_else(|| "/".to_owned());
            let cids = CidText::of(&call)?;
            let cid = cx.api(&call)?.mfs.flush(path).await?;
            Ok(Reply::One(FilesFlushOut { cid: cids.text(&cid) }))
        })
    }

    fn text(item: FilesFlushOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        let line = String::from_utf8_lossy(&crate::json::line(&item)?).into_owned();
        Ok(out.put(line)?)
    }
}
