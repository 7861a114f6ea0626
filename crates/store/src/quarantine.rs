//! The list of damaged blocks, kept over restarts: they are never returned, count as missing (so that they can be fetched
//! again), and stay on the list until they are here again or somebody releases them.

use merkury_core::Cid;

use crate::StoreError;
use crate::blocks::Damaged;
use crate::meta::{Change, Tables};

/// Key: the CID, or a zero byte and the place when the name is unreadable too. Value: what is wrong, as text.
const TABLE: &str = "quarantine";
/// Entries taken at a time.
const PAGE: usize = 256;
/// Longest text of what is wrong.
const WHY_BYTES_MAX: usize = 1024;

/// A damaged block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// Its CID; `None` when its name is unreadable too.
    pub cid: Option<Cid>,
    /// What is wrong, and where.
    pub why: String,
    key: Vec<u8>,
}

pub(crate) fn add(tables: &Tables, damaged: Vec<Damaged>) -> Result<(), StoreError> {
    let changes: Vec<Change> = damaged
        .into_iter()
        .map(|Damaged { cid, place, mut why }| {
            let place = [place.segment.to_be_bytes(), place.offset.to_be_bytes()].concat();
            let key = cid.map_or_else(|| [&[0], &place[..]].concat(), |cid| cid.to_bytes());
            why.truncate(why.floor_char_boundary(WHY_BYTES_MAX));
            Change::Set { table: TABLE, key, value: why.into_bytes() }
        })
        .collect();
    tables.commit(&changes)
}

/// The list, without those that are here again; these are taken off it.
pub(crate) fn list(tables: &Tables, is_here: &dyn Fn(&Cid) -> bool) -> Result<Vec<Quarantined>, StoreError> {
    let (mut found, mut healed) = (Vec::new(), Vec::new());
    let mut last: Option<Vec<u8>> = None;
    loop {
        let page = tables.page(TABLE, last.as_deref(), PAGE);
        let Some((key, _)) = page.last() else { break };
        last = Some(key.clone());
        for (key, why) in page {
            let cid = Cid::from_bytes(&key).ok();
            let why = String::from_utf8_lossy(&why).into_owned();
            let is_healed = cid.as_ref().is_some_and(is_here);
            let entry = Quarantined { cid, why, key };
            if is_healed { healed.push(entry) } else { found.push(entry) }
        }
    }
    release(tables, &healed)?;
    Ok(found)
}

pub(crate) fn release(tables: &Tables, blocks: &[Quarantined]) -> Result<(), StoreError> {
    let delete = |entry: &Quarantined| Change::Delete { table: TABLE, key: entry.key.clone() };
    tables.commit_if(|tables| {
        let listed = blocks.iter().filter(|entry| tables.get(TABLE, &entry.key).is_some());
        Ok(listed.map(delete).collect())
    })
}
