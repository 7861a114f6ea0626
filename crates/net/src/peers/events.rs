//! What ends a waiting connect.

use libp2p::PeerId;
use libp2p::swarm::{ConnectionId, DialError};

use crate::host::actor::Host;
use crate::host::dial_words;

pub(crate) fn on_connected(host: &mut Host, peer: &PeerId) {
    host.peers.finish_peer(peer);
}

pub(crate) fn on_dial_failed(host: &mut Host, dial: ConnectionId, error: &DialError) {
    host.peers.finish_dial(dial, dial_words(error));
}
