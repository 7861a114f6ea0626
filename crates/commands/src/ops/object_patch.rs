//! `object patch add-link` and `rm-link`: links of dag-pb nodes, one by one.
//!
//! They know nothing of sharded directories and of the sizes inside files, so they refuse all but plain directories
//! unless told not to. New nodes are stored from the bottom up; the old ones stay.

use bytes::Bytes;
use merkury_api::{Api, BlockPutOptions};
use merkury_core::cid::codec_code;
use merkury_core::codec::dag_pb::{PbLink, PbNode};
use merkury_core::codec::unixfs::{Kind, UnixFs};
use merkury_core::limits::BLOCK_BYTES_MAX;
use merkury_core::multihash::code::SHA2_256;
use merkury_core::{Block, Cid, Version};

use super::common::ALLOW_BIG_BLOCK;
use super::prelude::*;

/// `object patch add-link`.
pub struct ObjectPatchAddLink;
/// `object patch rm-link`.
pub struct ObjectPatchRmLink;

/// Names of a path at most: each is a node held in memory.
const DEPTH_MAX: usize = 1024;

/// The new root.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ObjectOut {
    /// Its CID.
    pub hash: String,
}

const ALLOW_NON_UNIXFS: Opt = Opt::flag(&["allow-non-unixfs"], "Change nodes that are no plain directories too.");

impl Op for ObjectPatchAddLink {
    const SPEC: &'static Spec = &Spec {
        path: "object/patch/add-link",
        about: "Add a link to a dag-pb node.",
        help: "Prints the CID of the new root. For directories of any size use files cp.",
        examples: &["ipfs object patch add-link CID-OF-DIRECTORY name CID"],
        args: &[
            Arg::text("root", "The node to change."),
            Arg::text("name", "Name of the link; / leads into nodes below."),
            Arg::text("ref", "What the link leads to."),
        ],
        options: &[Opt::flag(&["create", "p"], "Make the directories on the way."), ALLOW_NON_UNIXFS, ALLOW_BIG_BLOCK],
        tier: Tier::Deprecated,
        ..Spec::ADD
    };
    type Item = ObjectOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<ObjectOut> {
        Box::pin(async move {
            let call = request.call;
            let api = cx.api(&call)?;
            let cids = CidText::of(&call)?;
            let root = crate::cids::parse_path(call.arg(0)?)?;
            let child = crate::cids::parse_path(call.arg(2)?)?;
            let root = api.blocks.get(&api.names.resolve(&root).await?.cid).await?;
            let child = api.blocks.get(&api.names.resolve(&child).await?.cid).await?;
            let node = changeable(&root, &call, Change::Add)?;
            let names = names(call.arg(1)?)?;
            let mut way = Way::down(&api, &root, node, &names, call.options.flag("create")).await?;
            way.put_link(&child)?;
            let hash = way.up(&api, &call).await?;
            Ok(Reply::One(ObjectOut { hash: cids.text(&hash) }))
        })
    }

    fn text(item: ObjectOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        Ok(out.line(&item.hash)?)
    }
}

impl Op for ObjectPatchRmLink {
    const SPEC: &'static Spec = &Spec {
        path: "object/patch/rm-link",
        about: "Remove a link from a dag-pb node.",
        help: "Prints the CID of the new root. For directories of any size use files rm.",
        examples: &["ipfs object patch rm-link CID-OF-DIRECTORY name"],
        args: &[
            Arg::text("root", "The node to change."),
            Arg::text("name", "Name of the link; / leads into nodes below."),
        ],
        options: &[ALLOW_NON_UNIXFS, ALLOW_BIG_BLOCK],
        tier: Tier::Deprecated,
        ..Spec::ADD
    };
    type Item = ObjectOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<ObjectOut> {
        Box::pin(async move {
            let call = request.call;
            let api = cx.api(&call)?;
            let cids = CidText::of(&call)?;
            let root = crate::cids::parse_path(call.arg(0)?)?;
            let root = api.blocks.get(&api.names.resolve(&root).await?.cid).await?;
            let node = changeable(&root, &call, Change::Remove)?;
            let mut way = Way::down(&api, &root, node, &names(call.arg(1)?)?, false).await?;
            way.remove_link()?;
            let hash = way.up(&api, &call).await?;
            Ok(Reply::One(ObjectOut { hash: cids.text(&hash) }))
        })
    }

    fn text(item: ObjectOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        Ok(out.line(&item.hash)?)
    }
}

