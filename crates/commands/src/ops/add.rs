//! `add`: files and directories become UnixFS DAGs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use merkury_api::{AddEvent, AddInput, AddOptions, InputEntry, ItemStream, Metadata};
use merkury_core::multihash::code::SHA2_256;
use serde_json::Value as Json;

use super::common::{FAST_PROVIDE_DAG, FAST_PROVIDE_ROOT, FAST_PROVIDE_WAIT, New, fast_provide, mfs_path};
use super::prelude::*;
use crate::cids::{hash_code, known_hash_code};
use crate::spec::ArgKind;
use crate::text::progress_line;
use crate::value::Value;

/// `add`.
pub struct Add;

/// Longest name of a pin.
const PIN_NAME_BYTES_MAX: usize = 255;
/// Longest data inside a CID (IPIP-512).
const INLINE_BYTES_MAX: i64 = 128;

/// Roots whose modes and times are repeated; of more, nothing is told.
const TOLD_MAX: usize = 1 << 16;

/// Bytes read of an entry, or an entry that is built.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AddOut {
    /// Path of the entry.
    pub name: String,
    /// Its CID; empty in progress items.
    #[serde(skip_serializing_if = "is_zero")]
    pub hash: String,
    /// Bytes read so far; only in progress items.
    #[serde(skip_serializing_if = "is_zero")]
    pub bytes: u64,
    /// Size of its DAG, as text.
    #[serde(skip_serializing_if = "is_zero")]
    pub size: String,
    /// Mode in octal digits.
    #[serde(skip_serializing_if = "is_zero")]
    pub mode: String,
    /// Modification time.
    #[serde(skip_serializing_if = "is_zero")]
    pub mtime: i64,
    /// Its nanoseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub mtime_nsecs: u32,
}

/// What the text form remembers.
#[derive(Default)]
pub struct AddText {
    last: String,
    started: Option<Instant>,
    files_before: u64,
    current: (String, u64),
}

impl Op for Add {
    const SPEC: &'static Spec = &Spec {
        path: "add",
        about: "Add files and directories.",
        help: "Cuts each file into blocks, stores them and prints the CID of each entry. The roots are pinned, so\n\
               garbage collection keeps them. Nothing counts as added before the command ends without an error.\n\n\
               The same content with the same options always gets the same CID; the options that shape a DAG\n\
               (--chunker, --raw-leaves, --cid-version, --hash, --max-file-links, …) take their defaults from the\n\
               Import section of the configuration.",
        examples: &[
            "ipfs add photo.jpg              print its CID",
            "ipfs add -r -Q ./site           a directory; print the CID of its root alone",
            "tar c . | ipfs add -w --stdin-name=backup.tar",
        ],
        args: &[Arg {
            kind: ArgKind::File { recursive: true },
            ..Arg::text("path", "A file or directory.").many().or_stdin()
        }],
        options: OPTIONS,
        ..Spec::ADD
    };
    const ALWAYS_TEXT: bool = true;
    type Item = AddOut;
    type Text = AddText;

    fn prepare(call: &mut Call, live: bool) {
        let quiet = ["quiet", "quieter", "silent"].iter().any(|name| call.options.flag(name));
        if !quiet && !call.options.is_given("progress") {
            call.options.set("progress", Value::Bool(live));
        }
    }

    fn run(cx: Cx, request: Request) -> Running<AddOut> {
        Box::pin(async move {
            let Request { call, body } = request;
            let api = cx.api(&call)?;
            let import = api.config.get("Import").await.unwrap_or(Json::Null);
            let cids = CidText::of(&call)?;
            let options = options(&call, &import)?;
            let told = Told::default();
            let input = match body {
                Body::Entries(entries) if options.wrap => AddInput::Stream(entries),
                Body::Entries(entries) => AddInput::Stream(told.listen(entries)),
                Body::Local { paths, exclude } => AddInput::Local {
                    paths,
                    exclude,
                    hidden: call.options.flag("hidden"),
                    dereference_args: call.options.flag("dereference-args"),
                    dereference_symlinks: call.options.flag("dereference-symlinks"),
                },
                Body::None => return Err(ApiError::invalid("file argument 'path' is required")),
            };
            let silent = call.options.flag("silent");
            let provides = !options.only_hash;
            let new = New { pinned: options.pin, mfs: options.to_files.is_some() };
            let events = api.files.add(input, options);
            let items = async_stream::try_stream! {
                let mut events = events;
                let mut root = None;
                while let Some(event) = events.try_next().await? {
                    if let AddEvent::Added { cid, .. } = &event {
                        root = Some(cid.clone());
                    }
                    // As in Kubo, silence is for files alone.
                    if !silent || matches!(event, AddEvent::Added { is_directory: true, .. }) {
                        yield item(event, cids, &told);
                    }
                }
                if provides {
                    fast_provide(&api, &call, root.as_slice(), new).await?;
                }
            };
            Ok(Reply::Stream(items.boxed()))
        })
    }

    fn text(item: AddOut, call: &Call, state: &mut AddText, out: &mut Out<'_>) -> TextResult {
        if item.hash.is_empty() {
            return state.progress(&item, out);
        }
        state.last.clone_from(&item.hash);
        if call.options.flag("quieter") {
            return Ok(());
        }
        if state.started.is_some() {
            out.clear_progress()?;
        }
        if call.options.flag("quiet") {
            out.line(&item.hash)?;
        } else {
            out.line(format_args!("added {} {}", item.hash, escape_name(&item.name)))?;
        }
        Ok(())
    }

    fn finish(call: &Call, state: &mut AddText, out: &mut Out<'_>) -> TextResult {
        if state.started.is_some() {
            out.clear_progress()?;
        }
        if call.options.flag("quieter") && !state.last.is_empty() {
            out.line(&state.last)?;
        }
        Ok(())
    }
}

