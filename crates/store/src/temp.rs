//! Temporary pins: blocks put, and DAGs named, while a guard lives survive garbage collection and eviction.
//!
//! A guard for a writer keeps all that anybody puts while it lives (but not what is fetched as cache), for a builder learns
//! the name of its DAG last. A guard for a reader keeps only the DAGs it names.

use std::collections::HashMap;
use std::sync::Arc;

use merkury_core::Cid;
use parking_lot::{Mutex, MutexGuard};

/// All guards of a store.
#[derive(Default)]
pub(crate) struct TempPins {
    state: Mutex<State>,
}

#[derive(Default)]
pub(crate) struct State {
    next_id: u64,
    /// Guards that are gone.
    dropped: u64,
    live: HashMap<u64, Live>,
    /// While a collection runs: roots named since it looked last.
    late: Option<Vec<Cid>>,
}

struct Live {
    epoch: u32,
    roots: Vec<Cid>,
}

/// Keeps blocks from garbage collection until a pin or a root reaches them.
///
/// Every block put through the store (new or there already) while the guard lives is kept, and every DAG named with
/// [`TempPin::protect`]. Take it before the first put, drop it after the pin is made.
#[must_use = "what was put is kept only while this lives"]
pub struct TempPin {
    pins: Arc<TempPins>,
    id: u64,
}

impl TempPins {
    /// How many guards are gone.
    pub(crate) fn dropped(&self) -> u64 {
        self.state.lock().dropped
    }

    /// A guard for what is named alone.
    pub(crate) fn guard_of_names(self: &Arc<Self>) -> TempPin {
        self.guard(u32::MAX)
    }

    /// A guard for what is put from `epoch` on.
    pub(crate) fn guard(self: &Arc<Self>, epoch: u32) -> TempPin {
        let mut state = self.state.lock();
        let id = state.next_id;
        state.next_id += 1;
        state.live.insert(id, Live { epoch, roots: Vec::new() });
        TempPin { pins: self.clone(), id }
    }

    /// A collection begins: returns the named roots and the epoch of the oldest guard. Later roots are noted.
    pub(crate) fn begin_collection(&self) -> (Vec<Cid>, Option<u32>) {
        let mut state = self.state.lock();
        state.late = Some(Vec::new());
        drop(state);
        self.kept()
    }

    /// The roots named by all guards, and the epoch of the oldest guard.
    pub(crate) fn kept(&self) -> (Vec<Cid>, Option<u32>) {
        let state = self.state.lock();
        let roots = state.live.values().flat_map(|live| live.roots.iter().cloned()).collect();
        (roots, state.live.values().map(|live| live.epoch).min())
    }

    /// Stops the world of temporary pins: while the answer lives, no root can be named.
    pub(crate) fn gate(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    pub(crate) fn end_collection(&self) {
        self.state.lock().late = None;
    }
}

impl State {
    /// The roots named since the last call.
    pub(crate) fn take_late(&mut self) -> Vec<Cid> {
        self.late.as_mut().map(std::mem::take).unwrap_or_default()
    }
}

impl TempPin {
    /// Also keeps the DAG under `cid`, as much of it as is here now or comes while the guard lives.
    pub fn protect(&self, cid: &Cid) {
        let mut state = self.pins.state.lock();
        if let Some(late) = &mut state.late {
            late.push(cid.clone());
        }
        if let Some(live) = state.live.get_mut(&self.id) {
            live.roots.push(cid.clone());
        }
    }
}

impl Drop for TempPin {
    fn drop(&mut self) {
        let mut state = self.pins.state.lock();
        state.live.remove(&self.id);
        state.dropped += 1;
    }
}
