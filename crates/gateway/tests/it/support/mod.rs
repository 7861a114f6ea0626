//! A node in memory, content for it, and a client that speaks plain HTTP.

pub(crate) mod case;
pub(crate) mod client;
pub(crate) mod content;
pub(crate) mod nothing;
pub(crate) mod walk;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::StreamExt;
use merkury_api::{
    Answer, Api, ApiError, BlockPutOptions, BlockRemoved, BlockStat, Blocks, ItemStream, LookupOptions, Names, Node,
    PublishOptions, Reach, Resolved,
};
use merkury_core::path::Root;
use merkury_core::{Block, Cid, ContentPath, ErrorKind, PeerId};
use merkury_gateway::{Gateway, GatewayConfig};
use merkury_http::{Address, Limits, Listener};

/// Blocks in memory, and the part of the API that a gateway needs.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<State>);

#[derive(Default)]
struct State {
    blocks: Mutex<HashMap<Vec<u8>, Bytes>>,
    /// Blocks that never come: a read waits for ever.
    silent: Mutex<Vec<Cid>>,
    names: Mutex<HashMap<String, Cid>>,
}

impl Memory {
    pub(crate) fn put(&self, block: Block) -> Cid {
        let (cid, data) = block.into_parts();
        self.0.blocks.lock().expect("not poisoned").insert(cid.hash().to_bytes(), data);
        cid
    }

    pub(crate) fn remove(&self, cid: &Cid) {
        self.0.blocks.lock().expect("not poisoned").remove(&cid.hash().to_bytes());
    }

    pub(crate) fn silence(&self, cid: &Cid) {
        self.remove(cid);
        self.0.silent.lock().expect("not poisoned").push(cid.clone());
    }

    pub(crate) fn name(&self, name: &str, cid: Cid) {
        self.0.names.lock().expect("not poisoned").insert(name.to_owned(), cid);
    }

    /// The block, or Kubo's words. Waits for ever for a silent one.
    pub(crate) async fn block(&self, cid: &Cid) -> Result<Block, ApiError> {
        if let Some(block) = Block::from_identity(cid) {
            return Ok(block);
        }
        if self.0.silent.lock().expect("not poisoned").contains(cid) {
            std::future::pending::<()>().await;
        }
        let data = self.0.blocks.lock().expect("not poisoned").get(&cid.hash().to_bytes()).cloned();
        match data {
            Some(data) => Block::verify(cid.clone(), data).map_err(|error| ApiError::internal(error.to_string())),
            None => Err(merkury_core::GetError::NotHere { cid: cid.clone() }.into()),
        }
    }
}

impl Node for Memory {
    fn api(&self, _reach: Reach) -> Api {
        let this = Arc::new(self.clone());
        let nothing = Arc::new(nothing::Nothing);
        Api {
            blocks: this.clone(),
            dag: this.clone(),
            files: this.clone(),
            names: this,
            mfs: nothing.clone(),
            history: nothing.clone(),
            pins: nothing.clone(),
            keys: nothing.clone(),
            routing: nothing.clone(),
            peers: nothing.clone(),
            repo: nothing.clone(),
            migrate: nothing.clone(),
            space: nothing.clone(),
            references: nothing.clone(),
            config: nothing.clone(),
            records: nothing,
        }
    }

    fn is_online(&self) -> bool {
        false
    }

    fn shutdown(&self) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}

impl Blocks for Memory {
    fn get<'a>(&'a self, cid: &'a Cid) -> Answer<'a, Block> {
        Box::pin(self.block(cid))
    }

    fn stat<'a>(&'a self, cid: &'a Cid) -> Answer<'a, BlockStat> {
        Box::pin(async { Ok(BlockStat { cid: cid.clone(), size: self.block(cid).await?.data().len() as u64 }) })
    }

    fn has<'a>(&'a self, cid: &'a Cid) -> Answer<'a, bool> {
        Box::pin(async {
            let blocks = self.0.blocks.lock().expect("not poisoned");
            Ok(cid.hash().is_identity() || blocks.contains_key(&cid.hash().to_bytes()))
        })
    }

    fn put(&self, _data: Bytes, _options: BlockPutOptions) -> Answer<'_, BlockStat> {
        nothing::never()
    }

    fn remove(&self, _cids: Vec<Cid>, _force: bool) -> ItemStream<BlockRemoved> {
        nothing::nothing()
    }

    fn list(&self) -> ItemStream<Cid> {
        nothing::nothing()
    }
}

impl Names for Memory {
    fn resolve<'a>(&'a self, path: &'a ContentPath) -> Answer<'a, Resolved> {
        Box::pin(async move {
            let (root, ttl_secs) = match path.root() {
                Root::Ipfs(cid) | Root::Ipld(cid) => (cid.clone(), None),
                Root::Ipns(name) => {
                    let cid = self.0.names.lock().expect("not poisoned").get(name).cloned();
                    let why = || ApiError::new(ErrorKind::NotFound, format!("could not resolve name: {name}"));
                    (cid.ok_or_else(why)?, Some(60))
                }
            };
            let mut steps = vec![root];
            for name in path.segments() {
                let at = steps.last().expect("has the root").clone();
                let (found, mut passed) = walk::lookup(self, &at, name).await?;
                let missing = || ApiError::not_found(format!("no link named {name:?} under {at}"));
                steps.append(&mut passed);
                steps.push(found.ok_or_else(missing)?);
            }
            let cid = steps.last().expect("has the root").clone();
            Ok(Resolved { cid, rest: Vec::new(), steps, ttl_secs })
        })
    }

    fn lookup<'a>(&'a self, _: &'a ContentPath, _: LookupOptions) -> Answer<'a, String> {
        nothing::never()
    }

    fn publish(&self, _: PublishOptions) -> Answer<'_, PeerId> {
        nothing::never()
    }

    fn record(&self, _: PeerId) -> Answer<'_, Vec<u8>> {
        nothing::never()
    }

    fn put_record(&self, _: PeerId, _: Vec<u8>, _: bool) -> Answer<'_, ()> {
        nothing::never()
    }
}

/// A gateway over `memory` on a free port, for the rest of the test.
pub(crate) async fn start(memory: &Memory, config: GatewayConfig) -> SocketAddr {
    start_with(memory, config, Limits::default()).await
}

pub(crate) async fn start_with(memory: &Memory, config: GatewayConfig, limits: Limits) -> SocketAddr {
    let listener = Listener::tcp("127.0.0.1:0".parse().expect("an address")).await.expect("a free port");
    let Address::Tcp(address) = *listener.address() else { panic!("not TCP") };
    let gateway = Arc::new(Gateway::new(memory, config));
    tokio::spawn(merkury_http::serve(listener, gateway, limits, Box::pin(std::future::pending())));
    address
}

/// A stream of what is at hand.
pub(crate) fn items<T: Send + 'static>(items: Vec<Result<T, ApiError>>) -> ItemStream<T> {
    futures::stream::iter(items).boxed()
}