const OPTIONS: &[Opt] = &[
    Opt::flag(&["recursive", "r"], "Add directories with everything in them."),
    Opt::flag(
        &["dereference-args"],
        "Follow symbolic links given as arguments (older name of a part of --dereference-symlinks).",
    ),
    Opt::text(&["stdin-name"], "Name of what comes from standard input."),
    Opt::flag(&["hidden", "H"], "Take hidden files below directories too."),
    Opt::list(&["ignore"], "Leave out what matches this rule."),
    Opt::text(&["ignore-rules-path"], "Leave out what matches a rule in this file."),
    Opt::flag(&["empty-dirs", "E"], "Keep directories that are empty.").or("true"),
    Opt::flag(&["dereference-symlinks"], "Add what symbolic links point to, everywhere."),
    Opt::flag(&["quiet", "q"], "Print CIDs alone."),
    Opt::flag(&["quieter", "Q"], "Print the last CID alone."),
    Opt::flag(&["silent"], "Print nothing."),
    Opt::flag(&["progress", "p"], "Show progress; by default when standard error is a terminal."),
    Opt::flag(&["only-hash", "n"], "Compute CIDs; store nothing."),
    Opt::flag(&["wrap-with-directory", "w"], "Put everything into one directory, so that names are kept."),
    Opt::flag(&["pin"], "Pin the roots.").or("true"),
    Opt::text(&["pin-name"], "Name of the pin."),
    Opt::text(&["to-files"], "Put the result at this path of the mutable file system too."),
    Opt::int(&["cid-version"], "0 or 1; the default is Import.CidVersion."),
    Opt::text(&["hash"], "Hash function; the default is Import.HashFunction."),
    Opt::flag(&["raw-leaves"], "Leaves without a UnixFS wrapper; the default with CID version 1."),
    Opt::text(
        &["chunker", "s"],
        "How to cut files: size-N, rabin-MIN-AVG-MAX or buzhash; the default is Import.UnixFSChunker.",
    ),
    Opt::flag(&["trickle", "t"], "Trickle layout, for streams that are read from the start."),
    Opt::int(&["max-file-links"], "Most links of a file node."),
    Opt::int(&["max-directory-links"], "Most links of a directory in one block."),
    Opt::int(&["max-hamt-fanout"], "Fan-out of sharded directories: a power of 2 from 8 to 1024."),
    Opt::flag(&["inline"], "Put small blocks into their CIDs."),
    Opt::int(&["inline-limit"], "How small, in bytes; at most 128.").or("32"),
    Opt::flag(&["nocopy"], "Refer to the file instead of storing it."),
    Opt::flag(&["fscache"], "Look for blocks among referred files."),
    Opt::flag(&["preserve-mode"], "Keep modes."),
    Opt::flag(&["preserve-mtime"], "Keep modification times."),
    Opt::uint(&["mode"], "Give every entry this mode."),
    Opt::int64(&["mtime"], "Give every entry this modification time, in seconds since 1970."),
    Opt::uint(&["mtime-nsecs"], "Its nanoseconds."),
    FAST_PROVIDE_ROOT,
    FAST_PROVIDE_DAG,
    FAST_PROVIDE_WAIT,
];

