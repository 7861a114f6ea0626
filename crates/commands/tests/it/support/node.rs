//! A node in memory: enough of each trait to see what the surface makes of its answers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use merkury_api::*;
use merkury_core::block::CidFormat;
use merkury_core::keys::Keypair;
use merkury_core::{Block, Cid, ContentPath, PeerId};
use serde_json::Value;

/// The empty directory, which every node has.
pub(crate) const EMPTY: &str = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn";
/// The peer id of the node.
pub(crate) const PEER: &str = "12D3KooWHNyYv32ivXabQSe3ZchjWRT8PwSrihnTTPxtsMrFMzZY";

#[derive(Default)]
pub(crate) struct FakeNode {
    state: Arc<State>,
    pub(crate) stopped: AtomicBool,
}

#[derive(Default)]
pub(crate) struct State {
    blocks: Mutex<BTreeMap<String, Block>>,
    /// Entries of the last add: path, kind and length or target.
    added: Mutex<Vec<String>>,
}

#[derive(Clone)]
struct Handle(Arc<State>);

impl FakeNode {
    /// What the last add was given, one line an entry.
    pub(crate) fn added(&self) -> Vec<String> {
        self.state.added.lock().expect("not poisoned").clone()
    }

    pub(crate) fn put(&self, data: &'static [u8]) -> Cid {
        Handle(self.state.clone()).store(Bytes::from_static(data))
    }
}

fn offline<T>() -> Answer<'static, T> {
    fail(ApiError::new(
        merkury_core::ErrorKind::Unavailable,
        "this command must be run in online mode. Try running 'ipfs daemon' first",
    ))
}

fn fail<T>(error: ApiError) -> Answer<'static, T> {
    async move { Err(error) }.boxed()
}

fn ok<T: Send + 'static>(value: T) -> Answer<'static, T> {
    async move { Ok(value) }.boxed()
}

fn none<T: Send + 'static>() -> ItemStream<T> {
    stream::empty().boxed()
}

fn one<T: Send + 'static>(value: T) -> ItemStream<T> {
    stream::iter([Ok(value)]).boxed()
}

impl Node for FakeNode {
    fn api(&self, _: Reach) -> Api {
        let handle = Arc::new(Handle(self.state.clone()));
        Api {
            blocks: handle.clone(),
            dag: handle.clone(),
            files: handle.clone(),
            mfs: handle.clone(),
            history: handle.clone(),
            pins: handle.clone(),
            names: handle.clone(),
            keys: handle.clone(),
            routing: handle.clone(),
            peers: handle.clone(),
            repo: handle.clone(),
            migrate: handle.clone(),
            space: handle.clone(),
            references: handle.clone(),
            config: handle.clone(),
            records: handle,
        }
    }

    fn is_online(&self) -> bool {
        false
    }

    fn shutdown(&self) -> Answer<'_, ()> {
        self.stopped.store(true, Ordering::SeqCst);
        ok(())
    }
}

impl References for Handle {
    fn list(&self, _: bool, _: bool) -> ItemStream<Referenced> {
        stream::empty().boxed()
    }
    fn look_up(&self, cid: Cid) -> Answer<'_, Referenced> {
        ok(Referenced { cid, part: None, state: PartState::Missing })
    }
    fn forget(&self, _: Cid) -> Answer<'_, ()> {
        ok(())
    }
    fn duplicates(&self) -> ItemStream<Cid> {
        stream::empty().boxed()
    }
}

impl Migrate for Handle {
    fn migrate(&self, request: MigrateRequest) -> ItemStream<MigrateEvent> {
        let done = Migrated { source: request.from, blocks_copied: 3, bytes_copied: 4096, ..Migrated::default() };
        one(MigrateEvent::Done(Box::new(done)))
    }
}

