//! `filestore ls`, `verify` and `dups`: blocks that are parts of the user's own files.

use merkury_api::{Api, ItemStream, PartState, Referenced};
use merkury_core::Cid;

use super::prelude::*;
use super::refs::RefOut;
use crate::cids::parse_cid;

/// `filestore ls`.
pub struct FilestoreLs;
/// `filestore verify`.
pub struct FilestoreVerify;
/// `filestore dups`.
pub struct FilestoreDups;

/// A block and where it is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct FilestoreOut {
    /// 0 good, 10 unreadable, 11 gone, 12 changed, 20 internal, 30 missing.
    pub status: i32,
    /// What is wrong.
    pub error_msg: String,
    /// The block.
    pub key: Option<CidLink>,
    /// The file.
    pub file_path: String,
    /// First byte.
    pub offset: u64,
    /// Length.
    pub size: u64,
}

const GOOD: i32 = 0;
const FILE_ERROR: i32 = 10;
const FILE_GONE: i32 = 11;
const FILE_CHANGED: i32 = 12;
const INTERNAL: i32 = 20;
const MISSING: i32 = 30;

/// Whether some entry could not be shown.
#[derive(Default)]
pub struct SomeFailed(bool);

const CIDS: &[Arg] = &[Arg::text("obj", "A block.").many().optional()];

impl Op for FilestoreLs {
    const SPEC: &'static Spec = &Spec {
        path: "filestore/ls",
        about: "List blocks that are parts of files.",
        help: "Prints CID, length, file and first byte of each. Blocks that are named are looked at, too.",
        examples: &["ipfs filestore ls --file-order"],
        args: CIDS,
        options: &[Opt::flag(&["file-order"], "Sort by file.")],
        tier: Tier::Niche,
        ..Spec::READ
    };
    const ALWAYS_TEXT: bool = true;
    type Item = FilestoreOut;
    type Text = SomeFailed;

    fn run(cx: Cx, request: Request) -> Running<FilestoreOut> {
        Box::pin(async move {
            let call = request.call;
            let api = cx.api(&call)?;
            if !call.args.is_empty() {
                return Ok(Reply::Stream(named(api, call.args, false)));
            }
            let items = api.references.list(call.options.flag("file-order"), false);
            Ok(Reply::Stream(items.map_ok(item).boxed()))
        })
    }

    fn text(item: FilestoreOut, call: &Call, state: &mut SomeFailed, out: &mut Out<'_>) -> TextResult {
        if item.error_msg.is_empty() {
            return Ok(out.line(long(&item, CidText::of(call)?))?);
        }
        state.0 = true;
        Ok(out.note(format_args!("{}\n", item.error_msg))?)
    }

    fn finish(_: &Call, state: &mut SomeFailed, _: &mut Out<'_>) -> TextResult {
        if state.0 { Err(ApiError::invalid("errors while displaying some entries").into()) } else { Ok(()) }
    }
}

impl Op for FilestoreVerify {
    const SPEC: &'static Spec = &Spec {
        path: "filestore/verify",
        about: "Check blocks that are parts of files.",
        help: "Reads each part and compares it with the block's hash. --remove-bad-blocks forgets those that are no longer\n\
               there, pinned or not; pin verify tells afterwards what is broken.",
        examples: &["ipfs filestore verify"],
        args: CIDS,
        options: &[
            Opt::flag(&["file-order"], "Check in the order of the files."),
            Opt::flag(&["remove-bad-blocks"], "Forget blocks that are no longer there."),
        ],
        tier: Tier::Niche,
        ..Spec::ADMIN
    };
    const ALWAYS_TEXT: bool = true;
    type Item = FilestoreOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<FilestoreOut> {
        Box::pin(async move {
            let call = request.call;
            let api = cx.api(&call)?;
            let removes = call.options.flag("remove-bad-blocks");
            if !call.args.is_empty() {
                return Ok(Reply::Stream(named(api, call.args, removes)));
            }
            let all = api.references.list(call.options.flag("file-order"), true);
            let checked = all.and_then(move |found| {
                let api = api.clone();
                async move { removed(&api, found, removes).await }
            });
            Ok(Reply::Stream(checked.boxed()))
        })
    }

    fn text(item: FilestoreOut, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        if item.status == INTERNAL {
            out.note(format_args!("{}\n", item.error_msg))?;
        }
        let status = match item.status {
            GOOD => "ok",
            FILE_ERROR => "error",
            FILE_GONE => "no-file",
            FILE_CHANGED => "changed",
            INTERNAL => "ERROR",
            MISSING => "missing",
            _ => "???",
        };
        let line = long(&item, CidText::of(call)?);
        let action = match (call.options.flag("remove-bad-blocks"), item.status) {
            (false, _) => "",
            (true, GOOD | INTERNAL) => " keep",
            (true, _) => " remove",
        };
        Ok(out.line(format_args!("{status:<7} {line}{action}"))?)
    }
}

