//! Pins: what garbage collection keeps, and under which names.

use merkury_core::Cid;

use crate::meta::{Change, Tables};
use crate::{Store, StoreError};

pub(crate) const TABLE: &str = "pins";
/// Longest name of a pin, as in Kubo.
pub const PIN_NAME_BYTES_MAX: usize = 255;
/// Entries taken from the table at a time while listing; the table is not locked in between.
const PAGE: usize = 256;

/// How far a pin reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PinKind {
    /// The block and everything below it.
    Recursive,
    /// The block alone.
    Direct,
}

/// A pin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The pinned block, or top of the pinned DAG.
    pub cid: Cid,
    /// How far it reaches.
    pub kind: PinKind,
    /// A name for people; empty when it has none.
    pub name: String,
}

/// Why a block is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PinnedHow {
    /// By a pin of its own.
    Pinned(Pin),
    /// By a recursive pin above.
    Indirect {
        /// That pin's CID.
        root: Cid,
    },
}

/// "pinned: recursive", "pinned: direct" or "pinned via …" (with the CID), Kubo's words.
impl std::fmt::Display for PinnedHow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pinned(Pin { kind: PinKind::Recursive, .. }) => write!(f, "pinned: recursive"),
            Self::Pinned(Pin { kind: PinKind::Direct, .. }) => write!(f, "pinned: direct"),
            Self::Indirect { root } => write!(f, "pinned via {root}"),
        }
    }
}

/// The pins of a store; got with [`Store::pins`].
#[derive(Clone, Copy)]
pub struct Pins<'a> {
    pub(crate) store: &'a Store,
}

impl<'a> Pins<'a> {
    /// Pins a block or a DAG. Returns when the blocks it reaches and the pin itself are durable.
    ///
    /// Everything a recursive pin reaches must be here, else [`StoreError::Incomplete`]; the check walks recorded links
    /// in memory. A recursive pin replaces a direct one of the same CID and the other way round; the name is replaced too.
    pub fn add(&self, cid: &Cid, kind: PinKind, name: &str) -> Result<(), StoreError> {
        self.add_many(&[Pin { cid: cid.clone(), kind, name: name.to_owned() }])
    }

    /// As [`Pins::add`] for several, with one flush; all are pinned or none.
    pub fn add_many(&self, pins: &[Pin]) -> Result<(), StoreError> {
        let mut changes = Vec::with_capacity(pins.len());
        // From here on a running collection keeps what these reach.
        let guard = self.store.temp_pin();
        for pin in pins {
            if pin.name.len() > PIN_NAME_BYTES_MAX {
                let (what, bytes) = ("the name of a pin", pin.name.len());
                return Err(StoreError::TooLarge { what, bytes, limit: PIN_NAME_BYTES_MAX });
            }
            guard.protect(&pin.cid);
            self.store.check_complete(&pin.cid, pin.kind)?;
            changes.push(Change::Set { table: TABLE, key: pin.cid.to_bytes(), value: encode(pin) });
        }
        self.store.commit_blocks()?;
        self.tables()?.commit(&changes)
    }

    /// Removes a pin and returns it. [`StoreError::NotPinned`] or [`StoreError::PinnedIndirectly`] when there is none.
    pub fn remove(&self, cid: &Cid) -> Result<Pin, StoreError> {
        let mut removed = None;
        self.tables()?.commit_if(|tables| {
            removed = find(tables, cid);
            let change = Change::Delete { table: TABLE, key: cid.to_bytes() };
            Ok::<_, StoreError>(removed.iter().map(|_| change.clone()).collect())
        })?;
        match removed {
            Some(pin) => Ok(pin),
            None => match self.how(cid)? {
                Some(PinnedHow::Indirect { root }) => Err(StoreError::PinnedIndirectly { cid: cid.clone(), root }),
                _ => Err(StoreError::NotPinned { cid: cid.clone() }),
            },
        }
    }