impl Handle {
    fn store(&self, data: Bytes) -> Cid {
        let block = Block::build(CidFormat::V1, 0x55, 0x12, data).expect("a small block");
        let cid = block.cid().clone();
        self.0.blocks.lock().expect("not poisoned").insert(cid.to_string(), block);
        cid
    }

    fn find(&self, cid: &Cid) -> Result<Block, ApiError> {
        let blocks = self.0.blocks.lock().expect("not poisoned");
        let found = blocks.get(&cid.to_string()).cloned();
        found.ok_or_else(|| {
            ApiError::not_found(format!("block was not found locally (offline): ipld: could not find {cid}"))
        })
    }
}

impl Blocks for Handle {
    fn get<'a>(&'a self, cid: &'a Cid) -> Answer<'a, Block> {
        async move { self.find(cid) }.boxed()
    }
    fn stat<'a>(&'a self, cid: &'a Cid) -> Answer<'a, BlockStat> {
        async move { Ok(BlockStat { cid: cid.clone(), size: self.find(cid)?.data().len() as u64 }) }.boxed()
    }
    fn has<'a>(&'a self, cid: &'a Cid) -> Answer<'a, bool> {
        ok(self.find(cid).is_ok())
    }
    fn put(&self, data: Bytes, _: BlockPutOptions) -> Answer<'_, BlockStat> {
        let size = data.len() as u64;
        ok(BlockStat { cid: self.store(data), size })
    }
    fn remove(&self, cids: Vec<Cid>, _: bool) -> ItemStream<BlockRemoved> {
        stream::iter(cids.into_iter().map(|cid| Ok(BlockRemoved { cid, error: None }))).boxed()
    }
    fn list(&self) -> ItemStream<Cid> {
        let all: Vec<_> =
            self.0.blocks.lock().expect("not poisoned").values().map(|block| Ok(block.cid().clone())).collect();
        stream::iter(all).boxed()
    }
}

impl Dag for Handle {
    fn links<'a>(&'a self, _: &'a Cid) -> Answer<'a, Vec<Link>> {
        ok(Vec::new())
    }
    /// Two references, then a failure: what a broken DAG looks like.
    fn refs(&self, root: Cid, _: RefsOptions) -> ItemStream<RefItem> {
        let item = |name: &str| Ok(RefItem { source: root.clone(), target: root.clone(), name: name.into() });
        stream::iter([item("a"), item("b"), Err(ApiError::not_found("merkledag: not found"))]).boxed()
    }
    fn stat(&self, roots: Vec<Cid>) -> ItemStream<DagStatItem> {
        let dags: Vec<DagStat> = roots.into_iter().map(|root| DagStat { root, size: 10, blocks: 2 }).collect();
        let total_size = 10 * dags.len() as u64;
        one(DagStatItem::Done { unique_blocks: 2 * dags.len() as u64, dags, total_size, shared_size: 0 })
    }
    fn import(&self, cars: ItemStream<ByteStream>, _: DagImportOptions) -> ItemStream<CarImported> {
        cars.and_then(|car| async move {
            let bytes: usize =
                car.map_ok(|chunk| chunk.len()).try_fold(0, |sum, len| async move { Ok(sum + len) }).await?;
            Ok(CarImported::Stats { blocks: 1, bytes: bytes as u64 })
        })
        .boxed()
    }
    /// Some bytes, then a failure.
    fn export(&self, _: ExportRequest) -> Answer<'_, ByteStream> {
        let items = [Ok(Bytes::from_static(b"car bytes")), Err(ApiError::not_found("block is gone"))];
        ok(stream::iter(items).boxed())
    }
}

