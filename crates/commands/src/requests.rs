//! The calls a daemon has in work and those it finished lately: what `diag cmds` shows.
//!
//! Bounded: a finished call goes when its time is over, and the oldest finished one goes when there are too many.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value as Json};

use crate::op::Call;
use crate::stamp::{Stamp, ZERO};
use crate::value::Value;

/// Most finished calls that are kept, however long they may stay.
const FINISHED_MAX: usize = 4096;
/// How many bytes of each argument are kept.
const ARG_BYTES_MAX: usize = 1024;
/// How many arguments of a call are kept.
const ARGS_MAX: usize = 64;

/// The calls of a daemon. Cheap to clone.
#[derive(Clone, Default)]
pub struct Requests(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    entries: VecDeque<Entry>,
    next: u64,
    /// How long a finished call stays; nothing by default, as in Kubo.
    keep: Duration,
}

/// One call.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its number.
    pub id: u64,
    /// Words of the command joined by `/`.
    pub command: &'static str,
    /// Text arguments.
    pub args: Vec<String>,
    /// Options that were given.
    pub options: Map<String, Json>,
    /// When it came.
    pub began: Stamp,
    /// When it ended, as Go writes times; Go's zero while it runs.
    pub ended: String,
    /// Whether it runs.
    pub active: bool,
    /// When it ended, for the time it stays.
    over: Option<Instant>,
}

/// A call in work; it counts as finished when this is dropped.
#[must_use = "the call counts as finished when this is dropped"]
pub struct Running {
    requests: Requests,
    id: u64,
}

impl Requests {
    /// Notes a call.
    pub fn begin(&self, call: &Call) -> Running {
        let mut state = self.lock();
        let id = state.next;
        state.next += 1;
        state.entries.push_back(Entry {
            id,
            command: call.options.spec().path,
            args: call.args.iter().take(ARGS_MAX).map(|arg| shortened(arg)).collect(),
            options: options(call),
            began: Stamp::of(std::time::SystemTime::now()),
            ended: ZERO.to_owned(),
            active: true,
            over: None,
        });
        Running { requests: self.clone(), id }
    }

    /// All that are known, in the order they came.
    pub fn list(&self) -> Vec<Entry> {
        let mut state = self.lock();
        state.clean();
        state.entries.iter().cloned().collect()
    }

    /// Forgets those that are finished.
    pub fn clear(&self) {
        self.lock().entries.retain(|entry| entry.active);
    }

    /// Says how long a finished call stays.
    pub fn keep_for(&self, time: Duration) {
        self.lock().keep = time;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn clean(&mut self) {
        let keep = self.keep;
        self.entries.retain(|entry| entry.over.is_none_or(|over| over.elapsed() < keep));
        let mut surplus = self.entries.iter().filter(|entry| !entry.active).count().saturating_sub(FINISHED_MAX);
        self.entries.retain(|entry| {
            let goes = !entry.active && surplus > 0;
            surplus -= usize::from(goes);
            !goes
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.requests.lock();
        if let Some(entry) = state.entries.iter_mut().find(|entry| entry.id == self.id) {
            entry.active = false;
            entry.ended = Stamp::of(std::time::SystemTime::now()).rfc3339();
            entry.over = Some(Instant::now());
        }
        state.clean();
    }
}

fn shortened(arg: &str) -> String {
    let mut end = arg.len().min(ARG_BYTES_MAX);
    while !arg.is_char_boundary(end) {
        end -= 1;
    }
    arg[..end].to_owned()
}

fn options(call: &Call) -> Map<String, Json> {
    let given = call.options.given().iter().filter(|(name, _)| **name != "api-auth");
    given
        .map(|(name, value)| {
            let value = match value {
                Value::Bool(flag) => Json::Bool(*flag),
                Value::Text(text) => Json::String(shortened(text)),
                Value::Int(number) => (*number).into(),
                Value::Uint(number) => (*number).into(),
                Value::Float(number) => (*number).into(),
                Value::List(list) => list.iter().map(|text| shortened(text)).collect::<Vec<_>>().into(),
            };
            ((*name).to_owned(), value)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;
    use crate::spec::Spec;

    static SPEC: Spec = Spec { path: "cat", ..Spec::READ };

    fn call() -> Call {
        Call { args: vec!["x".repeat(5000)], options: Options::new(&SPEC) }
    }

    #[test]
    fn finished_calls_stay_as_long_as_asked() {
        let requests = Requests::default();
        let running = requests.begin(&call());
        assert!(requests.list()[0].active);
        assert_eq!(requests.list()[0].args[0].len(), ARG_BYTES_MAX);
        drop(running);
        assert!(requests.list().is_empty(), "nothing stays by default");
        requests.keep_for(Duration::from_secs(3600));
        drop(requests.begin(&call()));
        let listed = requests.list();
        assert!(listed.len() == 1 && !listed[0].active && listed[0].ended != ZERO);
        requests.clear();
        assert!(requests.list().is_empty());
    }

    #[test]
    fn there_is_a_bound_and_running_calls_are_above_it() {
        let requests = Requests::default();
        requests.keep_for(Duration::from_secs(3600));
        let running = requests.begin(&call());
        for _ in 0..FINISHED_MAX + 10 {
            drop(requests.begin(&call()));
        }
        let listed = requests.list();
        assert_eq!(listed.len(), FINISHED_MAX + 1);
        assert!(listed[0].active);
        drop(running);
    }
}
