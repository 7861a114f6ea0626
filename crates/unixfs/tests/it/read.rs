//! Reading ranges of files, near and far, sound and not.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::executor::block_on;
use futures::{StreamExt, TryStreamExt};
use merkury_core::block::CidFormat;
use merkury_core::codec::dag_pb::PbLink;
use merkury_core::codec::unixfs::{Kind, UnixFs};
use merkury_core::{Block, BlockGet, BlockPut, BoxFuture, Cid, GetError};
use merkury_unixfs::build::{ImportOptions, Importer, Item, Layout};
use merkury_unixfs::read::{File, ReadError, ReadWindow};
use proptest::prelude::*;

use crate::support::{Memory, pattern};

fn add(store: &Arc<Memory>, options: ImportOptions, data: &[u8]) -> Cid {
    let mut reader = data;
    let items = vec![Item::Reader { name: "f".into(), reader: &mut reader }];
    Importer::new(store.clone(), options).threads(1).add_items(items, false, &mut |_| {}).expect("add").remove(0).cid
}

fn read(get: Arc<dyn BlockGet>, cid: &Cid, offset: u64, length: Option<u64>) -> Result<Vec<u8>, ReadError> {
    block_on(async {
        let file = File::open(get, cid).await?;
        let parts: Vec<Bytes> = file.read_range(offset, length).try_collect().await?;
        assert!(parts.iter().all(|part| !part.is_empty()));
        Ok(parts.concat())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// What was added is read, any part of it, in every layout, at once or with waiting.
    #[test]
    fn ranges_are_what_was_added(
        length in 0_usize..60_000,
        offset in 0_u64..70_000,
        wanted in proptest::option::of(0_u64..70_000),
        chunk in 100_usize..5000,
        links in 2_usize..9,
        trickle in any::<bool>(),
        raw_leaves in any::<bool>(),
    ) {
        let data = pattern(length);
        let store = Arc::new(Memory::default());
        let layout = if trickle { Layout::Trickle } else { Layout::Balanced };
        let chunker = format!("size-{chunk}").parse().expect("a chunker");
        let options = ImportOptions { chunker, file_links_max: links, layout, raw_leaves, ..ImportOptions::default() };
        let cid = add(&store, options, &data);
        let from = (offset as usize).min(length);
        let to = wanted.map_or(length, |wanted| (from + wanted as usize).min(length));
        let expected = if offset as usize > length { &[][..] } else { &data[from..to] };
        prop_assert_eq!(&read(store.clone(), &cid, offset, wanted).expect("read"), expected);
        prop_assert_eq!(&read(Arc::new(Far::new(store)), &cid, offset, wanted).expect("far read"), expected);
    }
}

/// A store that answers no get at the first poll; counts gets in flight.
struct Far {
    store: Arc<Memory>,
    flying: Arc<AtomicUsize>,
    most: AtomicUsize,
}

impl Far {
    fn new(store: Arc<Memory>) -> Self {
        Self { store, flying: Arc::default(), most: AtomicUsize::new(0) }
    }
}

struct Later {
    answer: Option<Result<Block, GetError>>,
    polls: usize,
    flying: Arc<AtomicUsize>,
}

impl Future for Later {
    type Output = Result<Block, GetError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls > 0 {
            self.polls -= 1;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.flying.fetch_sub(1, Ordering::Relaxed);
        Poll::Ready(self.answer.take().expect("polled after its end"))
    }
}

impl BlockGet for Far {
    fn get<'a>(&'a self, cid: &'a Cid) -> BoxFuture<'a, Result<Block, GetError>> {
        let found = self.store.get_local(cid);
        let answer = found.and_then(|found| found.ok_or_else(|| GetError::NotHere { cid: cid.clone() }));
        let flying = self.flying.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(flying, Ordering::Relaxed);
        Box::pin(Later { answer: Some(answer), polls: 3, flying: self.flying.clone() })
    }

    fn get_local(&self, _: &Cid) -> Result<Option<Block>, GetError> {
        Ok(None)
    }
}

#[test]
fn a_far_file_is_asked_for_in_a_window_and_a_near_one_block_by_block() {
    let store = Arc::new(Memory::default());
    let chunker = "size-1000".parse().expect("a chunker");
    let options = ImportOptions { chunker, raw_leaves: true, ..ImportOptions::default() };
    let data = pattern(400_000);
    let cid = add(&store, options, &data);

    let far = Arc::new(Far::new(store.clone()));
    let window = ReadWindow { start_bytes: 20_000, max_bytes: 40_000 };
    let bytes = block_on(async {
        let file = File::open(far.clone(), &cid).await.expect("open").window(window);
        let parts: Vec<Bytes> = file.read_range(0, None).try_collect().await.expect("read");
        parts.concat()
    });
    assert_eq!(bytes, data);
    let most = far.most.load(Ordering::Relaxed);
    assert!((20..=41).contains(&most), "{most} gets in flight");

    let gets = store.gets.load(Ordering::Relaxed);
    block_on(async {
        let file = File::open(store.clone(), &cid).await.expect("open");
        let mut stream = file.read_range(200_500, Some(10));
        assert_eq!(stream.next().await.expect("a part").expect("read"), &data[200_500..200_510]);
    });
    let reads = store.gets.load(Ordering::Relaxed) - gets;
    assert!(reads <= 4, "{reads} blocks for ten bytes");
}

#[test]
fn content_is_a_slice_of_its_block() {
    let store = Arc::new(Memory::default());
    let cid = add(&store, ImportOptions::default(), b"content");
    block_on(async {
        let block = store.get(&cid).await.expect("block");
        let file = File::open(store.clone(), &cid).await.expect("open");
        let part = file.read_range(2, None).next().await.expect("a part").expect("read");
        assert!(block.data().as_ptr_range().contains(&part.as_ptr()));
    });
}

fn put(store: &Memory, message: UnixFs, links: Vec<PbLink>) -> Cid {
    let block = Block::build(CidFormat::V0, 0x70, 0x12, message.into_node(links).encode().into()).expect("a block");
    let cid = block.cid().clone();
    store.put_many(vec![block]).expect("put");
    cid
}

fn file_node(store: &Memory, parts: &[(Cid, u64)]) -> Cid {
    let mut message = UnixFs::new(Kind::File);
    message.block_sizes = parts.iter().map(|(_, bytes)| *bytes).collect();
    message.file_size = Some(message.content_len());
    put(store, message, parts.iter().map(|(cid, bytes)| PbLink::new(cid.clone(), Bytes::new(), *bytes)).collect())
}

#[test]
fn sizes_that_lie_are_found() {
    let store = Arc::new(Memory::default());
    let leaf = add(&store, ImportOptions { raw_leaves: true, ..ImportOptions::default() }, b"five!");
    let longer = file_node(&store, &[(leaf.clone(), 6), (leaf.clone(), 5)]);
    assert!(matches!(
        read(store.clone(), &longer, 0, None),
        Err(ReadError::SizeMismatch { declared: 6, actual: 5, .. })
    ));
    let huge = file_node(&store, &[(leaf.clone(), 1 << 62)]);
    assert!(matches!(read(store.clone(), &huge, 0, None), Err(ReadError::SizeMismatch { .. })));
    let mut message = UnixFs::new(Kind::File);
    message.block_sizes = vec![1 << 63];
    message.file_size = Some(1 << 63);
    let over = put(&store, message, vec![PbLink::new(leaf, Bytes::new(), 1)]);
    assert!(matches!(read(store.clone(), &over, 0, None), Err(ReadError::Node(_))));
}

#[test]
fn what_is_no_file_is_not_read() {
    let store = Arc::new(Memory::default());
    let directory = put(&store, UnixFs::new(Kind::Directory), vec![]);
    assert!(matches!(read(store.clone(), &directory, 0, None), Err(ReadError::IsDirectory)));
    let inside = file_node(&store, &[(directory, 3)]);
    assert!(matches!(read(store.clone(), &inside, 0, None), Err(ReadError::NotAFile { .. })));
    let mut link = UnixFs::new(Kind::Symlink);
    link.data = Some(Bytes::from_static(b"/etc/passwd"));
    let link = put(&store, link, vec![]);
    assert!(matches!(read(store.clone(), &link, 0, None), Err(ReadError::IsSymlink)));
}

/// A file of 2^30 times one leaf in thirty blocks: the first bytes come at once, and depth has an end.
#[test]
fn bombs_are_bounded() {
    let store = Arc::new(Memory::default());
    let mut part = (add(&store, ImportOptions { raw_leaves: true, ..ImportOptions::default() }, b"x"), 1);
    for _ in 0..30 {
        part = (file_node(&store, &[part.clone(), part.clone()]), part.1 * 2);
    }
    block_on(async {
        let file = File::open(store.clone(), &part.0).await.expect("open");
        assert_eq!(file.size(), 1 << 30);
        assert_eq!(file.read_to_vec((1 << 30) - 3, None, 10).await.expect("the end"), b"xxx");
        assert!(matches!(file.read_to_vec(0, None, 1000).await, Err(ReadError::TooLarge { .. })));
    });
    let mut deep = (part.0, part.1);
    for _ in 0..70 {
        deep = (file_node(&store, &[deep.clone()]), deep.1);
    }
    assert!(matches!(read(store, &deep.0, 0, Some(1)), Err(ReadError::TooLarge { .. })));
}

#[test]
fn a_missing_leaf_is_named() {
    let store = Arc::new(Memory::default());
    let chunker = "size-1000".parse().expect("a chunker");
    let options = ImportOptions { chunker, raw_leaves: true, ..ImportOptions::default() };
    let cid = add(&store, options, &pattern(5000));
    let last = add(&store, options, &pattern(5000)[4000..]);
    store.remove(&last);
    assert_eq!(read(store.clone(), &cid, 0, Some(4000)).expect("before it").len(), 4000);
    // Everything before it is delivered first, from near and from far.
    for get in [store.clone() as Arc<dyn BlockGet>, Arc::new(Far::new(store))] {
        block_on(async {
            let mut stream = File::open(get, &cid).await.expect("open").read_range(0, None);
            let mut bytes = 0;
            loop {
                match stream.next().await.expect("an error before the end") {
                    Ok(part) => bytes += part.len(),
                    Err(ReadError::Get(error)) => break assert_eq!((bytes, error.cid()), (4000, &last)),
                    Err(other) => panic!("{other:?}"),
                }
            }
            assert!(stream.next().await.is_none());
        });
    }
}
