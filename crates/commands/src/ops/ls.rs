//! `ls`: what is in a directory.

use merkury_api::{Api, DirEntry, FileStat, ListOptions, NodeKind};
use merkury_core::cid::codec_code;

use super::prelude::*;
use crate::text::Table;
use merkury_core::mode;
use merkury_core::stamp::{self, Stamp};

/// `ls`.
pub struct Ls;

/// Listings; one object a path, or one link an item when streamed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct LsOut {
    /// One a path.
    pub objects: Vec<LsObject>,
}

/// A directory.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct LsObject {
    /// The path as asked.
    pub hash: String,
    /// Its entries.
    pub links: Vec<LsLink>,
}

/// An entry.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct LsLink {
    /// Its name.
    pub name: String,
    /// Its CID.
    pub hash: String,
    /// Bytes of a file.
    pub size: u64,
    /// UnixFS type: 1 directory, 2 file, 4 symbolic link, 0 unknown.
    pub r#type: u8,
    /// Where a symbolic link points.
    pub target: String,
    /// Mode in Go's bits.
    #[serde(default)]
    pub mode: u32,
    /// Modification time.
    #[serde(default)]
    pub mod_time: String,
}

/// Go's mode bits of a directory.
const GO_DIRECTORY: u32 = 1 << 31;
/// Go's bits of setuid, setgid and sticky, with the Unix ones.
const GO_SPECIAL: [(u32, u32); 3] = [(0o4000, 1 << 23), (0o2000, 1 << 22), (0o1000, 1 << 20)];

/// What the text form remembers: the directory of the last line.
#[derive(Default)]
pub struct LsText {
    last: String,
}

impl Op for Ls {
    const SPEC: &'static Spec = &Spec {
        path: "ls",
        about: "List directories.",
        help: "Prints CID, size and name of each entry. --size=false and --resolve-type=false save looking at every\n\
               entry, which matters when they are not stored here.",
        examples: &["ipfs ls -l /ipfs/CID", "ipfs ls -s --size=false /ipfs/CID    a huge directory, as it comes"],
        args: &[Arg::text("ipfs-path", "Path of a directory.").many().or_stdin()],
        options: &[
            Opt::flag(&["headers", "v"], "Print the names of the columns."),
            Opt::flag(&["resolve-type"], "Find the type of each entry.").or("true"),
            Opt::flag(&["size"], "Find the size of each entry.").or("true"),
            Opt::flag(&["stream", "s"], "Print entries as they come, unsorted."),
            Opt::flag(&["long", "l"], "Print mode and time too."),
            Opt::flag(&["human", "H"], "Print sizes for people."),
            Opt::flag(&["sort-size", "S"], "Sort by size, the largest first."),
        ],
        ..Spec::READ
    };
    const ALWAYS_TEXT: bool = true;
    type Item = LsOut;
    type Text = LsText;

    fn run(cx: Cx, request: Request) -> Running<LsOut> {
        Box::pin(async move {
            let call = request.call;
            let flag = |name: &str| call.options.flag(name);
            if flag("sort-size") && flag("stream") {
                return Err(ApiError::invalid("cannot use --sort-size with --stream"));
            }
            if flag("sort-size") && !flag("size") {
                return Err(ApiError::invalid("cannot use --sort-size with --size=false"));
            }
            let looks = flag("size") || flag("resolve-type");
            let api = cx.api(&call)?;
            let cids = CidText::of(&call)?;
            if flag("stream") {
                return Ok(Reply::Stream(streamed(api, call.args, looks, cids)));
            }
            let mut objects = Vec::with_capacity(call.args.len());
            for path in &call.args {
                let mut entries = list(&api, path, looks).await?;
                let mut links = Vec::new();
                while let Some(entry) = entries.try_next().await? {
                    links.push(link(entry, cids));
                }
                if flag("sort-size") {
                    links.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.name.cmp(&b.name)));
                } else {
                    links.sort_by(|a, b| a.name.cmp(&b.name));
                }
                objects.push(LsObject { hash: path.clone(), links });
            }
            Ok(Reply::One(LsOut { objects }))
        })
    }

    fn text(item: LsOut, call: &Call, state: &mut LsText, out: &mut Out<'_>) -> TextResult {
        let flag = |name: &str| call.options.flag(name);
        let mut table = Table::new(if flag("stream") { 10 } else { 1 });
        for object in &item.objects {
            if object.hash != state.last {
                if call.args.len() > 1 {
                    if !state.last.is_empty() {
                        table.row([""]);
                    }
                    table.row([format!("{}:", object.hash)]);
                }
                if flag("headers") {
                    table.row(headers(flag("long"), flag("size")));
                }
                state.last.clone_from(&object.hash);
            }
            for link in &object.links {
                table.row(row(link, call));
            }
        }
        Ok(out.put(table.render())?)
    }
}

