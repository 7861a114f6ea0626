//! Temporary pins: blocks put, and DAGs named, while a guard lives survive garbage collection.

use std::collections::HashMap;
use std::sync::Arc;

use merkury_core::Cid;
use parking_lot::Mutex;

/// All guards of a store.
#[derive(Default)]
pub(crate) struct TempPins {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next_id: u64,
    live: HashMap<u64, Vec<Cid>>,
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
    pub(crate) fn guard(self: &Arc<Self>) -> TempPin {
        let mut state = self.state.lock();
        let id = state.next_id;
        state.next_id += 1;
        state.live.insert(id, Vec::new());
        TempPin { pins: self.clone(), id }
    }
}

impl TempPin {
    /// Also keeps the DAG under `cid`, as much of it as is here now or comes while the guard lives.
    pub fn protect(&self, cid: &Cid) {
        self.pins.state.lock().live.entry(self.id).or_default().push(cid.clone());
    }
}

impl Drop for TempPin {
    fn drop(&mut self) {
        self.pins.state.lock().live.remove(&self.id);
    }
}