impl AddText {
    fn progress(&mut self, item: &AddOut, out: &mut Out<'_>) -> TextResult {
        let started = *self.started.get_or_insert_with(Instant::now);
        if self.current.0 != item.name || item.bytes < self.current.1 {
            self.files_before = self.files_before.saturating_add(self.current.1);
            self.current.0.clone_from(&item.name);
        }
        self.current.1 = item.bytes;
        let total = self.files_before.saturating_add(item.bytes);
        let line = progress_line(total, out.total(), started.elapsed());
        Ok(out.progress(format_args!("{line}  {}", escape_name(&item.name)))?)
    }
}

fn item(event: AddEvent, cids: CidText, told: &Told) -> AddOut {
    match event {
        AddEvent::Progress { name, bytes } => {
            let (mode, mtime, mtime_nsecs) = told.of(name.split('/').next().unwrap_or_default());
            AddOut { name, bytes, mode, mtime, mtime_nsecs, ..AddOut::default() }
        }
        AddEvent::Added { name, cid, size, .. } => {
            let hash = cids.text(&cid);
            // Bytes without a name are called by their CID, as Kubo does in its usual base.
            let root = if name == cid.to_string() { "" } else { name.split('/').next().unwrap_or_default() };
            let (mode, mtime, mtime_nsecs) = told.of(root);
            AddOut { name, hash, size: size.to_string(), mode, mtime, mtime_nsecs, bytes: 0 }
        }
    }
}

/// Modes and times that a client told of its roots: Kubo repeats them in every item below, kept or not.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<HashMap<String, Metadata>>>);

impl Told {
    /// Remembers what passes by.
    fn listen(&self, entries: ItemStream<InputEntry>) -> ItemStream<InputEntry> {
        let told = self.0.clone();
        entries
            .inspect_ok(move |entry| {
                if entry.metadata == Metadata::default() || entry.path.contains('/') {
                    return;
                }
                let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                if told.len() < TOLD_MAX {
                    told.insert(entry.path.clone(), entry.metadata);
                }
            })
            .boxed()
    }

    fn of(&self, root: &str) -> (String, i64, u32) {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let metadata = told.get(root).copied().unwrap_or_default();
        let (mtime, mtime_nsecs) = metadata.mtime.unwrap_or_default();
        (metadata.mode.map(|mode| format!("0{mode:o}")).unwrap_or_default(), mtime, mtime_nsecs)
    }
}