impl Files for Handle {
    fn add(&self, input: AddInput, _: AddOptions) -> ItemStream<AddEvent> {
        let AddInput::Stream(entries) = input else { return none() };
        let handle = self.clone();
        handle.0.added.lock().expect("not poisoned").clear();
        entries
            .and_then(move |entry| {
                let handle = handle.clone();
                async move {
                    let (line, data) = match entry.body {
                        EntryBody::Directory => (format!("dir {}", entry.path), Bytes::new()),
                        EntryBody::Symlink(target) => (format!("link {} -> {target}", entry.path), Bytes::from(target)),
                        EntryBody::File(bytes) => {
                            let all: Vec<Bytes> = bytes.try_collect().await?;
                            let all = Bytes::from(all.concat());
                            (format!("file {} {}", entry.path, all.len()), all)
                        }
                    };
                    let line = match (entry.metadata.mode, entry.metadata.mtime) {
                        (None, None) => line,
                        (mode, mtime) => format!("{line} {:o} {mtime:?}", mode.unwrap_or_default()),
                    };
                    handle.0.added.lock().expect("not poisoned").push(line);
                    let size = data.len() as u64;
                    let cid = handle.store(data);
                    Ok(AddEvent::Added { name: entry.path, cid, size, is_directory: false })
                }
            })
            .boxed()
    }
    fn stat<'a>(&'a self, cid: &'a Cid) -> Answer<'a, FileStat> {
        let kind = if cid.to_string() == EMPTY { NodeKind::Directory } else { NodeKind::Raw };
        let size = self.find(cid).map_or(0, |block| block.data().len() as u64);
        let metadata = Metadata::default();
        ok(FileStat {
            cid: cid.clone(),
            kind,
            sharded: false,
            size,
            cumulative_size: size,
            links: 0,
            target: None,
            metadata,
        })
    }
    fn read<'a>(&'a self, cid: &'a Cid, range: ReadRange) -> Answer<'a, FileRead> {
        async move {
            if cid.to_string() == EMPTY {
                return Err(ApiError::invalid("this dag node is a directory"));
            }
            let data = self.find(cid)?.data().clone();
            let from = usize::try_from(range.offset).expect("small").min(data.len());
            let left = data.len() - from;
            let length = range.length.map_or(left, |length| usize::try_from(length).expect("small").min(left));
            Ok(FileRead { size: data.len() as u64, bytes: one(data.slice(from..from + length)) })
        }
        .boxed()
    }
    fn list<'a>(&'a self, _: &'a Cid, _: ListOptions) -> Answer<'a, ItemStream<DirEntry>> {
        ok(none())
    }
    fn lookup<'a>(&'a self, _: &'a Cid, _: &'a str) -> Answer<'a, Option<Cid>> {
        ok(None)
    }
    fn tar<'a>(&'a self, _: &'a Cid, _: TarOptions) -> Answer<'a, ByteStream> {
        ok(one(Bytes::from_static(&[0; 1024])))
    }
}

impl Mfs for Handle {
    fn mkdir(&self, _: String, _: bool, _: MfsNodeOptions, _: bool) -> Answer<'_, ()> {
        ok(())
    }
    fn write(&self, _: String, data: ByteStream, _: MfsWriteOptions) -> Answer<'_, ()> {
        async move { data.try_for_each(|_| async { Ok(()) }).await }.boxed()
    }
    fn read(&self, path: String, _: u64, _: Option<u64>) -> Answer<'_, ByteStream> {
        if path == "/f" {
            ok(one(Bytes::from_static(b"hello")))
        } else {
            fail(ApiError::not_found("file does not exist"))
        }
    }
    fn list(&self, path: String, _: bool) -> Answer<'_, ItemStream<MfsEntry>> {
        let entry =
            MfsEntry { name: "x".into(), cid: None, kind: NodeKind::File, size: 0, metadata: Metadata::default() };
        ok(if path == "/" { one(entry) } else { none() })
    }
    fn stat(&self, _: String, with_local: bool) -> Answer<'_, MfsStat> {
        ok(MfsStat {
            cid: Cid::parse(EMPTY).expect("a cid"),
            kind: NodeKind::File,
            size: 6,
            cumulative_size: 25,
            blocks: 0,
            metadata: Metadata { mode: Some(0o644), mtime: Some((1_700_000_000, 0)) },
            local: with_local.then_some((true, 25)),
        })
    }
    fn copy(&self, _: String, _: String, _: MfsCopyOptions) -> Answer<'_, ()> {
        ok(())
    }
    fn rename(&self, _: String, _: String, _: bool) -> Answer<'_, ()> {
        ok(())
    }
    fn remove(&self, path: String, _: bool, _: bool, _: bool) -> Answer<'_, ()> {
        if path == "/f" { ok(()) } else { fail(ApiError::not_found("file does not exist")) }
    }
    fn flush(&self, _: String) -> Answer<'_, Cid> {
        ok(Cid::parse(EMPTY).expect("a cid"))
    }
    fn change(&self, _: MfsChange, _: bool) -> Answer<'_, ()> {
        ok(())
    }
    fn batch(&self, _: Vec<MfsChange>) -> Answer<'_, Cid> {
        ok(Cid::parse(EMPTY).expect("a cid"))
    }
    fn replace_root(&self, _: Option<Cid>) -> Answer<'_, MfsRootChange> {
        ok(MfsRootChange { old: None, new: Cid::parse(EMPTY).expect("a cid") })
    }
}

