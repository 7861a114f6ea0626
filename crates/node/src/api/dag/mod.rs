//! [`Dag`]: graphs of blocks.

mod export;
mod import;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_stream::try_stream;
use futures::StreamExt;
use merkury_api::{
    Answer, ApiError, ByteStream, CarImported, Dag, DagImportOptions, DagStat, DagStatItem, ExportRequest, ItemStream,
    Link, RefItem, RefsOptions,
};
use merkury_core::cid::codec_code;
use merkury_core::codec::dag_pb::PbNode;
use merkury_core::codec::links;
use merkury_core::{Block, BlockGet, BlockHas, Cid, ErrorKind};
use merkury_store::Store;
use merkury_unixfs::walk;

use super::with_kind;
use crate::inner::Handle;

/// A count of blocks after which a statistic tells how far it is.
const PROGRESS_EVERY: u64 = 512;
/// References that may wait to be printed; more is a graph made to hurt.
const REFS_HELD_MAX: usize = 16 << 20;

impl Dag for Handle {
    fn links<'a>(&'a self, cid: &'a Cid) -> Answer<'a, Vec<Link>> {
        Box::pin(async move { links_of(&self.getter()?.get(cid).await?) })
    }

    fn refs(&self, root: Cid, options: RefsOptions) -> ItemStream<RefItem> {
        match self.getter().and_then(|get| Ok((get, self.inner.store()?))) {
            Ok((get, store)) => refs(get, store, root, options),
            Err(error) => crate::stream::failed(error),
        }
    }

    fn stat(&self, roots: Vec<Cid>) -> ItemStream<DagStatItem> {
        match self.getter() {
            Ok(get) => stat(get, roots),
            Err(error) => crate::stream::failed(error),
        }
    }

    fn import(&self, cars: ItemStream<ByteStream>, options: DagImportOptions) -> ItemStream<CarImported> {
        import::import(self, cars, options)
    }

    fn export(&self, request: ExportRequest) -> Answer<'_, ByteStream> {
        Box::pin(async move { export::export(self.getter()?, request).await })
    }
}

/// Links with their names; only dag-pb has names.
fn links_of(block: &Block) -> Result<Vec<Link>, ApiError> {
    let malformed = |why: &dyn std::fmt::Display| ApiError::invalid(format!("malformed node {}: {why}", block.cid()));
    if block.cid().codec() == codec_code::DAG_PB {
        let node = PbNode::decode(block.data()).map_err(|error| malformed(&error))?;
        let link = |link: merkury_core::codec::dag_pb::PbLink| Link {
            name: link.name_text().into_owned(),
            size: link.tsize,
            cid: link.cid,
        };
        return Ok(node.links.into_iter().map(link).collect());
    }
    let found = links(block.cid().codec(), block.data()).map_err(|error| malformed(&error))?;
    Ok(found.into_iter().map(|cid| Link { name: String::new(), cid, size: None }).collect())
}

/// A reference is told before the block behind it is read, as Kubo does.
///
/// Blocks that are recorded to have no links are not read at all.
fn refs(get: Arc<dyn BlockGet>, store: Arc<Store>, root: Cid, options: RefsOptions) -> ItemStream<RefItem> {
    struct Waiting {
        source: Cid,
        link: Link,
        depth: u32,
    }
    try_stream! {
        let depth_max = if options.recursive { options.max_depth.unwrap_or(u32::MAX) } else { 1 };
        // How deep each was met: what is met again nearer to the root may lead further.
        let mut met: HashMap<Cid, u32> = HashMap::new();
        let mut waiting: Vec<Waiting> = Vec::new();
        // The root has to be here, even if it can have no links.
        get.get(&root).await?;
        let mut below = Some((root, 0u32));
        loop {
            if let Some((source, depth)) = below.take()
                && depth < depth_max
                // Plain bytes have no links: they need not be here.
                && source.codec() != codec_code::RAW
                && !store.is_leaf(&source)
            {
                let links = links_of(&get.get(&source).await?)?;
                if waiting.len() + links.len() > REFS_HELD_MAX {
                    Err(ApiError::invalid(format!("the graph below {source} is too wide to be listed")))?;
                }
                let next = links.into_iter().rev();
                waiting.extend(next.map(|link| Waiting { source: source.clone(), link, depth: depth + 1 }));
            }
            let Some(Waiting { source, link, depth }) = waiting.pop() else { break };
            let mut is_told = false;
            if options.unique {
                let before = met.get(&link.cid).copied();
                is_told = before.is_some();
                if before.is_some_and(|before| before <= depth || options.max_depth.is_none()) {
                    continue;
                }
                met.insert(link.cid.clone(), depth);
            }
            below = Some((link.cid.clone(), depth));
            if is_told {
                continue;
            }
            // What is listed is here: a list with holes would look whole.
            if !link.cid.hash().is_identity() && !store.has(&link.cid) {
                get.get(&link.cid).await.map_err(|error| not_all(error.kind(), &link.cid))?;
            }
            yield RefItem { source, target: link.cid, name: link.name };
        }
    }
    .boxed()
}

/// Kubo's words for a link that leads to nothing; ours say which.
fn not_all(kind: ErrorKind, missing: &Cid) -> ApiError {
    with_kind(kind, "failed to fetch all nodes").hint(format!("block {missing} is not here"))
}

fn done(dags: Vec<DagStat>, unique_blocks: u64, total_size: u64) -> DagStatItem {
    let shared_size = dags.iter().map(|dag| dag.size).sum::<u64>().saturating_sub(total_size);
    DagStatItem::Done { dags, unique_blocks, total_size, shared_size }
}

/// Counts by CID, as Kubo does: identity CIDs count, and one block under two names is two. The recorded links know
/// neither.
fn stat(get: Arc<dyn BlockGet>, roots: Vec<Cid>) -> ItemStream<DagStatItem> {
    try_stream! {
        let mut dags: Vec<DagStat> = Vec::new();
        let mut met: HashSet<Cid> = HashSet::new();
        let (mut unique_blocks, mut total_size) = (0u64, 0u64);
        for root in roots {
            let mut dag = DagStat { root: root.clone(), size: 0, blocks: 0 };
            let mut blocks = Box::pin(walk::fetch_all(get.clone(), root));
            while let Some(block) = blocks.next().await {
                let block = block.map_err(|error| with_kind(error.kind(), error))?;
                dag.blocks += 1;
                dag.size += block.bytes;
                if met.insert(block.cid.clone()) {
                    unique_blocks += 1;
                    total_size += block.bytes;
                }
                if dag.blocks.is_multiple_of(PROGRESS_EVERY) {
                    yield DagStatItem::Progress(dag.clone());
                }
            }
            dags.push(dag);
        }
        yield done(dags, unique_blocks, total_size);
    }
    .boxed()
}
