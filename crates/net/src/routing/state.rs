//! Look-ups under way: which queries belong to which, and what each has found.
//!
//! Every query ends by the DHT's own deadline, so every task does; a task whose caller went away is ended at the next
//! tick or the next answer.

use std::collections::{HashMap, HashSet};

use libp2p::kad::QueryId;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{mpsc, oneshot};

use super::commands::both;
use super::values::Rank;
use super::{Found, RoutingError, Which};
use crate::host::actor::Host;

/// Look-ups and announcements under way at a time.
const TASKS_MAX: usize = 512;

/// What a task is for.
#[derive(Debug)]
pub(super) enum Goal {
    Providers {
        found: mpsc::Sender<Result<Found, RoutingError>>,
        left: usize,
        seen: HashSet<PeerId>,
    },
    Peer {
        peer: PeerId,
        reply: oneshot::Sender<Result<Vec<Multiaddr>, RoutingError>>,
        known: Vec<Multiaddr>,
    },
    Closest {
        reply: oneshot::Sender<Result<Vec<Found>, RoutingError>>,
        found: Vec<Found>,
    },
    /// Of a provider record or a value; both are left with peers.
    Provide {
        reply: oneshot::Sender<Result<u32, RoutingError>>,
        asked: u32,
    },
    Value {
        reply: oneshot::Sender<Result<Vec<u8>, RoutingError>>,
        key: Vec<u8>,
        best: Option<(Rank, Vec<u8>)>,
        /// Valid ones so far.
        seen: usize,
    },
}

#[derive(Debug)]
pub(super) struct Task {
    goal: Goal,
    queries: Vec<(Which, QueryId)>,
}

impl Task {
    pub(super) fn new(goal: Goal) -> Self {
        Self { goal, queries: Vec::new() }
    }

    fn is_abandoned(&self) -> bool {
        match &self.goal {
            Goal::Providers { found, .. } => found.is_closed(),
            Goal::Peer { reply, .. } => reply.is_closed(),
            Goal::Closest { reply, .. } => reply.is_closed(),
            Goal::Provide { reply, .. } => reply.is_closed(),
            Goal::Value { reply, .. } => reply.is_closed(),
        }
    }

    pub(super) fn fail(self, error: RoutingError) {
        match self.goal {
            Goal::Providers { found, .. } => drop(found.try_send(Err(error))),
            Goal::Peer { reply, known, .. } => drop(reply.send(if known.is_empty() { Err(error) } else { Ok(known) })),
            Goal::Closest { reply, .. } => drop(reply.send(Err(error))),
            Goal::Provide { reply, .. } => drop(reply.send(Err(error))),
            Goal::Value { reply, .. } => drop(reply.send(Err(error))),
        }
    }

    /// All queries are over.
    fn finish(self) {
        match self.goal {
            // The end of the channel says it.
            Goal::Providers { .. } => {}
            Goal::Peer { .. } => self.fail(RoutingError::NotFound),
            Goal::Closest { reply, found } => drop(reply.send(Ok(found))),
            Goal::Provide { reply, asked } => drop(reply.send(Ok(asked))),
            Goal::Value { reply, best, .. } => {
                drop(reply.send(best.map(|(_, value)| value).ok_or(RoutingError::NotFound)));
            }
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct State {
    tasks: HashMap<u64, Task>,
    by_query: HashMap<(Which, QueryId), u64>,
    next: u64,
}

impl State {
    pub(super) fn has_room(&self) -> bool {
        self.tasks.len() < TASKS_MAX
    }

    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    pub(super) fn insert(&mut self, mut task: Task, queries: Vec<(Which, QueryId)>) {
        self.next += 1;
        self.by_query.extend(queries.iter().map(|query| (*query, self.next)));
        task.queries = queries;
        self.tasks.insert(self.next, task);
    }

    /// The goal a query works for.
    pub(super) fn goal_mut(&mut self, query: (Which, QueryId)) -> Option<(u64, &mut Goal)> {
        let id = *self.by_query.get(&query)?;
        Some((id, &mut self.tasks.get_mut(&id)?.goal))
    }

    /// A query is over; with the last one its task is.
    pub(super) fn on_query_end(&mut self, query: (Which, QueryId)) {
        let Some(id) = self.by_query.remove(&query) else { return };
        let Some(task) = self.tasks.get_mut(&id) else { return };
        task.queries.retain(|other| *other != query);
        if task.queries.is_empty()
            && let Some(task) = self.tasks.remove(&id)
        {
            task.finish();
        }
    }

    /// Takes a task out before its queries are over.
    pub(super) fn take(&mut self, id: u64) -> Option<(Goal, Vec<(Which, QueryId)>)> {
        let task = self.tasks.remove(&id)?;
        for query in &task.queries {
            self.by_query.remove(query);
        }
        Some((task.goal, task.queries))
    }

    /// Tasks that look for this peer.
    pub(super) fn looking_for(&self, peer: &PeerId) -> Vec<u64> {
        let wants = |task: &Task| matches!(&task.goal, Goal::Peer { peer: wanted, .. } if wanted == peer);
        self.tasks.iter().filter(|(_, task)| wants(task)).map(|(id, _)| *id).collect()
    }

    fn abandoned(&self) -> Vec<u64> {
        self.tasks.iter().filter(|(_, task)| task.is_abandoned()).map(|(id, _)| *id).collect()
    }
}

/// Ends a task early and its queries with it; the caller answers the goal.
pub(super) fn end(host: &mut Host, id: u64) -> Option<Goal> {
    let (goal, queries) = host.routing.take(id)?;
    for (which, dht) in both(host.swarm.behaviour_mut()) {
        for (_, query) in queries.iter().filter(|(other, _)| *other == which) {
            dht.cancel(query);
        }
        if let Goal::Peer { peer, .. } = &goal {
            dht.forget_wanted(peer);
        }
    }
    Some(goal)
}

/// Ends what nobody waits for any more.
pub(crate) fn on_tick(host: &mut Host) {
    for id in host.routing.abandoned() {
        end(host, id);
    }
}