impl History for Handle {
    fn steps(&self) -> Answer<'_, Vec<UndoStep>> {
        ok(vec![UndoStep {
            number: 7,
            time: 1_700_000_000,
            what: "files rm /docs".into(),
            root: Cid::parse(EMPTY).ok(),
            pins: Vec::new(),
        }])
    }
    fn undo(&self, count: usize) -> Answer<'_, Undone> {
        async move {
            let mut steps = self.steps().await?;
            steps.truncate(count);
            Ok(Undone { steps, root: Cid::parse(EMPTY).expect("a cid") })
        }
        .boxed()
    }
    fn redo(&self) -> Answer<'_, Undone> {
        self.undo(1)
    }
    fn forget(&self) -> Answer<'_, usize> {
        ok(1)
    }
}

impl Pins for Handle {
    fn add(&self, cid: Cid, options: PinOptions) -> ItemStream<PinEvent> {
        let progress = options.progress.then_some(Ok(PinEvent::Progress { blocks: 1, bytes: 4 }));
        stream::iter(progress.into_iter().chain([Ok(PinEvent::Pinned(cid))])).boxed()
    }
    fn remove(&self, _: Cid, _: PinMode) -> Answer<'_, ()> {
        fail(ApiError::not_found("not pinned or pinned indirectly"))
    }
    fn list(&self, filter: PinFilter) -> ItemStream<PinEntry> {
        if filter.direct {
            return none();
        }
        let (cid, name) = (Cid::parse(EMPTY).expect("a cid"), "kept".into());
        one(PinEntry { cid, kind: PinKind::Recursive, name, expires_unix_secs: None })
    }
    /// Ends at once, and may not be asked again.
    fn verify(&self) -> ItemStream<merkury_api::PinVerified> {
        stream::unfold((), |()| std::future::ready(None)).boxed()
    }
    fn why(&self, _: Cid) -> Answer<'_, merkury_api::WhyKept> {
        ok(merkury_api::WhyKept::default())
    }
    fn update(&self, _: Cid, _: Cid, _: bool) -> Answer<'_, ()> {
        ok(())
    }
}

