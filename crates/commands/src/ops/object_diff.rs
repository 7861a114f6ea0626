//! `object diff`: what changed between two graphs of named links.

use merkury_core::Block;
use merkury_core::codec::dag_pb::{PbLink, PbNode};

use super::object_patch::proto_node;
use super::prelude::*;

/// `object diff`.
pub struct ObjectDiff;

/// Nodes compared at most: two graphs made to hurt have more pairs than blocks.
const PAIRS_MAX: usize = 1 << 20;

/// What changed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Changes {
    /// The changes.
    pub changes: Vec<Change>,
}

/// A change.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Change {
    /// 0: added, 1: removed, 2: changed.
    pub r#type: u8,
    /// Where.
    pub path: String,
    /// What was there.
    pub before: Option<CidLink>,
    /// What is there now.
    pub after: Option<CidLink>,
}

const ADDED: u8 = 0;
const REMOVED: u8 = 1;
const CHANGED: u8 = 2;

impl Op for ObjectDiff {
    const SPEC: &'static Spec = &Spec {
        path: "object/diff",
        about: "Print what changed between two directories.",
        help: "Compares the named links of two dag-pb nodes and of what they lead to.",
        examples: &["ipfs object diff -v CID-BEFORE CID-AFTER"],
        args: &[Arg::text("obj_a", "The first node."), Arg::text("obj_b", "The second.")],
        options: &[Opt::flag(&["verbose", "v"], "Write sentences.")],
        tier: Tier::Deprecated,
        ..Spec::READ
    };
    type Item = Changes;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<Changes> {
        Box::pin(async move {
            let call = request.call;
            let api = cx.api(&call)?;
            // Both are read as paths before either is looked for.
            let paths = [crate::cids::parse_path(call.arg(0)?)?, crate::cids::parse_path(call.arg(1)?)?];
            let mut nodes = Vec::new();
            for path in &paths {
                let cid = api.names.resolve(path).await?.cid;
                nodes.push(api.blocks.get(&cid).await?);
            }
            let changes = match &nodes[..] {
                [before, after] => diff(&api, before, after).await?,
                _ => Vec::new(),
            };
            Ok(Reply::One(Changes { changes }))
        })
    }

    fn text(item: Changes, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        let cids = CidText::of(call)?;
        let verbose = call.options.flag("verbose");
        for change in &item.changes {
            let text = |link: &Option<CidLink>| link.as_ref().map_or(String::new(), |link| cids.text(&link.cid));
            let (before, after, path) = (text(&change.before), text(&change.after), &change.path);
            match (change.r#type, verbose) {
                (ADDED, true) => out.line(format_args!("Added new link {path:?} pointing to {after}."))?,
                (REMOVED, true) => out.line(format_args!("Removed link {path:?} (was {before})."))?,
                (_, true) => out.line(format_args!("Changed {path:?} from {before} to {after}."))?,
                (ADDED, false) => out.line(format_args!("+ {after} {path:?}"))?,
                (REMOVED, false) => out.line(format_args!("- {before} {path:?}"))?,
                (_, false) => out.line(format_args!("~ {before} {after} {path:?}"))?,
            }
        }
        Ok(())
    }
}

/// A pair of nodes on the way, with what is still to be done there.
struct Pair {
    path: String,
    before: Vec<PbLink>,
    after: Vec<PbLink>,
    next: usize,
    only_before: Vec<PbLink>,
    only_after: Vec<PbLink>,
}

/// Goes down pair by pair, depth first, without recursion. Nodes that share a name and are not both dag-pb with links are
/// one change.
async fn diff(api: &merkury_api::Api, before: &Block, after: &Block) -> Result<Vec<Change>, ApiError> {
    let mut changes = Vec::new();
    let mut open: Vec<Pair> = Vec::new();
    let mut pairs = 0usize;
    open.extend(enter(String::new(), before, after, &mut changes)?);
    while let Some(pair) = open.last_mut() {
        let Some(old) = pair.before.get(pair.next).cloned() else {
            let Some(done) = open.pop() else { break };
            changes.extend(done.only_before.iter().map(|link| change(REMOVED, &done.path, link)));
            changes.extend(done.only_after.iter().map(|link| change(ADDED, &done.path, link)));
            continue;
        };
        pair.next += 1;
        let same_name = |link: &PbLink| link.name_bytes() == old.name_bytes();
        let Some(new) = pair.after.iter().find(|link| same_name(link)).cloned() else { continue };
        pair.only_before.retain(|link| !same_name(link));
        pair.only_after.retain(|link| !same_name(link));
        if old.cid == new.cid {
            continue;
        }
        pairs += 1;
        if pairs > PAIRS_MAX {
            return Err(ApiError::invalid(format!("more than {PAIRS_MAX} nodes differ; compare smaller parts")));
        }
        let path = join(&pair.path, &old.name_text());
        let (left, right) = (api.blocks.get(&old.cid).await?, api.blocks.get(&new.cid).await?);
        open.extend(enter(path, &left, &right, &mut changes)?);
    }
    Ok(changes)
}

fn enter(path: String, before: &Block, after: &Block, changes: &mut Vec<Change>) -> Result<Option<Pair>, ApiError> {
    if before.cid() == after.cid() {
        return Ok(None);
    }
    let links = |block: &Block| -> Result<Option<Vec<PbLink>>, ApiError> {
        Ok(proto_node(block)?.map(|PbNode { links, .. }| links))
    };
    let (left, right) = (links(before)?, links(after)?);
    match (left, right) {
        (Some(left), Some(right)) if !(left.is_empty() && right.is_empty()) => Ok(Some(Pair {
            path,
            only_before: left.clone(),
            only_after: right.clone(),
            before: left,
            after: right,
            next: 0,
        })),
        _ => {
            let (before, after) = (Some(before.cid().clone().into()), Some(after.cid().clone().into()));
            changes.push(Change { r#type: CHANGED, path, before, after });
            Ok(None)
        }
    }
}

fn change(kind: u8, under: &str, link: &PbLink) -> Change {
    let at: Option<CidLink> = Some(link.cid.clone().into());
    let (before, after) = if kind == REMOVED { (at, None) } else { (None, at) };
    // Names right below the roots are told as they stand.
    let name = link.name_text();
    let path = if under.is_empty() { name.into_owned() } else { join(under, &name) };
    Change { r#type: kind, path, before, after }
}

/// Two paths as one, without empty names, `.` and `x/..`.
fn join(left: &str, right: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in left.split('/').chain(right.split('/')) {
        match name {
            "" | "." => {}
            ".." if names.last().is_some_and(|last| *last != "..") => {
                names.pop();
            }
            name => names.push(name),
        }
    }
    names.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_join_as_go_does() {
        for (left, right, wanted) in
            [("", "a", "a"), ("a", "b", "a/b"), ("a", "", "a"), ("a", "../b", "b"), ("", "..", "..")]
        {
            assert_eq!(join(left, right), wanted, "{left} {right}");
        }
    }

    #[test]
    fn leaves_are_one_change() {
        let block = |text: &'static str| {
            Block::build(merkury_core::block::CidFormat::V1, 0x55, 0x12, text.into()).expect("a block")
        };
        let mut changes = Vec::new();
        assert!(enter("a".into(), &block("x"), &block("y"), &mut changes).expect("no pair").is_none());
        assert_eq!(changes.len(), 1);
        assert!(enter("a".into(), &block("x"), &block("x"), &mut changes).expect("no pair").is_none());
        assert_eq!(changes.len(), 1, "equal nodes are no change");
    }
}