/// Options of a call over the `Import` section of the configuration.
fn options(call: &Call, import: &Json) -> Result<AddOptions, ApiError> {
    let given = &call.options;
    let defaults = AddOptions::default();
    // Mistakes are told in Kubo's order, here and below.
    let inline_bytes_max = inline(call)?;
    let only_hash = given.flag("only-hash");
    let pin = given.flag("pin") && !only_hash;
    let pin_name = given.text("pin-name");
    check_pin_name(pin_name.as_deref().unwrap_or_default())?;
    let to_files = given.text("to-files").map(|target| mfs_path(if target.is_empty() { "/" } else { &target }));
    let to_files = to_files.transpose().map_err(|error| error.context("to-files"))?;
    let wrap = given.flag("wrap-with-directory");
    for (clash, message) in [
        (only_hash && to_files.is_some(), "only-hash and to-files options are not compatible"),
        (!pin && pin_name.is_some(), "pin-name option requires pin to be set"),
        (wrap && to_files.is_some(), "wrap-with-directory and to-files options are not compatible"),
    ] {
        if clash {
            return Err(ApiError::invalid(message));
        }
    }
    let fixed = |name: &str| given.int(name).is_some_and(|value| value != 0);
    let keeps_metadata = given.flag("preserve-mode") || given.flag("preserve-mtime") || fixed("mode") || fixed("mtime");
    let raw_leaves = raw_leaves(call, import, keeps_metadata)?;
    let hash = hash_function(call, import)?;
    CidText::of(call)?;
    let fixed_metadata = fixed_metadata(call)?;
    let (cid_v0, hash, raw_leaves) = naming(call, import, (&hash.0, hash.1), raw_leaves)?;
    let number = |option: &str, key: &str| {
        let given = given.int(option).and_then(|value| usize::try_from(value).ok());
        given.or_else(|| import.get(key).and_then(Json::as_u64).and_then(|value| usize::try_from(value).ok()))
    };
    let file_links_max = number("max-file-links", "UnixFSFileMaxLinks").filter(|links| *links > 0);
    let file_links_max = file_links_max.unwrap_or(defaults.file_links_max);
    // Nodes with one link each never come to an end.
    if file_links_max == 1 {
        return Err(ApiError::invalid("max-file-links must be at least 2"));
    }
    let text = |key: &str| import.get(key).and_then(Json::as_str).map(str::to_owned);
    let trickle = given.flag_given("trickle").unwrap_or(text("UnixFSDAGLayout").as_deref() == Some("trickle"));
    Ok(AddOptions {
        cid_v0,
        hash,
        raw_leaves,
        chunker: given.text("chunker").or_else(|| text("UnixFSChunker")).unwrap_or(defaults.chunker),
        file_links_max,
        directory_links_max: number("max-directory-links", "UnixFSDirectoryMaxLinks").filter(|links| *links > 0),
        hamt_fanout: number("max-hamt-fanout", "UnixFSHAMTDirectoryMaxFanout").unwrap_or(defaults.hamt_fanout),
        hamt_threshold: import
            .get("UnixFSHAMTDirectorySizeThreshold")
            .and_then(size)
            .unwrap_or(defaults.hamt_threshold),
        hamt_threshold_by_block: text("UnixFSHAMTDirectorySizeEstimation").as_deref() == Some("block"),
        wrap,
        only_hash,
        pin,
        pin_name,
        to_files,
        trickle,
        inline_bytes_max,
        empty_directories: given.flag("empty-dirs"),
        fixed_metadata,
        preserve_mode: given.flag("preserve-mode"),
        preserve_mtime: given.flag("preserve-mtime"),
        progress: given.flag("progress"),
        no_copy: given.flag("nocopy"),
        skip_referenced: given.flag("fscache"),
    })
}

/// An error for a name of a pin that is too long.
pub(crate) fn check_pin_name(name: &str) -> Result<(), ApiError> {
    if name.len() > PIN_NAME_BYTES_MAX {
        return Err(ApiError::invalid(format!("pin name is {} bytes (max {PIN_NAME_BYTES_MAX} bytes)", name.len())));
    }
    Ok(())
}

fn inline(call: &Call) -> Result<Option<usize>, ApiError> {
    if !call.options.flag("inline") {
        return Ok(None);
    }
    let limit = call.options.int("inline-limit").unwrap_or(32);
    if limit > INLINE_BYTES_MAX {
        return Err(ApiError::invalid(format!(
            "inline-limit {limit} exceeds maximum allowed size of {INLINE_BYTES_MAX} bytes"
        )));
    }
    Ok(usize::try_from(limit).ok())
}

fn fixed_metadata(call: &Call) -> Result<Metadata, ApiError> {
    let mode = call.options.int("mode").filter(|mode| *mode != 0).and_then(|mode| u32::try_from(mode).ok());
    let seconds = call.options.int("mtime").filter(|seconds| *seconds != 0);
    let nanoseconds = call.options.int("mtime-nsecs").and_then(|nanos| u32::try_from(nanos).ok()).unwrap_or(0);
    if seconds.is_none() && nanoseconds != 0 {
        return Err(ApiError::invalid("option \"mtime-nsecs\" requires \"mtime\" to be provided as well"));
    }
    Ok(Metadata { mode: mode.map(|mode| mode & 0o777), mtime: seconds.map(|seconds| (seconds, nanoseconds)) })
}

/// Whether leaves are raw, as far as it is said; never when they have to carry metadata.
fn raw_leaves(call: &Call, import: &Json, keeps_metadata: bool) -> Result<Option<bool>, ApiError> {
    let said = call.options.flag_given("raw-leaves").or_else(|| import.get("UnixFSRawLeaves").and_then(Json::as_bool));
    if keeps_metadata && said == Some(true) {
        let message = "raw-leaves can't be used with UnixFS metadata like mode or modification time";
        return Err(ApiError::invalid(message));
    }
    Ok(if keeps_metadata { Some(false) } else { said })
}