impl Op for FilestoreDups {
    const SPEC: &'static Spec = &Spec {
        path: "filestore/dups",
        about: "List blocks that are parts of files and stored too.",
        help: "Their stored bytes could be removed (block rm) without losing anything while the files stay.",
        examples: &["ipfs filestore dups"],
        tier: Tier::Niche,
        ..Spec::READ
    };
    type Item = RefOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<RefOut> {
        Box::pin(async move {
            let api = cx.api(&request.call)?;
            let cids = CidText::of(&request.call)?;
            let items =
                api.references.duplicates().map_ok(move |cid| RefOut { r#ref: cids.text(&cid), err: String::new() });
            Ok(Reply::Stream(items.boxed()))
        })
    }

    fn text(item: RefOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        item.show(out)
    }
}

fn item(found: Referenced) -> FilestoreOut {
    let (status, error_msg) = match found.state {
        PartState::Good => (GOOD, String::new()),
        PartState::Changed(why) => (FILE_CHANGED, why),
        PartState::Gone(why) => (FILE_GONE, why),
        PartState::Failed(why) => (FILE_ERROR, why),
        PartState::Missing => (MISSING, format!("ipld: could not find {}", found.cid)),
    };
    let (file_path, offset, size) = found.part.map(|part| (part.path, part.offset, part.size)).unwrap_or_default();
    FilestoreOut { status, error_msg, key: Some(found.cid.into()), file_path, offset, size }
}

/// The item of a part that was looked at; a bad one is forgotten when that was asked.
async fn removed(api: &Api, found: Referenced, removes: bool) -> Result<FilestoreOut, ApiError> {
    let cid = found.cid.clone();
    let item = item(found);
    if removes && !matches!(item.status, GOOD | INTERNAL) {
        api.references.forget(cid).await?;
    }
    Ok(item)
}

/// Blocks by name. A name that is none is an item, not the end.
fn named(api: Api, names: Vec<String>, removes: bool) -> ItemStream<FilestoreOut> {
    let look = move |name: String| {
        let api = api.clone();
        async move {
            let cid: Cid = match parse_cid(&name) {
                Ok(cid) => cid,
                Err(error) => {
                    let error_msg = format!("{name}: {}", error.message);
                    let (file_path, offset, size) = Default::default();
                    return Ok(FilestoreOut { status: INTERNAL, error_msg, key: None, file_path, offset, size });
                }
            };
            let found = api.references.look_up(cid).await?;
            removed(&api, found, removes).await
        }
    };
    stream::iter(names).then(look).boxed()
}

fn long(item: &FilestoreOut, cids: CidText) -> String {
    match &item.key {
        None => "<corrupt key>".into(),
        Some(key) if item.file_path.is_empty() => key.cid.to_string(),
        Some(key) => {
            let key = cids.text(&key.cid);
            format!("{key:<50} {:>6} {} {}", item.size, escape_name(&item.file_path), item.offset)
        }
    }
}
