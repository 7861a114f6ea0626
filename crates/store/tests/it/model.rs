//! Random operations against a plain model.

use std::collections::{BTreeMap, BTreeSet};

use merkury_core::{Block, BlockHas, BlockPut, Cid};
use merkury_store::disk::Disk;
use merkury_store::disk::sim::{Random, SimDisk};
use merkury_store::{GcOptions, Pace, PinKind};
use proptest::prelude::*;

use crate::support::{node, open, raw};

/// What the store should hold.
#[derive(Default)]
struct Model {
    blocks: BTreeMap<Cid, Block>,
    links: BTreeMap<Cid, Vec<Cid>>,
    pins: BTreeMap<Cid, PinKind>,
    root: Option<Cid>,
}

impl Model {
    fn reached(&self, cid: &Cid) -> BTreeSet<Cid> {
        let (mut seen, mut stack) = (BTreeSet::new(), vec![cid.clone()]);
        while let Some(cid) = stack.pop() {
            if seen.insert(cid.clone()) {
                stack.extend(self.links.get(&cid).into_iter().flatten().cloned());
            }
        }
        seen
    }

    fn kept(&self) -> BTreeSet<Cid> {
        let reach = |(cid, kind): (&Cid, &PinKind)| match kind {
            PinKind::Recursive => self.reached(cid),
            PinKind::Direct => BTreeSet::from([cid.clone()]),
        };
        let rooted = self.root.iter().flat_map(|cid| self.reached(cid));
        self.pins.iter().flat_map(reach).chain(rooted).collect()
    }
}

/// All blocks of a run: leaves, then nodes over earlier ones.
fn universe(seed: u64) -> Vec<(Block, Vec<Cid>)> {
    let mut random = Random(seed);
    let mut all: Vec<(Block, Vec<Cid>)> = Vec::new();
    for n in 0..40 {
        if n < 20 {
            all.push((raw(seed ^ n, random.below(4000) as usize), Vec::new()));
        } else {
            let links: Vec<Cid> = (0..1 + random.below(4))
                .map(|_| all[random.below(all.len() as u64) as usize].0.cid().clone())
                .collect();
            all.push((node(&links.iter().collect::<Vec<_>>()), links));
        }
    }
    all
}

fn run(seed: u64, steps: u64) {
    let universe = universe(seed);
    let mut random = Random(seed ^ 0xabcd);
    let mut disk = SimDisk::new();
    let mut store = open(&disk);
    let mut model = Model::default();
    for _ in 0..steps {
        let (block, links) = &universe[random.below(universe.len() as u64) as usize];
        let cid = block.cid();
        match random.below(14) {
            0..=4 => {
                store.put_many(vec![block.clone()]).unwrap();
                model.blocks.insert(cid.clone(), block.clone());
                model.links.insert(cid.clone(), links.clone());
            }
            5 => {
                let complete = model.reached(cid).iter().all(|cid| model.blocks.contains_key(cid));
                let done = store.pins().add(cid, PinKind::Recursive, "");
                assert_eq!(done.is_ok(), complete, "{done:?}");
                if complete {
                    model.pins.insert(cid.clone(), PinKind::Recursive);
                }
            }
            6 => {
                let done = store.pins().add(cid, PinKind::Direct, "x");
                assert_eq!(done.is_ok(), model.blocks.contains_key(cid));
                if done.is_ok() {
                    model.pins.insert(cid.clone(), PinKind::Direct);
                }
            }
            7 => {
                assert_eq!(store.pins().remove(cid).is_ok(), model.pins.remove(cid).is_some());
            }
            8 => {
                let kept = model.kept();
                let removed: BTreeSet<Cid> = model.blocks.keys().filter(|cid| !kept.contains(*cid)).cloned().collect();
                let stats = store.gc(&GcOptions::default(), &mut |_| {}).unwrap();
                assert_eq!(stats.removed_blocks, removed.len() as u64);
                model.blocks.retain(|cid, _| kept.contains(cid));
                model.links.retain(|cid, _| kept.contains(cid));
            }
            9 => {
                let removed = store.remove(std::slice::from_ref(cid)).unwrap().remove(0).is_ok();
                let pinned = model.pins.iter().flat_map(|(cid, kind)| match kind {
                    PinKind::Recursive => model.reached(cid),
                    PinKind::Direct => BTreeSet::from([cid.clone()]),
                });
                let may = model.blocks.contains_key(cid) && !pinned.collect::<BTreeSet<_>>().contains(cid);
                assert_eq!(removed, may);
                if removed {
                    model.blocks.remove(cid);
                    model.links.remove(cid);
                }
            }
            10 => {
                let used = store.stat().disk_bytes;
                store.evict_down_to(used - used / (2 + random.below(8)), &Pace::full()).unwrap();
                let kept = model.kept();
                let gone: Vec<Cid> = model.blocks.keys().filter(|cid| !store.has(cid)).cloned().collect();
                for cid in gone {
                    assert!(!kept.contains(&cid), "kept, and evicted: {cid}");
                    model.blocks.remove(&cid);
                    model.links.remove(&cid);
                }
            }
            11 => {
                store.roots().set("mfs", cid).unwrap();
                model.root = Some(cid.clone());
            }
            12 => {
                store.compact(&Pace::full()).unwrap();
            }
            _ => {
                store.commit().unwrap();
                drop(store);
                disk = if random.below(2) == 0 { disk.after_kill() } else { disk.after_crash(random.next_u64()) };
                if random.below(3) == 0 {
                    // The whole index is lost.
                    for name in ["index", "index.delta"] {
                        let _ = disk.remove(&std::path::Path::new(crate::support::DIR).join(name));
                    }
                }
                store = open(&disk);
            }
        }
        assert_eq!(store.stat().blocks, model.blocks.len() as u64);
        let (probe, _) = &universe[random.below(universe.len() as u64) as usize];
        assert_eq!(store.has(probe.cid()), model.blocks.contains_key(probe.cid()));
        assert_eq!(store.get(probe.cid()).unwrap().as_ref(), model.blocks.get(probe.cid()));
    }
    let cids: BTreeSet<Cid> = store.cids().unwrap().map(|found| found.unwrap().0).collect();
    assert_eq!(cids, model.blocks.keys().cloned().collect());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn behaves_like_the_model(seed in any::<u64>()) {
        run(seed, 150);
    }
}