    /// Pins `new` recursively with the name of the recursive pin `old`, and removes `old` if `unpin`; all in one step.
    pub fn update(&self, old: &Cid, new: &Cid, unpin: bool) -> Result<(), StoreError> {
        let guard = self.store.temp_pin();
        guard.protect(new);
        self.store.check_complete(new, PinKind::Recursive)?;
        self.store.commit_blocks()?;
        self.tables()?.commit_if(|tables| {
            let Some(Pin { kind: PinKind::Recursive, name, .. }) = find(tables, old) else {
                return Err(StoreError::NotPinned { cid: old.clone() });
            };
            let pin = Pin { cid: new.clone(), kind: PinKind::Recursive, name };
            let mut changes = Vec::new();
            if unpin && old != new {
                changes.push(Change::Delete { table: TABLE, key: old.to_bytes() });
            }
            changes.push(Change::Set { table: TABLE, key: new.to_bytes(), value: encode(&pin) });
            Ok(changes)
        })
    }

    /// The pin of exactly this CID, if there is one. Indirect pins do not count: see [`Pins::how`].
    pub fn get(&self, cid: &Cid) -> Result<Option<Pin>, StoreError> {
        Ok(find(self.tables()?, cid))
    }

    /// Why this block is kept: its own pin, else a recursive pin above it, else `None`.
    ///
    /// Without a pin of its own this walks the recorded links below all recursive pins, in memory.
    pub fn how(&self, cid: &Cid) -> Result<Option<PinnedHow>, StoreError> {
        if let Some(pin) = self.get(cid)? {
            return Ok(Some(PinnedHow::Pinned(pin)));
        }
        Ok(self.store.find_recursive_pin_above(cid)?.map(|root| PinnedHow::Indirect { root }))
    }

    /// All pins of their own (not the indirect ones), in the order of their CIDs' bytes. Pins made or removed
    /// while this runs may or may not appear.
    pub fn list(&self) -> Result<impl Iterator<Item = Result<Pin, StoreError>> + use<'a>, StoreError> {
        self.list_after(None)
    }

    /// As [`Pins::list`], from the first pin after the CID with these bytes.
    pub fn list_after(
        &self,
        after: Option<&[u8]>,
    ) -> Result<impl Iterator<Item = Result<Pin, StoreError>> + use<'a>, StoreError> {
        let tables = self.tables()?;
        let mut page = Vec::new().into_iter();
        let mut last: Option<Vec<u8>> = after.map(<[u8]>::to_vec);
        Ok(std::iter::from_fn(move || {
            if page.len() == 0 {
                page = tables.page(TABLE, last.as_deref(), PAGE).into_iter();
            }
            let (key, value): (Vec<u8>, Vec<u8>) = page.next()?;
            last = Some(key.clone());
            Some(decode(&key, &value).ok_or_else(|| damaged(&key)))
        }))
    }

    /// Calls `each` with the blocks that recursive pins keep below them, each block once, with the root it was first
    /// reached from; without those that have a pin of their own. Stops at the first error.
    pub fn list_indirect(&self, each: &mut dyn FnMut(&Cid, &Cid) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.store.each_indirect(each)
    }

    /// How many pins there are.
    pub fn count(&self) -> Result<usize, StoreError> {
        Ok(self.tables()?.count(TABLE))
    }

    fn tables(&self) -> Result<&'a Tables, StoreError> {
        self.store.tables()
    }
}

fn find(tables: &Tables, cid: &Cid) -> Option<Pin> {
    let key = cid.to_bytes();
    decode(&key, &tables.get(TABLE, &key)?)
}

/// Kind byte, then the name.
fn encode(pin: &Pin) -> Vec<u8> {
    let kind = match pin.kind {
        PinKind::Recursive => b'r',
        PinKind::Direct => b'd',
    };
    std::iter::once(kind).chain(pin.name.bytes()).collect()
}

fn decode(key: &[u8], value: &[u8]) -> Option<Pin> {
    let (kind, name) = value.split_first()?;
    let kind = match kind {
        b'r' => PinKind::Recursive,
        b'd' => PinKind::Direct,
        _ => return None,
    };
    Some(Pin { cid: Cid::from_bytes(key).ok()?, kind, name: String::from_utf8(name.to_vec()).ok()? })
}

fn damaged(key: &[u8]) -> StoreError {
    let why = format!("the pin with key {} cannot be read", data_encoding::HEXLOWER.encode(key));
    StoreError::damaged(std::path::Path::new("meta.log"), 0, why)
}