impl Names for Handle {
    fn resolve<'a>(&'a self, path: &'a ContentPath) -> Answer<'a, Resolved> {
        let merkury_core::path::Root::Ipfs(cid) = path.root() else { return fail(ApiError::not_found("no such name")) };
        if let Some(name) = path.segments().first() {
            return fail(ApiError::not_found(format!("no link named {name:?} under {cid}")));
        }
        ok(Resolved { cid: cid.clone(), rest: Vec::new(), steps: vec![cid.clone()], ttl_secs: None })
    }
    fn lookup<'a>(&'a self, path: &'a ContentPath, _: LookupOptions) -> Answer<'a, String> {
        ok(path.to_string())
    }
    fn publish(&self, _: PublishOptions) -> Answer<'_, PeerId> {
        ok(PeerId::parse(PEER).expect("a peer"))
    }
    fn record(&self, _: PeerId) -> Answer<'_, Vec<u8>> {
        offline()
    }
    fn put_record(&self, _: PeerId, _: Vec<u8>, _: bool) -> Answer<'_, ()> {
        offline()
    }
}

impl Space for Handle {
    fn usage(&self) -> Answer<'_, SpaceUsage> {
        ok(SpaceUsage::default())
    }
    fn forget(&self, cid: Cid, _: bool) -> Answer<'_, Forgotten> {
        ok(Forgotten { cid, name: "kept".into(), freed: Extent::default(), total: Extent::default() })
    }
    fn checkup(&self) -> Answer<'_, Vec<Finding>> {
        ok(Vec::new())
    }
}

impl Keys for Handle {
    fn generate(&self, name: String, _: KeyKind) -> Answer<'_, KeyInfo> {
        ok(KeyInfo { name, id: PeerId::parse(PEER).expect("a peer") })
    }
    fn list(&self) -> Answer<'_, Vec<KeyInfo>> {
        ok(vec![KeyInfo { name: "self".into(), id: PeerId::parse(PEER).expect("a peer") }])
    }
    fn remove(&self, name: String) -> Answer<'_, KeyInfo> {
        fail(ApiError::not_found(format!("no key named {name} was found")))
    }
    fn rename(&self, _: String, new: String, _: bool) -> Answer<'_, (KeyInfo, bool)> {
        ok((KeyInfo { name: new, id: PeerId::parse(PEER).expect("a peer") }, false))
    }
    fn import(&self, name: String, pair: Keypair) -> Answer<'_, KeyInfo> {
        ok(KeyInfo { name, id: pair.peer_id() })
    }
    fn export(&self, _: String) -> Answer<'_, Keypair> {
        offline()
    }
    fn sign(&self, _: String, _: Vec<u8>) -> Answer<'_, (KeyInfo, Vec<u8>)> {
        offline()
    }
    fn verify(&self, _: String, _: Vec<u8>, _: Vec<u8>) -> Answer<'_, (KeyInfo, bool)> {
        offline()
    }
    fn rotate(&self, _: String, _: KeyKind) -> Answer<'_, KeyInfo> {
        offline()
    }
}

impl Routing for Handle {
    fn find_providers(&self, _: Cid, _: usize) -> ItemStream<RoutingEvent> {
        let peer = PeerId::parse(PEER).expect("a peer");
        one(RoutingEvent::Provider(PeerAddresses { peer, addresses: vec!["/ip4/127.0.0.1/tcp/4001".into()] }))
    }
    /// Never ends: what a look-up without an answer looks like.
    fn find_peer(&self, _: PeerId) -> ItemStream<RoutingEvent> {
        stream::pending().boxed()
    }
    fn provide(&self, _: Vec<Cid>, _: bool) -> ItemStream<RoutingEvent> {
        none()
    }
    fn fast_provide(&self, _: Vec<Cid>, _: FastProvide) -> Answer<'_, ()> {
        ok(())
    }
    fn provide_once(&self, cids: Vec<Cid>, _: bool) -> ItemStream<Cid> {
        stream::iter(cids.into_iter().map(Ok)).boxed()
    }
    fn reprovide(&self) -> Answer<'_, ()> {
        ok(())
    }
    fn clear_provide_queue(&self) -> Answer<'_, u64> {
        ok(0)
    }
    fn provide_stat(&self) -> Answer<'_, ProvideStat> {
        ok(ProvideStat::default())
    }
}