/// Name and number of a hash function that exists. Whether it is safe enough is said last, as Kubo does.
fn hash_function(call: &Call, import: &Json) -> Result<(String, u64), ApiError> {
    let configured = || import.get("HashFunction").and_then(Json::as_str).map(str::to_owned);
    let name = call.options.text("hash").filter(|name| !name.is_empty()).or_else(configured);
    let name = name.unwrap_or_else(|| "sha2-256".into()).to_ascii_lowercase();
    let code = known_hash_code(&name, || unknown_hash(&name))?;
    Ok((name, code))
}

fn unknown_hash(name: &str) -> ApiError {
    ApiError::invalid(format!("unrecognized hash function: {name:?}"))
}

/// CID version, hash function and raw leaves: each decides the default of the next.
fn naming(
    call: &Call,
    import: &Json,
    (name, hash): (&str, u64),
    mut raw_leaves: Option<bool>,
) -> Result<(bool, u64, bool), ApiError> {
    let version = call.options.int("cid-version").or_else(|| import.get("CidVersion").and_then(Json::as_i64));
    // As in Kubo a negative version is none.
    let version = version.filter(|version| *version >= 0);
    if call.options.flag("nocopy") {
        if raw_leaves == Some(false) {
            return Err(ApiError::invalid("nocopy option requires '--raw-leaves' to be enabled as well"));
        }
        raw_leaves = Some(true);
    }
    let cid_v0 = match version {
        Some(0) if hash != SHA2_256 => return Err(ApiError::invalid("CIDv0 only supports sha2-256")),
        Some(0) => true,
        None => hash == SHA2_256,
        Some(1) => false,
        Some(other) => return Err(ApiError::invalid(format!("unknown CID version: {other}"))),
    };
    Ok((cid_v0, hash_code(name, || unknown_hash(name))?, raw_leaves.unwrap_or(!cid_v0)))
}

/// A size as the configuration writes it: a number, or `256KiB`.
fn size(value: &Json) -> Option<u64> {
    if let Some(number) = value.as_u64() {
        return Some(number);
    }
    let text = value.as_str()?.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1000,
        "ki" | "kib" => 1 << 10,
        "m" | "mb" => 1_000_000,
        "mi" | "mib" => 1 << 20,
        "g" | "gb" => 1_000_000_000,
        "gi" | "gib" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::options::Options;

    fn naming_of(given: &[(&'static str, Value)], import: Json) -> Result<(bool, bool), String> {
        let given: BTreeMap<_, _> = given.iter().cloned().collect();
        let call = Call { args: Vec::new(), options: Options::from_given(Add::SPEC, given) };
        options(&call, &import).map(|options| (options.cid_v0, options.raw_leaves)).map_err(|error| error.message)
    }

    #[test]
    fn version_hash_and_leaves_decide_each_other_as_in_kubo() {
        let text = |text: &str| Value::Text(text.into());
        assert_eq!(naming_of(&[], json!({})), Ok((true, false)));
        assert_eq!(naming_of(&[("cid-version", Value::Int(1))], json!({})), Ok((false, true)));
        assert_eq!(naming_of(&[], json!({"CidVersion": 1})), Ok((false, true)));
        assert_eq!(naming_of(&[("raw-leaves", Value::Bool(true))], json!({})), Ok((true, true)));
        assert_eq!(naming_of(&[("hash", text("blake3"))], json!({})), Ok((false, true)));
        let both = [("hash", text("sha2-512")), ("cid-version", Value::Int(0))];
        assert_eq!(naming_of(&both, json!({})), Err("CIDv0 only supports sha2-256".into()));
        assert_eq!(
            naming_of(&[("preserve-mode", Value::Bool(true)), ("cid-version", Value::Int(1))], json!({})),
            Ok((false, false))
        );
        let unknown = naming_of(&[("hash", text("nope"))], json!({}));
        assert_eq!(unknown, Err("unrecognized hash function: \"nope\"".into()));
    }

    #[test]
    fn sizes_of_the_configuration() {
        assert_eq!(size(&json!("256KiB")), Some(262_144));
        assert_eq!(size(&json!(7)), Some(7));
        assert_eq!(size(&json!("x")), None);
    }
}
