//! Announcing on request, and how announcing stands.

use std::collections::HashSet;
use std::sync::Arc;

use async_stream::try_stream;
use futures::stream::FuturesUnordered;
use futures::{StreamExt, TryStreamExt};
use merkury_api::{ApiError, FastProvide, ItemStream, ProvideStat, Reach, RefsOptions};
use merkury_core::{BlockGet, BlockHas, Cid, ErrorKind};
use merkury_net::Net;
use merkury_net::routing::provide::{ProvideSource, WORKERS};

use super::routing_error;
use crate::announce::{self, Kept, LocalWalk};
use crate::inner::{Handle, blocking, store_error};

/// Where Kubo's users look for what became of `--fast-provide-…`.
const LOG: &str = "merkury_commands::fast_provide";
/// CIDs that [`Named`] remembers.
const NAMED_MAX: usize = 4 << 20;

/// What was queued for announcing, so that nothing is named twice; after [`NAMED_MAX`] it may be.
#[derive(Default)]
struct Named(HashSet<Cid>);

impl Named {
    fn is_new(&mut self, cid: &Cid) -> bool {
        self.0.len() >= NAMED_MAX || self.0.insert(cid.clone())
    }
}

fn unavailable(message: &str) -> ApiError {
    ApiError::new(ErrorKind::Unavailable, message)
}

fn off(handle: &Handle) -> Result<(), ApiError> {
    if handle.inner.provides() {
        return Ok(());
    }
    Err(ApiError::invalid("invalid configuration: Provide.Enabled is set to 'false'")
        .hint("merkury config --json Provide.Enabled true"))
}

async fn has_peers(net: &Net) -> bool {
    net.peers().connections().await.is_ok_and(|connections| !connections.is_empty())
}

/// `routing provide`: announces, and waits for it.
pub(super) async fn now(handle: &Handle, cids: Vec<Cid>, recursive: bool) -> Result<(), ApiError> {
    let net = handle.inner.net()?;
    off(handle)?;
    if !has_peers(net).await {
        return Err(unavailable("cannot provide, no connected peers"));
    }
    let store = handle.inner.store()?;
    let routing = net.routing();
    for cid in cids {
        if !store.has(&cid) {
            return Err(ApiError::not_found(format!("block {cid} not found locally, cannot provide")));
        }
        routing.provide(&cid).await.map_err(routing_error)?;
        let options = RefsOptions { recursive: true, unique: true, max_depth: None };
        let mut below = recursive.then(|| merkury_api::Dag::refs(handle, cid, options));
        while let Some(items) = &mut below
            && let Some(item) = items.next().await
        {
            routing.provide(&item?.target).await.map_err(routing_error)?;
        }
    }
    Ok(())
}

/// `provide once`: queues, and tells what is queued.
pub(super) fn once(handle: &Handle, cids: Vec<Cid>, recursive: bool) -> ItemStream<Cid> {
    let handle = handle.clone();
    try_stream! {
        let net = handle.inner.net()?;
        if !handle.inner.provides() {
            Err(ApiError::invalid("cannot provide: Provide.Enabled is false")
                .hint("merkury config --json Provide.Enabled true"))?;
        }
        if !has_peers(net).await {
            Err(unavailable("cannot provide: no connected peers"))?;
        }
        let blocks = handle.inner.stores()?.blocks.clone();
        let mut named = Named::default();
        for root in cids {
            if !blocks.has(&root) {
                Err(ApiError::not_found(format!("block {root} not found locally, cannot provide")))?;
            }
            let mut walk = recursive.then(|| LocalWalk::new(blocks.clone(), root.clone(), false));
            let mut next = Some(root);
            while let Some(cid) = next {
                if named.is_new(&cid) {
                    net.providing().enqueue(&cid).await;
                    yield cid;
                }
                next = match &mut walk {
                    Some(walk) => walk.next().await,
                    None => None,
                };
            }
        }
    }
    .boxed()
}

/// What `add`, `pin add` and others do about new roots. Said in the log step by step, in Kubo's words.
pub(super) async fn fast(handle: &Handle, roots: Vec<Cid>, how: FastProvide) -> Result<(), ApiError> {
    if roots.is_empty() {
        return Ok(());
    }
    if !how.root && !how.dag {
        tracing::debug!(target: LOG, "fast-provide-root: skipped, disabled by flag or config");
        if how.wait {
            tracing::debug!(target: LOG, "fast-provide-root: wait-flag-ignored");
        }
        return Ok(());
    }
    tracing::debug!(target: LOG, wait = how.wait, "fast-provide-root: enabled");
    let allowed = handle.reach == Reach::Network && handle.inner.provides();
    let (Ok(net), true) = (handle.inner.net(), allowed) else {
        tracing::debug!(target: LOG, "fast-provide-root: skipped, this node announces nothing");
        return Ok(());
    };
    let strategy = handle.inner.strategy();
    if !strategy.takes_root(how.pinned, how.mfs) {
        tracing::debug!(target: LOG, "fast-provide-root: skipped, strategy does not match content");
        return Ok(());
    }
    if how.dag && (strategy.all || strategy.pinned || strategy.mfs) {
        let walk = walk_all(net.providing().clone(), handle.inner.stores()?.blocks.clone(), roots, strategy.entities);
        match how.wait {
            true => walk.await,
            // The walk ends with the node at the latest: it holds no more than the store.
            false => drop(tokio::spawn(walk)),
        }
        return Ok(());
    }
    for root in roots {
        if how.wait {
            tracing::debug!(target: LOG, %root, "fast-provide-root: providing synchronously");
            if let Err(error) = net.routing().provide(&root).await {
                tracing::warn!(target: LOG, %root, %error, "fast-provide-root: sync provide failed");
                return Err(routing_error(error).context("fast-provide"));
            }
            tracing::debug!(target: LOG, %root, "fast-provide-root: sync provide completed");
        } else {
            tracing::debug!(target: LOG, %root, "fast-provide-root: providing asynchronously");
            later(net, root).await;
        }
    }
    Ok(())
}