impl Peers for Handle {
    fn identity(&self) -> Answer<'_, Identity> {
        ok(Identity {
            id: PeerId::parse(PEER).expect("a peer"),
            public_key: vec![8, 1],
            addresses: Vec::new(),
            agent: "merkury".into(),
            protocols: Vec::new(),
        })
    }
    fn identify<'a>(&'a self, _: &'a PeerId) -> Answer<'a, Identity> {
        offline()
    }
    fn connect<'a>(&'a self, _: &'a str) -> Answer<'a, PeerId> {
        offline()
    }
    fn disconnect<'a>(&'a self, _: &'a str) -> Answer<'a, ()> {
        offline()
    }
    fn connections(&self) -> Answer<'_, Vec<ConnectionInfo>> {
        offline()
    }
    fn known(&self) -> Answer<'_, Vec<KnownPeer>> {
        offline()
    }
    fn listening(&self) -> Answer<'_, Vec<String>> {
        offline()
    }
    fn announced(&self) -> Answer<'_, Vec<String>> {
        offline()
    }
    fn bitswap_stat(&self) -> Answer<'_, BitswapStat> {
        offline()
    }
    fn wantlist<'a>(&'a self, _: Option<&'a PeerId>) -> Answer<'a, Vec<Cid>> {
        offline()
    }
    fn ledger<'a>(&'a self, _: &'a PeerId) -> Answer<'a, Ledger> {
        offline()
    }
}

impl Repo for Handle {
    fn stat(&self) -> Answer<'_, RepoStat> {
        let (path, version) = ("/repo".into(), "fs-repo@18".into());
        ok(RepoStat { size: 33_159, storage_max: 10_000_000_000, objects: 4, path, version })
    }
    fn gc(&self, _: GcRequest) -> ItemStream<GcEvent> {
        stream::iter([
            Ok(GcEvent::Removed(vec![Cid::parse("bafkqaaa").expect("a cid")])),
            Ok(GcEvent::Done { blocks: 1, bytes_freed: 9 }),
        ])
        .boxed()
    }
    fn version(&self) -> Answer<'_, RepoVersion> {
        ok(RepoVersion { version: "18".into() })
    }
    fn verify(&self, _: merkury_api::VerifyOptions) -> ItemStream<merkury_api::VerifyEvent> {
        none()
    }
    fn check_up(&self, _: bool) -> ItemStream<merkury_api::Checkup> {
        none()
    }
}

impl Records for Handle {
    fn get<'a>(&'a self, _: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        ok(None)
    }
    fn put<'a>(&'a self, _: &'a str, _: Vec<u8>) -> Answer<'a, ()> {
        ok(())
    }
    fn count<'a>(&'a self, _: &'a str) -> Answer<'a, u64> {
        ok(0)
    }
}

impl Config for Handle {
    fn get<'a>(&'a self, key: &'a str) -> Answer<'a, Value> {
        match key {
            "Import" => ok(serde_json::json!({})),
            "Bootstrap" => ok(serde_json::json!(["auto"])),
            "Datastore" => ok(serde_json::json!({"StorageMax": "10GB", "GCPeriod": "1h"})),
            other => {
                fail(ApiError::not_found(format!("failed to get config value: {:?}", format!("{other} not found"))))
            }
        }
    }
    fn set<'a>(&'a self, _: &'a str, value: Value) -> Answer<'a, Value> {
        ok(value)
    }
    fn show(&self) -> Answer<'_, Value> {
        ok(serde_json::json!({"Identity": {"PeerID": PEER}, "API": {"HTTPHeaders": {}}}))
    }
    fn replace(&self, _: Value) -> Answer<'_, ()> {
        ok(())
    }
    fn apply_profile<'a>(&'a self, name: &'a str, _: bool) -> Answer<'a, ConfigChange> {
        ok(ConfigChange { old: serde_json::json!({"Profile": null}), new: serde_json::json!({"Profile": name}) })
    }
}
