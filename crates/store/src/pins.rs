//! Pins: what garbage collection keeps, and under which names.

use merkury_core::Cid;

use crate::meta::{Change, Tables};
use crate::{Store, StoreError};

pub(crate) const TABLE: &str = "pins";
/// Pins that expire, in the order in which they do: seconds (big-endian), then the CID; no value. The pin itself says when
/// it expires; this table is how the next one is found without looking at all.
const EXPIRY_TABLE: &str = "pin-expiry";
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
    /// When it ends by itself, in seconds since 1970; `None` is never.
    pub expires_unix_secs: Option<u64>,
}

impl Pin {
    /// A pin that does not expire.
    pub fn new(cid: Cid, kind: PinKind, name: impl Into<String>) -> Self {
        Self { cid, kind, name: name.into(), expires_unix_secs: None }
    }
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
        self.add_many(&[Pin::new(cid.clone(), kind, name)])
    }

    /// As [`Pins::add`] for several, with one flush; all are pinned or none. A pin's expiry replaces the one there was.
    pub fn add_many(&self, pins: &[Pin]) -> Result<(), StoreError> {
        // From here on a running collection keeps what these reach.
        let guard = self.store.temp_pin();
        for pin in pins {
            if pin.name.len() > PIN_NAME_BYTES_MAX {
                let (what, bytes) = ("the name of a pin", pin.name.len());
                return Err(StoreError::TooLarge { what, bytes, limit: PIN_NAME_BYTES_MAX });
            }
            guard.protect(&pin.cid);
            self.store.check_complete(&pin.cid, pin.kind)?;
        }
        self.store.commit_blocks()?;
        self.tables()?.commit_if(|tables| Ok(pins.iter().flat_map(|pin| set(tables, pin)).collect()))
    }

    /// Removes a pin and returns it. [`StoreError::NotPinned`] or [`StoreError::PinnedIndirectly`] when there is none.
    pub fn remove(&self, cid: &Cid) -> Result<Pin, StoreError> {
        let mut removed = None;
        self.tables()?.commit_if(|tables| {
            removed = find(tables, cid);
            Ok::<_, StoreError>(removed.iter().flat_map(unset).collect())
        })?;
        match removed {
            Some(pin) => Ok(pin),
            None => match self.how(cid)? {
                Some(PinnedHow::Indirect { root }) => Err(StoreError::PinnedIndirectly { cid: cid.clone(), root }),
                _ => Err(StoreError::NotPinned { cid: cid.clone() }),
            },
        }
    }

    /// Pins `new` recursively with the name and expiry of the recursive pin `old`, and removes `old` if `unpin`; all in one step.
    pub fn update(&self, old: &Cid, new: &Cid, unpin: bool) -> Result<(), StoreError> {
        let guard = self.store.temp_pin();
        guard.protect(new);
        self.store.check_complete(new, PinKind::Recursive)?;
        self.store.commit_blocks()?;
        self.tables()?.commit_if(|tables| {
            let Some(was) = find(tables, old).filter(|pin| pin.kind == PinKind::Recursive) else {
                return Err(StoreError::NotPinned { cid: old.clone() });
            };
            let pin = Pin { cid: new.clone(), ..was.clone() };
            let mut changes = if unpin && old != new { unset(&was) } else { Vec::new() };
            changes.extend(set(tables, &pin));
            Ok(changes)
        })
    }

    /// The pin of exactly this CID, if there is one. Indirect pins do not count: see [`Pins::how`].
    pub fn get(&self, cid: &Cid) -> Result<Option<Pin>, StoreError> {
        Ok(find(self.tables()?, cid))
    }

    /// Why this block is kept: its own pin, else a recursive pin above it, else `None`.
    ///
    /// Without a pin of its own this looks at the recorded links upwards, in memory: a few milliseconds for a million blocks,
    /// however many pins there are.
    pub fn how(&self, cid: &Cid) -> Result<Option<PinnedHow>, StoreError> {
        if let Some(pin) = self.get(cid)? {
            return Ok(Some(PinnedHow::Pinned(pin)));
        }
        Ok(self.above(cid)?.map(|root| PinnedHow::Indirect { root }))
    }

    /// A recursive pin that keeps this block below it, whatever pin the block has itself.
    pub fn above(&self, cid: &Cid) -> Result<Option<Cid>, StoreError> {
        self.store.find_recursive_pin_above(cid)
    }

    /// Removes the pins that have expired at this time, durably, and returns them. Costs nothing when there are none.
    pub fn expire(&self, now_unix_secs: u64) -> Result<Vec<Pin>, StoreError> {
        let mut ended = Vec::new();
        loop {
            let before = ended.len();
            self.tables()?.commit_if(|tables| {
                let mut changes = Vec::new();
                for (key, _) in tables.page(EXPIRY_TABLE, None, PAGE) {
                    let Some((secs, cid)) = decode_expiry_key(&key) else {
                        changes.push(Change::Delete { table: EXPIRY_TABLE, key });
                        continue;
                    };
                    if secs > now_unix_secs {
                        break;
                    }
                    match find(tables, &cid).filter(|pin| pin.expires_unix_secs == Some(secs)) {
                        Some(pin) => {
                            changes.extend(unset(&pin));
                            ended.push(pin);
                        }
                        None => changes.push(Change::Delete { table: EXPIRY_TABLE, key }),
                    }
                }
                Ok::<_, StoreError>(changes)
            })?;
            if ended.len() == before {
                return Ok(ended);
            }
        }
    }

    /// When the next pin expires, in seconds since 1970.
    pub fn next_expiry(&self) -> Result<Option<u64>, StoreError> {
        let first = self.tables()?.page(EXPIRY_TABLE, None, 1);
        Ok(first.first().and_then(|(key, _)| decode_expiry_key(key)).map(|(secs, _)| secs))
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
    /// reached from; without those that have a recursive pin of their own, and those with a direct one only if
    /// `direct_too`. Stops at the first error.
    pub fn list_indirect(
        &self,
        direct_too: bool,
        each: &mut dyn FnMut(&Cid, &Cid) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.store.each_indirect(direct_too, each)
    }

    /// Calls `each` with every recursive pin and the blocks below it that are missing or unreadable (a few thousand at most),
    /// until it answers false. What pins share is looked at once.
    pub fn verify(&self, each: &mut dyn FnMut(Cid, Vec<(Cid, StoreError)>) -> bool) -> Result<(), StoreError> {
        self.store.verify_pins(each)
    }

    /// How many pins there are.
    pub fn count(&self) -> Result<usize, StoreError> {
        Ok(self.tables()?.count(TABLE))
    }

    fn tables(&self) -> Result<&'a Tables, StoreError> {
        self.store.tables()
    }
}