/// The dag-pb node in a block; `None` when its codec is another.
pub(crate) fn proto_node(block: &Block) -> Result<Option<PbNode>, ApiError> {
    if block.cid().codec() != codec_code::DAG_PB {
        return Ok(None);
    }
    PbNode::decode(block.data())
        .map(Some)
        .map_err(|error| ApiError::invalid(format!("malformed node {}: {error}", block.cid())))
}

fn names(path: &str) -> Result<Vec<String>, ApiError> {
    let names: Vec<String> = path.split('/').map(str::to_owned).collect();
    if names.len() > DEPTH_MAX {
        return Err(ApiError::invalid(format!("the path has {} names, more than {DEPTH_MAX}", names.len())));
    }
    Ok(names)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Add,
    Remove,
}

/// The node, if a link of it may be changed.
fn changeable(root: &Block, call: &Call, change: Change) -> Result<PbNode, ApiError> {
    let node = proto_node(root)?.ok_or_else(not_protobuf)?;
    if call.options.flag("allow-non-unixfs") {
        return Ok(node);
    }
    let adds = change == Change::Add;
    let kind = node.data.as_ref().and_then(|data| UnixFs::decode(data).ok()).map(|message| message.kind);
    let message = match kind {
        Some(Kind::Directory) => return Ok(node),
        None if adds => "cannot add named links to a non-UnixFS dag-pb node; pass --allow-non-unixfs to skip validation".into(),
        None => "cannot remove links from a non-UnixFS dag-pb node; pass --allow-non-unixfs to skip validation".into(),
        Some(Kind::HamtShard) if adds => "cannot add links to a HAMTShard at the dag-pb level (would corrupt the HAMT \
                                          bitfield); use 'ipfs files' commands instead, or pass --allow-non-unixfs to override"
            .into(),
        Some(Kind::HamtShard) => "cannot remove links from a HAMTShard at the dag-pb level (would corrupt the HAMT \
                                  bitfield); use 'ipfs files rm' instead, or pass --allow-non-unixfs to override"
            .into(),
        Some(kind) if adds => format!(
            "cannot add named links to a UnixFS {} node, only Directory nodes support link addition at the dag-pb level \
             (see https://specs.ipfs.tech/unixfs/)",
            kind_name(kind)
        ),
        Some(kind) => format!(
            "cannot remove links from a UnixFS {} node, only Directory nodes support link removal at the dag-pb level \
             (see https://specs.ipfs.tech/unixfs/)",
            kind_name(kind)
        ),
    };
    Err(ApiError::invalid(message))
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Raw => "Raw",
        Kind::Directory => "Directory",
        Kind::File => "File",
        Kind::Metadata => "Metadata",
        Kind::Symlink => "Symlink",
        Kind::HamtShard => "HAMTShard",
    }
}

fn not_protobuf() -> ApiError {
    ApiError::invalid("expected protobuf dag node")
}

/// A node on the way down, and how its CID is made.
struct Step {
    node: PbNode,
    /// The CID it had, whose version and hash the new one takes.
    like: Option<Cid>,
    /// Name of the link that leads on.
    name: String,
}

/// The nodes from the root to the one whose link changes.
struct Way(Vec<Step>);