/// Announces in the background, and says what came of it. Without anybody to tell it waits in the queue instead.
async fn later(net: &Net, root: Cid) {
    if !has_peers(net).await {
        tracing::debug!(target: LOG, %root, "fast-provide-root: async provide failed, it waits for peers");
    }
    net.providing().announce(root);
}

async fn walk_all(
    providing: merkury_net::routing::provide::Providing,
    blocks: Arc<dyn BlockGet>,
    roots: Vec<Cid>,
    entities: bool,
) {
    let mut named = Named::default();
    let mut skipped = 0u64;
    for root in roots {
        let mut walk = LocalWalk::new(blocks.clone(), root, entities);
        while let Some(cid) = walk.next().await {
            if !named.is_new(&cid) {
                skipped += 1;
                continue;
            }
            providing.enqueue(&cid).await;
        }
    }
    let numbers = format!("{{\"providedCIDs\": {}, \"skippedBranches\": {skipped}}}", named.0.len());
    tracing::info!(target: LOG, "fast-provide-dag: finished {numbers}");
}

/// `routing reprovide`.
pub(super) async fn again(handle: &Handle) -> Result<(), ApiError> {
    let net = handle.inner.net()?;
    off(handle)?;
    let inner = &handle.inner;
    if announce::interval(&inner.config.read()).is_zero() {
        return Err(ApiError::invalid("invalid configuration: Provide.DHT.Interval is set to '0'"));
    }
    if announce::sweeps(&inner.config.read()) {
        return Err(ApiError::invalid(
            "manual reprovide only available with legacy provider (Provide.DHT.SweepEnabled=false)",
        ));
    }
    let stores = inner.stores()?;
    let source = Arc::new(Kept::new(stores.main.clone(), stores.blocks.clone(), &inner.config.read()));
    let mut place: Option<Vec<u8>> = None;
    loop {
        let (source, after) = (source.clone(), place.take());
        let batch = blocking(move || source.batch(after.as_deref(), 256).map_err(ApiError::internal)).await?;
        let mut working = FuturesUnordered::new();
        for cid in batch.cids {
            let routing = net.routing();
            working.push(async move { routing.provide(&cid).await.map_err(routing_error) });
            if working.len() >= WORKERS {
                working.try_next().await?;
            }
        }
        while working.try_next().await?.is_some() {}
        match batch.next {
            Some(next) => place = Some(next),
            None => return Ok(()),
        }
    }
}

/// How announcing stands.
pub(super) async fn stat(handle: &Handle) -> Result<ProvideStat, ApiError> {
    let net = handle.inner.net()?;
    if !handle.inner.provides() {
        return Err(unavailable("stats not available with current routing system: Provide.Enabled is false"));
    }
    let status = net.routing().status().await.map_err(routing_error)?;
    let stores = handle.inner.stores()?;
    let strategy = handle.inner.strategy();
    let store = stores.main.clone();
    let scheduled = blocking(move || match strategy.all {
        true => Ok(store.stat().blocks),
        false => store.pins().count().map(|pins| pins as u64).map_err(store_error),
    });
    let now = net.providing().stat();
    let (legacy, interval) = {
        let config = handle.inner.config.read();
        (!announce::sweeps(&config), announce::interval(&config))
    };
    Ok(ProvideStat {
        legacy,
        online: status.has_peers(),
        waiting: now.waiting as u64,
        working: now.working,
        cycle: now.cycle,
        scheduled: scheduled.await?,
        made: now.made,
        made_in_cycles: now.made_in_cycles,
        failed: now.failed,
        records: now.records,
        peers: [status.wan, status.lan].into_iter().flatten().map(|dht| dht.peers as u64).sum(),
        workers: WORKERS as u64,
        uptime: now.uptime,
        interval,
        cycle_started: now.cycle_started,
        cycle_ended: now.cycle_ended,
        cycles: now.cycles,
        cycles_took: now.cycles_took,
        last_cycle_took: now.last_cycle_took,
    })
}
