//! Named roots (such as the top of the mutable file system) and small tables for other parts of the node.

use merkury_core::Cid;

use crate::meta::{Change, Entry, Tables};
use crate::temp::TempPin;
use crate::{Store, StoreError};

pub(crate) const TABLE: &str = "roots";
/// Roots whose names begin so keep what they reach from collection, but not when room is needed: what was taken back
/// must not make a full repository refuse new content.
pub const SPARE_PREFIX: &str = "undo/";
/// Entries taken from a table at a time while listing.
const PAGE: usize = 256;

/// Named roots; got with [`Store::roots`]. Garbage collection keeps what they reach, as far as it is here: a root may
/// have holes, since the mutable file system may hold files that were never fetched.
#[derive(Clone, Copy)]
pub struct Roots<'a> {
    pub(crate) store: &'a Store,
}

impl<'a> Roots<'a> {
    /// The CID under a name.
    pub fn get(&self, name: &str) -> Result<Option<Cid>, StoreError> {
        match self.store.tables()?.get(TABLE, name.as_bytes()) {
            Some(bytes) => decode(name, &bytes).map(Some),
            None => Ok(None),
        }
    }

    /// Points a name at a CID. Returns when the blocks put so far and the name are durable, in this order.
    pub fn set(&self, name: &str, cid: &Cid) -> Result<(), StoreError> {
        let guard = self.store.temp_pin();
        guard.protect(cid);
        self.store.commit_blocks()?;
        let change = Change::Set { table: TABLE, key: name.into(), value: cid.to_bytes() };
        self.store.tables()?.commit(&[change])
    }

    /// Several changes of names, and of one table beside them, in one step.
    pub fn change(&self) -> RootsChange<'a> {
        RootsChange { store: self.store, keep: self.store.temp_pin(), changes: Vec::new() }
    }

    /// Forgets a name. No error when there is none.
    pub fn remove(&self, name: &str) -> Result<(), StoreError> {
        let tables = self.store.tables()?;
        tables.commit_if(|tables| {
            let there = tables.get(TABLE, name.as_bytes()).is_some();
            Ok(there.then(|| Change::Delete { table: TABLE, key: name.into() }).into_iter().collect())
        })
    }

    /// All names and their CIDs.
    pub fn list(&self) -> Result<Vec<(String, Cid)>, StoreError> {
        named(self.store.tables()?)
    }
}

/// Changes of named roots and of tables that are made together; got with [`Roots::change`].
#[must_use = "nothing is changed before commit"]
pub struct RootsChange<'a> {
    store: &'a Store,
    /// Keeps what is named here until the names are durable.
    keep: TempPin,
    changes: Vec<Change>,
}

impl RootsChange<'_> {
    /// Points a name at a CID.
    pub fn set(mut self, name: &str, cid: &Cid) -> Self {
        self.keep.protect(cid);
        self.changes.push(Change::Set { table: TABLE, key: name.into(), value: cid.to_bytes() });
        self
    }

    /// Forgets a name.
    pub fn remove(mut self, name: &str) -> Self {
        self.changes.push(Change::Delete { table: TABLE, key: name.into() });
        self
    }

    /// Gives a key of a table (see [`Store::meta`]) a value, or forgets it.
    pub fn note(mut self, table: &'static str, key: &[u8], value: Option<&[u8]>) -> Self {
        let key = key.to_vec();
        self.changes.push(match value {
            Some(value) => Change::Set { table, key, value: value.to_vec() },
            None => Change::Delete { table, key },
        });
        self
    }

    /// Makes the changes, all or none. Returns when the blocks put so far and the changes are durable, in this order.
    pub fn commit(self) -> Result<(), StoreError> {
        self.store.commit_blocks()?;
        self.store.tables()?.commit(&self.changes)
    }
}

/// The CIDs of the roots that eviction respects.
pub(crate) fn not_spare(tables: &Tables) -> Result<Vec<Cid>, StoreError> {
    let kept = named(tables)?.into_iter().filter(|(name, _)| !name.starts_with(SPARE_PREFIX));
    Ok(kept.map(|(_, cid)| cid).collect())
}

/// The CIDs of all roots.
pub(crate) fn all(tables: &Tables) -> Result<Vec<Cid>, StoreError> {
    Ok(named(tables)?.into_iter().map(|(_, cid)| cid).collect())
}

pub(crate) fn named(tables: &Tables) -> Result<Vec<(String, Cid)>, StoreError> {
    let mut found = Vec::<(String, Cid)>::new();
    loop {
        let last = found.last().map(|(name, _)| name.clone());
        let page = tables.page(TABLE, last.as_ref().map(|name| name.as_bytes()), PAGE);
        if page.is_empty() {
            return Ok(found);
        }
        for (name, cid) in page {
            let name = String::from_utf8_lossy(&name).into_owned();
            let cid = decode(&name, &cid)?;
            found.push((name, cid));
        }
    }
}

fn decode(name: &str, bytes: &[u8]) -> Result<Cid, StoreError> {
    Cid::from_bytes(bytes).map_err(|error| {
        StoreError::damaged(std::path::Path::new("meta.log"), 0, format!("root {name:?} is not a cid: {error}"))
    })
}

/// Tables of keys and values for other parts of the node (a cursor, IPNS records, peers); got with [`Store::meta`].
///
/// Everything is kept in memory: for thousands of small values. Table names are chosen in code and must not be `pins`
/// or `roots`.
#[derive(Clone, Copy)]
pub struct Meta<'a> {
    pub(crate) store: &'a Store,
}

impl Meta<'_> {
    /// The value of a key.
    pub fn get(&self, table: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.tables(table)?.get(table, key))
    }

    /// Gives a key a value; durable when it returns.
    pub fn set(&self, table: &'static str, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.tables(table)?.commit(&[Change::Set { table, key: key.to_vec(), value: value.to_vec() }])
    }

    /// Gives several keys values in one step with one flush; `None` forgets a key.
    pub fn set_many(&self, table: &'static str, entries: Vec<(Vec<u8>, Option<Vec<u8>>)>) -> Result<(), StoreError> {
        let change = |(key, value)| match value {
            Some(value) => Change::Set { table, key, value },
            None => Change::Delete { table, key },
        };
        self.tables(table)?.commit(&entries.into_iter().map(change).collect::<Vec<_>>())
    }

    /// Forgets a key. No error when there is none.
    pub fn remove(&self, table: &'static str, key: &[u8]) -> Result<(), StoreError> {
        self.tables(table)?.commit_if(|tables| {
            let there = tables.get(table, key).is_some();
            Ok(there.then(|| Change::Delete { table, key: key.to_vec() }).into_iter().collect())
        })
    }

    /// Up to `count` entries in the order of their keys, from the first one after `after`.
    pub fn page(&self, table: &'static str, after: Option<&[u8]>, count: usize) -> Result<Vec<Entry>, StoreError> {
        Ok(self.tables(table)?.page(table, after, count))
    }

    /// How many entries a table has.
    pub fn count(&self, table: &'static str) -> Result<usize, StoreError> {
        Ok(self.tables(table)?.count(table))
    }

    fn tables(&self, table: &str) -> Result<&Tables, StoreError> {
        debug_assert!(table != TABLE && table != crate::pins::TABLE, "{table} has its own methods");
        self.store.tables()
    }
}
