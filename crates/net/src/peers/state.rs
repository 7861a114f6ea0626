//! Connects that wait for their dial. Each ends with its dial, which the transport's deadline ends.

use std::collections::HashMap;

use libp2p::PeerId;
use libp2p::swarm::ConnectionId;
use tokio::sync::oneshot;

use super::PeersError;
use crate::ids::to_core;

/// Connects that may wait at a time.
const WAITING_MAX: usize = 256;

type Reply = oneshot::Sender<Result<(), PeersError>>;

#[derive(Debug, Default)]
pub(crate) struct State {
    dials: HashMap<ConnectionId, (PeerId, Reply)>,
}

impl State {
    /// Remembers who waits; gives the reply back when too many do.
    pub(super) fn wait_for(&mut self, dial: ConnectionId, peer: PeerId, reply: Reply) -> Result<(), Reply> {
        if self.dials.len() >= WAITING_MAX {
            return Err(reply);
        }
        self.dials.insert(dial, (peer, reply));
        Ok(())
    }

    /// The dial failed.
    pub(super) fn finish_dial(&mut self, dial: ConnectionId, why: String) {
        if let Some((peer, reply)) = self.dials.remove(&dial) {
            let error = match to_core(&peer) {
                Some(peer) => PeersError::Dial { peer, why },
                None => PeersError::NotFound(why),
            };
            let _ = reply.send(Err(error));
        }
    }

    /// A connection to the peer is there, by whatever dial.
    pub(super) fn finish_peer(&mut self, peer: &PeerId) {
        let done: Vec<ConnectionId> =
            self.dials.iter().filter(|(_, (wanted, _))| wanted == peer).map(|(dial, _)| *dial).collect();
        for dial in done {
            if let Some((_, reply)) = self.dials.remove(&dial) {
                let _ = reply.send(Ok(()));
            }
        }
    }
}