pub(crate) fn find(tables: &Tables, cid: &Cid) -> Option<Pin> {
    let key = cid.to_bytes();
    decode(&key, &tables.get(TABLE, &key)?)
}

/// What makes a pin, whatever pin of that CID there was.
fn set(tables: &Tables, pin: &Pin) -> Vec<Change> {
    let mut changes = Vec::with_capacity(1);
    let old = find(tables, &pin.cid);
    if let Some(old) = old.filter(|old| old.expires_unix_secs != pin.expires_unix_secs) {
        changes.extend(expiry_key(&old).map(|key| Change::Delete { table: EXPIRY_TABLE, key }));
    }
    changes.push(Change::Set { table: TABLE, key: pin.cid.to_bytes(), value: encode(pin) });
    changes.extend(expiry_key(pin).map(|key| Change::Set { table: EXPIRY_TABLE, key, value: Vec::new() }));
    changes
}

/// What removes a pin.
fn unset(pin: &Pin) -> Vec<Change> {
    let expiry = expiry_key(pin).map(|key| Change::Delete { table: EXPIRY_TABLE, key });
    std::iter::once(Change::Delete { table: TABLE, key: pin.cid.to_bytes() }).chain(expiry).collect()
}

fn expiry_key(pin: &Pin) -> Option<Vec<u8>> {
    let secs = pin.expires_unix_secs?.to_be_bytes();
    Some([&secs[..], &pin.cid.to_bytes()].concat())
}

fn decode_expiry_key(key: &[u8]) -> Option<(u64, Cid)> {
    let (secs, cid) = key.split_first_chunk()?;
    Some((u64::from_be_bytes(*secs), Cid::from_bytes(cid).ok()?))
}

/// Kind byte, for pins that expire eight bytes of seconds (little-endian), then the name.
fn encode(pin: &Pin) -> Vec<u8> {
    let kind = match (pin.kind, pin.expires_unix_secs) {
        (PinKind::Recursive, None) => b'r',
        (PinKind::Direct, None) => b'd',
        (PinKind::Recursive, Some(_)) => b'R',
        (PinKind::Direct, Some(_)) => b'D',
    };
    let secs = pin.expires_unix_secs.map(u64::to_le_bytes);
    std::iter::once(kind).chain(secs.into_iter().flatten()).chain(pin.name.bytes()).collect()
}

fn decode(key: &[u8], value: &[u8]) -> Option<Pin> {
    let (kind, rest) = value.split_first()?;
    let (kind, expires) = match kind {
        b'r' => (PinKind::Recursive, false),
        b'd' => (PinKind::Direct, false),
        b'R' => (PinKind::Recursive, true),
        b'D' => (PinKind::Direct, true),
        _ => return None,
    };
    let (expires_unix_secs, name) = match rest.split_first_chunk() {
        Some((secs, name)) if expires => (Some(u64::from_le_bytes(*secs)), name),
        None if expires => return None,
        _ => (None, rest),
    };
    let name = String::from_utf8(name.to_vec()).ok()?;
    Some(Pin { cid: Cid::from_bytes(key).ok()?, kind, name, expires_unix_secs })
}

fn damaged(key: &[u8]) -> StoreError {
    let why = format!("the pin with key {} cannot be read", data_encoding::HEXLOWER.encode(key));
    StoreError::damaged(std::path::Path::new("meta.log"), 0, why)
}
