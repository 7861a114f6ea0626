//! Blocks between real hosts on loopback.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use merkury_core::block::CidFormat;
use merkury_core::multihash::code;
use merkury_core::{Block, BlockGet, BlockHas, BoxFuture, Cid, GetError};
use merkury_net::config::Security;
use merkury_net::{Net, NetConfig, NetDeps};
use parking_lot::Mutex;

use super::common::{DEADLINE, address, config, until, with_quic, with_security};

/// Blocks in memory.
#[derive(Default)]
struct Memory(Mutex<HashMap<Cid, Block>>);

impl Memory {
    fn put(&self, block: &Block) {
        self.0.lock().insert(block.cid().clone(), block.clone());
    }
}

impl BlockGet for Memory {
    fn get<'a>(&'a self, cid: &'a Cid) -> BoxFuture<'a, Result<Block, GetError>> {
        let found = self.get_local(cid).and_then(|block| block.ok_or(GetError::NotHere { cid: cid.clone() }));
        Box::pin(std::future::ready(found))
    }

    fn get_local(&self, cid: &Cid) -> Result<Option<Block>, GetError> {
        Ok(self.0.lock().get(cid).cloned())
    }
}

impl BlockHas for Memory {
    fn has(&self, cid: &Cid) -> bool {
        self.0.lock().contains_key(cid)
    }

    fn size_of(&self, cid: &Cid) -> Option<u64> {
        self.0.lock().get(cid).map(|block| block.data().len() as u64)
    }
}

fn block(number: usize, bytes: usize) -> Block {
    let mut data = number.to_le_bytes().to_vec();
    data.resize(bytes, number as u8);
    Block::build(CidFormat::V1, 0x55, code::SHA2_256, Bytes::from(data)).unwrap()
}

async fn start(config: NetConfig) -> (Net, Arc<Memory>) {
    let blocks = Arc::new(Memory::default());
    let deps = NetDeps { blocks: Some(blocks.clone()), ..NetDeps::default() };
    (Net::start(config, deps).await.unwrap(), blocks)
}

/// Fetches `count` blocks of `bytes` each over one connection and checks every byte and the counters.
async fn fetch(from: NetConfig, to: NetConfig, count: usize, bytes: usize) {
    let ((server, stored), (client, _)) = (start(from).await, start(to).await);
    let blocks: Vec<Block> = (0..count).map(|number| block(number, bytes)).collect();
    blocks.iter().for_each(|block| stored.put(block));
    client.peers().connect(&address(&server).await).await.unwrap();

    let session = client.exchange().session();
    let mut coming = session.get_many(blocks.iter().map(|block| block.cid().clone()).collect());
    let mut came = HashMap::new();
    while let Some(block) = tokio::time::timeout(DEADLINE, coming.next()).await.unwrap() {
        let block = block.unwrap();
        came.insert(block.cid().clone(), block);
    }
    assert!(blocks.iter().all(|block| came.get(block.cid()) == Some(block)));

    let stat = client.exchange().stat().await.unwrap();
    assert_eq!(stat.blocks_received, count as u64);
    assert_eq!((stat.duplicate_blocks, stat.unwanted_blocks), (0, 0));
    assert!(stat.wantlist.is_empty());
    let id = client.peers().identity().await.unwrap().id;
    until("the server reports the last message", || async {
        server.exchange().stat().await.unwrap().blocks_sent == count as u64
    })
    .await;
    let ledger = server.exchange().ledger(&id).await.unwrap();
    assert_eq!(ledger.bytes_sent, (count * bytes) as u64);
    assert!(server.exchange().wantlist(Some(&id)).await.unwrap().is_empty());
    if bytes >= 64 * 1024 {
        let messages = server.exchange().stat().await.unwrap().messages_sent;
        assert!(messages * 512 * 1024 <= (count * bytes) as u64, "{messages} messages are too many");
    }
    client.shutdown().await;
    server.shutdown().await;
}

fn noise() -> NetConfig {
    with_security(vec![Security::Noise])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_mebibytes_over_noise() {
    fetch(noise(), noise(), 256, 256 * 1024).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_mebibytes_over_tls_and_quic() {
    let tls = || with_security(vec![Security::Tls]);
    fetch(tls(), tls(), 16, 1024 * 1024).await;
    fetch(with_quic(), with_quic(), 64, 256 * 1024).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_small_blocks() {
    fetch(noise(), noise(), 20_000, 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_that_comes_later_is_pushed() {
    let ((server, stored), (client, _)) = (start(noise()).await, start(noise()).await);
    client.peers().connect(&address(&server).await).await.unwrap();
    let late = block(1, 5_000);
    let session = client.exchange().session();
    let waiting = tokio::spawn({
        let cid = late.cid().clone();
        async move { session.get(&cid).await }
    });
    let id = client.peers().identity().await.unwrap().id;
    until("the server knows the want", || async {
        server.exchange().wantlist(Some(&id)).await.unwrap() == [late.cid().clone()]
    })
    .await;
    stored.put(&late);
    server.exchange().notify_new_blocks(&[late.cid().clone()]);
    let came = tokio::time::timeout(DEADLINE, waiting).await.unwrap().unwrap().unwrap();
    assert_eq!(came, late);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_get_takes_the_want_back() {
    let ((server, _), (client, _)) = (start(noise()).await, start(noise()).await);
    client.peers().connect(&address(&server).await).await.unwrap();
    let id = client.peers().identity().await.unwrap().id;
    let (session, nowhere) = (client.exchange().session(), block(7, 100));
    let get = session.get(nowhere.cid());
    tokio::select! {
        _ = get => unreachable!("nobody has the block"),
        () = until("the want is at the server", || async {
            !server.exchange().wantlist(Some(&id)).await.unwrap().is_empty()
        }) => {}
    }
    until("the want is gone on both sides", || async {
        client.exchange().wantlist(None).await.unwrap().is_empty()
            && server.exchange().wantlist(Some(&id)).await.unwrap().is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_is_found_by_routing() {
    let ((server, stored), (client, _), (between, _)) =
        (start(config()).await, start(config()).await, start(config()).await);
    let hub = address(&between).await;
    server.peers().connect(&hub).await.unwrap();
    client.peers().connect(&hub).await.unwrap();
    let wanted = block(3, 70_000);
    stored.put(&wanted);
    until("the server can announce", || async { server.routing().provide(wanted.cid()).await.is_ok() }).await;
    let session = client.exchange().session();
    let came = tokio::time::timeout(DEADLINE, session.get(wanted.cid())).await.unwrap().unwrap();
    assert_eq!(came, wanted);
}
