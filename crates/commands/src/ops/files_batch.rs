//! `files batch`: many changes of the mutable file system in one step, all of them or none.

use bytes::Bytes;
use merkury_api::{MfsChange, MfsCopyOptions, MfsWriteOptions};

use super::common::{content_or_mfs_path, mfs_node_options, mfs_path, whole_file};
use super::files_meta::{chcid, chmod, touch};
use super::files_tree::copy_target;
use super::prelude::*;
use crate::{parse, words};

/// `files batch`.
pub struct FilesBatch;

/// Largest batch, in bytes of its lines.
const BATCH_BYTES_MAX: usize = 256 << 20;

/// What the batch made.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct FilesBatchOut {
    /// The root.
    pub root: String,
    /// Changes made.
    pub changes: usize,
}

impl Op for FilesBatch {
    const SPEC: &'static Spec = &Spec {
        path: "files/batch",
        about: "Make many changes in one step: all of them or none.",
        help: "Reads one command a line: mkdir, write, cp, mv, rm, chmod, touch and chcid with their options, as behind\n\
               'files'. Words are split as in a shell; the data of a write is a word (in base64 with --base64). When a line\n\
               fails, nothing is changed and the line is named.",
        examples: &["printf 'mkdir -p /a\\nwrite -e /a/hello \"hello\\\\n\"\\n' | merkury files batch"],
        args: &[Arg::file("lines", "The commands, one a line.").or_stdin()],
        options: &[Opt::flag(&["base64"], "The data of every write is base64.")],
        tier: Tier::Own,
        ..Spec::ADMIN
    };
    type Item = FilesBatchOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<FilesBatchOut> {
        Box::pin(async move {
            let Request { call, body } = request;
            let bytes = whole_file(body, BATCH_BYTES_MAX).await?;
            let text = std::str::from_utf8(&bytes).map_err(|_| ApiError::invalid("the batch is not UTF-8 text"))?;
            let base64 = call.options.flag("base64");
            let mut changes = Vec::new();
            for (index, line) in text.lines().enumerate() {
                let made = changes_of(line, base64).map_err(|error| {
                    error
                        .context(&format!("line {}", index + 1))
                        .hint("nothing was changed: mend the line, run it again")
                })?;
                changes.extend(made);
            }
            let cids = CidText::of(&call)?;
            let count = changes.len();
            let root = cx.api(&call)?.mfs.batch(changes).await?;
            Ok(Reply::One(FilesBatchOut { root: cids.text(&root), changes: count }))
        })
    }

    fn text(item: FilesBatchOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        Ok(out.line(item.root)?)
    }
}

/// The changes that a line asks for; none when it is empty.
fn changes_of(line: &str, base64: bool) -> Result<Vec<MfsChange>, ApiError> {
    let mut line_words = words::split(line).map_err(ApiError::invalid)?;
    let Some(command) = line_words.first().cloned() else { return Ok(Vec::new()) };
    line_words.insert(0, "files".to_owned());
    let parsed = parse::parse(&line_words).map_err(|error| ApiError::invalid(error.message))?;
    let spec = parsed.node.spec;
    let sorted = parse::sort_inputs(spec, parsed.inputs, false).map_err(ApiError::invalid)?;
    let call = Call { args: sorted.texts, options: parsed.options };
    let data = sorted.files.into_iter().next();
    match spec.path {
        "files/mkdir" => one(mkdir(&call)?),
        "files/write" => one(write(&call, data, base64)?),
        "files/cp" => one(copy(&call)?),
        "files/mv" => one(MfsChange::Rename { source: mfs_path(call.arg(0)?)?, target: mfs_path(call.arg(1)?)? }),
        "files/rm" => call.args.iter().map(|path| remove(&call, path)).collect(),
        "files/chmod" => one(chmod(&call)?),
        "files/touch" => one(touch(&call)?),
        "files/chcid" => one(chcid(&call)?),
        _ => Err(ApiError::invalid(format!("{command} is no change"))
            .hint("a line begins with mkdir, write, cp, mv, rm, chmod, touch or chcid")),
    }
}

fn one(change: MfsChange) -> Result<Vec<MfsChange>, ApiError> {
    Ok(vec![change])
}

fn mkdir(call: &Call) -> Result<MfsChange, ApiError> {
    let parents = call.options.flag("parents");
    Ok(MfsChange::Mkdir { path: mfs_path(call.arg(0)?)?, parents, node: mfs_node_options(call)? })
}

fn write(call: &Call, data: Option<String>, base64: bool) -> Result<MfsChange, ApiError> {
    let text = data.ok_or_else(|| ApiError::invalid("argument \"data\" is required"))?;
    let data = if base64 {
        let decoded = data_encoding::BASE64.decode(text.as_bytes());
        Bytes::from(decoded.map_err(|error| ApiError::invalid(format!("the data is not base64: {error}")))?)
    } else {
        Bytes::from(text)
    };
    Ok(MfsChange::Write { path: mfs_path(call.arg(0)?)?, data, options: write_options(call)? })
}

/// The options of `files write`.
pub(crate) fn write_options(call: &Call) -> Result<MfsWriteOptions, ApiError> {
    let flag = |name: &str| call.options.flag(name);
    Ok(MfsWriteOptions {
        offset: call.options.count("offset", "cannot have negative write offset")?.unwrap_or(0),
        create: flag("create"),
        parents: flag("parents"),
        truncate: flag("truncate"),
        count: call.options.count("count", "cannot have negative byte count")?,
        raw_leaves: call.options.flag_given("raw-leaves"),
        node: mfs_node_options(call)?,
        flush: flag("flush"),
    })
}

fn copy(call: &Call) -> Result<MfsChange, ApiError> {
    let source = content_or_mfs_path(call.arg(0)?)?.trim_end_matches('/').to_owned();
    let target = copy_target(&source, call.arg(1)?)?;
    let options =
        MfsCopyOptions { parents: call.options.flag("parents"), force: call.options.flag("force"), flush: true };
    Ok(MfsChange::Copy { source, target, options })
}

fn remove(call: &Call, path: &str) -> Result<MfsChange, ApiError> {
    let (recursive, force) = (call.options.flag("recursive"), call.options.flag("force"));
    Ok(MfsChange::Remove { path: mfs_path(path)?, recursive, force })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_changes() {
        let shown = |line: &str| {
            let made = changes_of(line, false).expect(line);
            made.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(shown("mkdir -p /a/b"), ["files mkdir /a/b"]);
        assert_eq!(shown("rm -r /a /b"), ["files rm /a", "files rm /b"]);
        assert_eq!(shown("cp /a/x /b/"), ["files cp /a/x /b/x"]);
        assert_eq!(shown("# only a comment"), [""; 0]);
        let made = changes_of("write -e /a \"x\\n\"", false).expect("write");
        assert!(matches!(&made[..], [MfsChange::Write { data, .. }] if data == "x\n"));
        let made = changes_of("write -e /a aGk=", true).expect("base64");
        assert!(matches!(&made[..], [MfsChange::Write { data, .. }] if data == "hi"));
        for line in ["ls /", "mkdir", "mkdir a", "write /a", "nonsense", "mkdir --unknown /a", "rm 'x"] {
            assert!(changes_of(line, false).is_err(), "{line}");
        }
    }
}
