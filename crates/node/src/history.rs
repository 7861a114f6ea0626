//! The last changes that can be undone: of the mutable file system, and pins that were removed.
//!
//! A step is a row of the table `undo` under its number, and named roots (`undo/NUMBER`, `undo/NUMBER/PIN`) that keep what
//! it needs from collection. The change itself and its step are one durable step of the metadata log, so a crash leaves
//! both or none.
//!
//! Invariants:
//! - At most [`STEPS_MAX`] steps exist; the oldest go.
//! - Every root `undo/…` belongs to a row, or is [`REDO`], which any later change takes away.

use std::time::{SystemTime, UNIX_EPOCH};

use merkury_api::{ApiError, UndoStep};
use merkury_core::Cid;
use merkury_store::{Pin, PinKind, RootsChange, Store};
use serde::{Deserialize, Serialize};

use crate::inner::store_error;

/// Steps that are kept: a day of work by hand, and few enough to mark in every collection.
pub(crate) const STEPS_MAX: usize = 32;
/// Longest description that is kept, in characters.
const WHAT_CHARS_MAX: usize = 200;
const TABLE: &str = "undo";
const PREFIX: &str = merkury_store::SPARE_PREFIX;
/// The root of the mutable file system before the last undo.
pub(crate) const REDO: &str = "undo/redo";

/// A step as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Row {
    time: u64,
    what: String,
    /// Whether there is a root of the mutable file system.
    mfs: bool,
    /// Removed pins; their CIDs are the roots of the step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pins: Vec<PinRow>,
}

#[derive(Debug, Serialize, Deserialize)]
struct PinRow {
    recursive: bool,
    name: String,
    /// When the pin ends, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_unix_secs: Option<u64>,
}

/// A step with all that undoing it takes.
pub(crate) struct Step {
    pub(crate) shown: UndoStep,
    pub(crate) pins: Vec<Pin>,
}

fn root_name(number: u64) -> String {
    format!("{PREFIX}{number:020}")
}

fn pin_name(number: u64, index: usize) -> String {
    format!("{PREFIX}{number:020}/{index}")
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Adds to `change` the step of a change of the mutable file system whose root was `before`.
pub(crate) fn record_root<'a>(
    change: RootsChange<'a>,
    store: &Store,
    before: &Cid,
    what: &str,
) -> Result<RootsChange<'a>, ApiError> {
    let (change, number) = begin(change, store)?;
    let row = Row { time: now(), what: shorten(what), mfs: true, pins: Vec::new() };
    Ok(note(change, number, &row)?.set(&root_name(number), before))
}

/// Makes the step of a removed pin durable.
pub(crate) fn record_pin(store: &Store, pin: &Pin) -> Result<(), ApiError> {
    let (change, number) = begin(store.roots().change(), store)?;
    let pins = vec![PinRow {
        recursive: pin.kind == PinKind::Recursive,
        name: pin.name.clone(),
        expires_unix_secs: pin.expires_unix_secs,
    }];
    let row = Row { time: now(), what: shorten(&format!("pin rm {}", pin.cid)), mfs: false, pins };
    note(change, number, &row)?.set(&pin_name(number, 0), &pin.cid).commit().map_err(store_error)
}

/// The number of the next step; the oldest step makes room, and what could be redone can be no more.
fn begin<'a>(mut change: RootsChange<'a>, store: &Store) -> Result<(RootsChange<'a>, u64), ApiError> {
    let rows = store.meta().page(TABLE, None, STEPS_MAX * 2).map_err(store_error)?;
    let numbers: Vec<u64> = rows.iter().filter_map(|(key, _)| number_of(key)).collect();
    let next = numbers.last().map_or(1, |last| last.saturating_add(1));
    let too_many = (numbers.len() + 1).saturating_sub(STEPS_MAX);
    for &number in numbers.iter().take(too_many) {
        change = forget_step(change, store, number)?;
    }
    if store.roots().get(REDO).map_err(store_error)?.is_some() {
        change = change.remove(REDO);
    }
    Ok((change, next))
}

fn note<'a>(change: RootsChange<'a>, number: u64, row: &Row) -> Result<RootsChange<'a>, ApiError> {
    let value = serde_json::to_vec(row).map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(change.note(TABLE, &number.to_be_bytes(), Some(&value)))
}

/// Adds to `change` that a step goes, with the roots it kept.
pub(crate) fn forget_step<'a>(
    mut change: RootsChange<'a>,
    store: &Store,
    number: u64,
) -> Result<RootsChange<'a>, ApiError> {
    let own = root_name(number);
    for (name, _) in store.roots().list().map_err(store_error)? {
        if name.strip_prefix(&own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            change = change.remove(&name);
        }
    }
    Ok(change.note(TABLE, &number.to_be_bytes(), None))
}

/// The steps, latest first. One whose row or root cannot be read is left out.
pub(crate) fn steps(store: &Store) -> Result<Vec<Step>, ApiError> {
    let mut found = Vec::new();
    for (key, value) in store.meta().page(TABLE, None, STEPS_MAX * 2).map_err(store_error)?.into_iter().rev() {
        let (Some(number), Ok(row)) = (number_of(&key), serde_json::from_slice::<Row>(&value)) else { continue };
        let root = if row.mfs { store.roots().get(&root_name(number)).map_err(store_error)? } else { None };
        let mut pins = Vec::with_capacity(row.pins.len());
        for (index, pin) in row.pins.into_iter().enumerate() {
            let kind = if pin.recursive { PinKind::Recursive } else { PinKind::Direct };
            let cid = store.roots().get(&pin_name(number, index)).map_err(store_error)?;
            let expires_unix_secs = pin.expires_unix_secs;
            pins.extend(cid.map(|cid| Pin { cid, kind, name: pin.name, expires_unix_secs }));
        }
        if root.is_none() && pins.is_empty() {
            continue;
        }
        let cids = pins.iter().map(|pin| pin.cid.clone()).collect();
        found.push(Step { shown: UndoStep { number, time: row.time, what: row.what, root, pins: cids }, pins });
    }
    Ok(found)
}

/// Forgets all steps durably; returns how many there were.
pub(crate) fn forget_all(store: &Store) -> Result<usize, ApiError> {
    let rows = store.meta().page(TABLE, None, STEPS_MAX * 2).map_err(store_error)?;
    let names: Vec<String> = store.roots().list().map_err(store_error)?.into_iter().map(|(name, _)| name).collect();
    let mut change = store.roots().change();
    let mut count = 0;
    for name in names.iter().filter(|name| name.starts_with(PREFIX)) {
        change = change.remove(name);
        count += 1;
    }
    for (key, _) in &rows {
        change = change.note(TABLE, key, None);
        count += 1;
    }
    if count > 0 {
        change.commit().map_err(store_error)?;
    }
    Ok(rows.len())
}

fn number_of(key: &[u8]) -> Option<u64> {
    key.try_into().ok().map(u64::from_be_bytes)
}

fn shorten(what: &str) -> String {
    match what.char_indices().nth(WHAT_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &what[..at]),
        None => what.to_owned(),
    }
}