fn streamed(api: Api, paths: Vec<String>, looks: bool, cids: CidText) -> merkury_api::ItemStream<LsOut> {
    async_stream::try_stream! {
        for path in paths {
            let mut entries = list(&api, &path, looks).await?;
            while let Some(entry) = entries.try_next().await? {
                yield LsOut { objects: vec![LsObject { hash: path.clone(), links: vec![link(entry, cids)] }] };
            }
        }
    }
    .boxed()
}

/// Entries of a directory; of a file the parts it consists of, as Kubo lists them.
async fn list(api: &Api, path: &str, looks: bool) -> Result<merkury_api::ItemStream<DirEntry>, ApiError> {
    let cid = resolve_cid(api, path).await?;
    let stat = api.files.stat(&cid).await?;
    if stat.kind == NodeKind::Directory {
        return api.files.list(&cid, ListOptions { stat_children: looks, sorted: false }).await;
    }
    let links = api.dag.links(&cid).await?;
    let api = api.clone();
    let entries = stream::iter(links).then(move |link| {
        let api = api.clone();
        async move {
            // The size of plain bytes is what the link says, and links in documents say nothing.
            let stat = match link.cid.codec() {
                codec_code::RAW => Some(FileStat { size: link.size.unwrap_or(0), ..plain(link.cid.clone()) }),
                _ if looks => Some(api.files.stat(&link.cid).await?),
                _ => None,
            };
            Ok(DirEntry { name: link.name, cid: link.cid, link_size: link.size.unwrap_or(0), stat })
        }
    });
    Ok(entries.boxed())
}

/// What is known of plain bytes without looking.
fn plain(cid: merkury_core::Cid) -> FileStat {
    let metadata = merkury_api::Metadata::default();
    let (sharded, size, cumulative_size, links, target) = Default::default();
    FileStat { cid, kind: NodeKind::Raw, sharded, size, cumulative_size, links, target, metadata }
}

fn link(entry: DirEntry, cids: CidText) -> LsLink {
    let stat = entry.stat;
    let kind = match stat.as_ref().map(|stat| stat.kind) {
        Some(NodeKind::Directory) => 1,
        Some(NodeKind::File | NodeKind::Raw) => 2,
        Some(NodeKind::Symlink) => 4,
        Some(NodeKind::Other) | None => 0,
    };
    let mtime = stat.as_ref().and_then(|stat| stat.metadata.mtime);
    LsLink {
        name: entry.name,
        hash: cids.text(&entry.cid),
        // Documents have no size here.
        size: stat.as_ref().filter(|stat| stat.kind != NodeKind::Other).map_or(0, |stat| stat.size),
        r#type: kind,
        mode: stat.as_ref().map_or(0, go_mode),
        mod_time: mtime
            .map_or_else(|| stamp::ZERO.to_owned(), |(seconds, nanoseconds)| Stamp { seconds, nanoseconds }.rfc3339()),
        target: stat.and_then(|stat| stat.target).unwrap_or_default(),
    }
}

fn go_mode(stat: &FileStat) -> u32 {
    // Kubo drops the mode of symbolic links.
    let Some(mode) = stat.metadata.mode.filter(|_| stat.kind != NodeKind::Symlink) else { return 0 };
    let special = GO_SPECIAL.iter().filter(|(unix, _)| mode & unix != 0).fold(0, |all, (_, go)| all | go);
    let directory = if stat.kind == NodeKind::Directory { GO_DIRECTORY } else { 0 };
    (mode & 0o777) | special | directory
}

fn headers(long: bool, size: bool) -> Vec<&'static str> {
    match (long, size) {
        (true, true) => vec!["Mode", "Hash", "Size", "ModTime", "Name"],
        (true, false) => vec!["Mode", "Hash", "ModTime", "Name"],
        (false, true) => vec!["Hash", "Size", "Name"],
        (false, false) => vec!["Hash", "Name"],
    }
}

fn row(link: &LsLink, call: &Call) -> Vec<String> {
    let flag = |name: &str| call.options.flag(name);
    let directory = link.r#type == 1 || link.r#type == 5;
    let mut cells = Vec::with_capacity(5);
    if flag("long") {
        let special = GO_SPECIAL.iter().filter(|(_, go)| link.mode & go != 0).fold(0, |all, (unix, _)| all | unix);
        let kind = if link.mode & GO_DIRECTORY != 0 { 'd' } else { '-' };
        cells.push(if link.mode == 0 { "-".into() } else { mode::letters(kind, (link.mode & 0o777) | special) });
    }
    cells.push(link.hash.clone());
    if flag("size") {
        cells.push(match (directory, flag("human")) {
            (true, _) => "-".into(),
            (false, true) => human_size(link.size),
            (false, false) => link.size.to_string(),
        });
    }
    if flag("long") {
        let stamp = Stamp::parse_rfc3339(&link.mod_time);
        cells.push(stamp.map_or_else(|| "-".into(), |stamp| stamp.listing(Stamp::of(std::time::SystemTime::now()))));
    }
    let slash = if directory { "/" } else { "" };
    cells.push(format!("{}{slash}", escape_name(&link.name)));
    cells
}