impl Way {
    async fn down(api: &Api, root: &Block, node: PbNode, names: &[String], create: bool) -> Result<Self, ApiError> {
        let mut steps: Vec<Step> = Vec::new();
        let mut at = (node, Some(root.cid().clone()));
        for (index, name) in names.iter().enumerate() {
            let (node, like) = at;
            let next = node.links.iter().find(|link| link.name_bytes() == name.as_bytes()).map(|link| link.cid.clone());
            steps.push(Step { node, like, name: name.clone() });
            if index + 1 == names.len() {
                break;
            }
            at = match next {
                Some(cid) => (proto_node(&api.blocks.get(&cid).await?)?.ok_or_else(not_protobuf)?, Some(cid)),
                None if create => (PbNode { links: Vec::new(), data: Some(Bytes::from_static(EMPTY_DIRECTORY)) }, None),
                None => return Err(no_link()),
            };
        }
        Ok(Self(steps))
    }

    fn last(&mut self) -> Result<&mut Step, ApiError> {
        self.0.last_mut().ok_or_else(|| ApiError::internal("a path has at least one name"))
    }

    fn put_link(&mut self, child: &Block) -> Result<(), ApiError> {
        let tsize = match proto_node(child)? {
            Some(node) => node.cumulative_size(child.data().len()),
            None => child.data().len() as u64,
        };
        let step = self.last()?;
        if step.name.is_empty() {
            return Err(ApiError::invalid("cannot create link with no name"));
        }
        step.set(child.cid().clone(), tsize);
        Ok(())
    }

    fn remove_link(&mut self) -> Result<(), ApiError> {
        let step = self.last()?;
        let before = step.node.links.len();
        let name = step.name.clone();
        step.node.links.retain(|link| link.name_bytes() != name.as_bytes());
        if step.node.links.len() == before { Err(no_link()) } else { Ok(()) }
    }

    /// Stores the nodes from the last to the root, whose CID it returns.
    async fn up(mut self, api: &Api, call: &Call) -> Result<Cid, ApiError> {
        let mut below: Option<(Cid, u64)> = None;
        while let Some(mut step) = self.0.pop() {
            if let Some((cid, tsize)) = below.take() {
                step.set(cid, tsize);
            }
            let block = step.encoded();
            let tsize = step.node.cumulative_size(block.len());
            let stat = api.blocks.put(block.into(), step.options()).await?;
            below = Some((stat.cid, tsize));
        }
        let (root, size) = below.ok_or_else(|| ApiError::internal("a path has at least one name"))?;
        // Kubo compares what the whole graph weighs, after storing it.
        if size > BLOCK_BYTES_MAX as u64 && !call.options.flag("allow-big-block") {
            return Err(ApiError::block_over(BLOCK_BYTES_MAX));
        }
        Ok(root)
    }
}

impl Step {
    fn set(&mut self, cid: Cid, tsize: u64) {
        let name = self.name.clone();
        self.node.links.retain(|link| link.name_bytes() != name.as_bytes());
        self.node.links.push(PbLink::new(cid, name, tsize));
    }

    fn encoded(&mut self) -> Vec<u8> {
        for link in &mut self.node.links {
            link.name.get_or_insert_with(Bytes::new);
            link.tsize.get_or_insert(0);
        }
        self.node.sort_links();
        self.node.encode()
    }

    fn options(&self) -> BlockPutOptions {
        let like = self.like.as_ref();
        BlockPutOptions {
            codec: codec_code::DAG_PB,
            cid_v0: like.is_none_or(|cid| cid.version() == Version::V0),
            hash: like.map_or(SHA2_256, |cid| cid.hash().code()),
            hash_bytes: like
                .map(|cid| cid.hash().digest().len())
                .filter(|_| !like.is_some_and(|cid| cid.hash().is_identity())),
            pin: false,
            allow_big: true,
        }
    }
}

/// The message of a directory without entries.
const EMPTY_DIRECTORY: &[u8] = &[0x08, 0x01];

fn no_link() -> ApiError {
    ApiError::not_found("no link by that name")
}
