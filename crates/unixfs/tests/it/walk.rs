//! Walks and paths.

use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use futures::executor::block_on;
use merkury_core::block::CidFormat;
use merkury_core::codec::dag_pb::{PbLink, PbNode};
use merkury_core::{Block, BlockPut, Cid};
use merkury_unixfs::build::{EntryStream, ImportOptions, Importer, StreamEntry, StreamKind};
use merkury_unixfs::resolve::{ResolveError, View, resolve};
use merkury_unixfs::walk::{Preorder, fetch};

use crate::support::Memory;

fn node(store: &Memory, name: &str, children: &[&Cid]) -> Cid {
    let links = children.iter().map(|cid| PbLink::new((*cid).clone(), Bytes::new(), 1)).collect();
    let node = PbNode { links, data: Some(Bytes::copy_from_slice(name.as_bytes())) };
    let block = Block::build(CidFormat::V0, 0x70, 0x12, node.encode().into()).expect("a block");
    let cid = block.cid().clone();
    store.put_many(vec![block]).expect("put");
    cid
}

fn preorder(store: &Arc<Memory>, root: &Cid, once: bool) -> Vec<Cid> {
    block_on(async {
        let mut walk = Preorder::new(store.clone(), root.clone(), once);
        let mut met = Vec::new();
        while let Some(step) = walk.next().await {
            let step = step.expect("a step");
            met.push(step.block.cid().clone());
            walk.descend(&step).expect("links");
        }
        met
    })
}

#[test]
fn preorder_visits_a_block_when_its_first_turn_comes() {
    let store = Arc::new(Memory::default());
    let (b, c) = (node(&store, "b", &[]), node(&store, "c", &[]));
    let a = node(&store, "a", &[&b, &c]);
    let root = node(&store, "root", &[&a, &b]);
    assert_eq!(preorder(&store, &root, true), [root.clone(), a.clone(), b.clone(), c.clone()]);
    assert_eq!(preorder(&store, &root, false), [root, a, b.clone(), c, b]);
}

#[test]
fn a_dag_bomb_is_walked_once() {
    let store = Arc::new(Memory::default());
    let mut cid = node(&store, "leaf", &[]);
    for level in 0..30 {
        cid = node(&store, &level.to_string(), &[&cid, &cid]);
    }
    assert_eq!(preorder(&store, &cid, true).len(), 31);
    let fetched: Vec<_> = block_on(fetch(store.clone(), cid).try_collect()).expect("fetch");
    assert_eq!(fetched.len(), 31);
}

#[test]
fn the_same_bytes_as_data_and_as_a_node_are_two_blocks() {
    let store = Arc::new(Memory::default());
    let leaf = node(&store, "leaf", &[]);
    let inner = node(&store, "inner", &[&leaf]);
    let as_data = Cid::v1(0x55, inner.hash().clone());
    let bytes = block_on(merkury_core::BlockGet::get(&*store, &inner)).expect("block").data().clone();
    store.put_many(vec![Block::verify(as_data.clone(), bytes).expect("verified")]).expect("put");
    let root = node(&store, "root", &[&as_data, &inner]);
    assert_eq!(preorder(&store, &root, true), [root, as_data, inner, leaf]);
}

struct OneFile(Option<Vec<u8>>, std::io::Cursor<Vec<u8>>);

impl EntryStream for OneFile {
    fn next_entry(&mut self) -> std::io::Result<Option<StreamEntry<'_>>> {
        let Some(bytes) = self.0.take() else { return Ok(None) };
        self.1 = std::io::Cursor::new(bytes);
        let kind = StreamKind::File { body: &mut self.1 };
        Ok(Some(StreamEntry { path: "a/b/file".into(), meta: Default::default(), kind }))
    }
}

#[test]
fn paths_lead_to_nodes_and_errors_use_kubos_words() {
    let store = Arc::new(Memory::default());
    let importer = Importer::new(store.clone(), ImportOptions::default());
    let mut stream = OneFile(Some(b"hello\n".to_vec()), Default::default());
    let root = importer.add_stream(&mut stream, false, &mut |_| {}).expect("add").remove(0).cid;
    let follow = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        block_on(resolve(&*store, &root, &names, View::Files))
    };
    let found = follow(&["b", "file"]).expect("found");
    assert_eq!(found.cid.to_string(), "QmZULkCELmmk5XNfCgTnCyFgAVxBRBXyDHGGMVoLFLiXEN");
    assert_eq!((found.rest.len(), found.steps.len()), (0, 3));
    let error = follow(&["none"]).expect_err("missing");
    assert_eq!(error.to_string(), format!("no link named \"none\" under {root}"));
    assert!(matches!(follow(&["b", "file", "deeper"]), Err(ResolveError::NoLink { .. })));
}

#[test]
fn paths_go_through_documents() {
    let store = Arc::new(Memory::default());
    let leaf = node(&store, "leaf", &[]);
    let text = format!(r#"{{"a":{{"b":{{"/":"{leaf}"}},"c":1}}}}"#);
    let document = Block::build(CidFormat::V1, 0x0129, 0x12, text.into_bytes().into()).expect("a block");
    let root = document.cid().clone();
    store.put_many(vec![document]).expect("put");
    let follow = |path: &str| {
        let names: Vec<String> = path.split('/').map(str::to_owned).collect();
        block_on(resolve(&*store, &root, &names, View::Files))
    };
    let found = follow("a/b").expect("a link");
    assert_eq!((found.cid, found.rest.len(), found.steps), (leaf.clone(), 0, vec![root.clone(), leaf]));
    let inside = follow("a/c").expect("a value");
    assert_eq!((inside.cid, inside.rest), (root.clone(), vec!["a".to_owned(), "c".to_owned()]));
    let error = follow("a/d").expect_err("missing");
    assert_eq!(error.to_string(), "key not found: \"d\"");
}
