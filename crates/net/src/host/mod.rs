//! The host: one task owns the swarm and routes between it and the handles.
//!
//! Parts: the loop ([`actor`]), the behaviour of the swarm, the transport with its security, the connections with
//! their limits and address book, the announced addresses, and the peers to start from ([`starter`]).
//!
//! Invariants:
//! - Nothing waits inside the loop; answers come back as events of the swarm.
//! - Commands are bounded ([`COMMANDS_MAX`]); their senders wait.
//! - The start never waits for a name, a peer or an answer of the network.

pub(crate) mod actor;
pub(crate) mod addresses;
pub(crate) mod behaviour;
pub(crate) mod book;
pub(crate) mod connections;
pub(crate) mod muxer;
pub(crate) mod security;
pub(crate) mod starter;
pub(crate) mod transport;
mod words;

use tokio::sync::mpsc;

use crate::{peers, routing};

pub(crate) use words::dial_words;

/// How many commands may wait for the host.
pub(crate) const COMMANDS_MAX: usize = 1024;

/// What handles ask of the host.
#[derive(Debug)]
pub(crate) enum Command {
    Peers(peers::commands::Command),
    Routing(routing::commands::Command),
    /// Peers known from earlier runs, read by a blocking task.
    Remembered(Vec<starter::RememberedPeer>),
}

/// The way to the host.
#[derive(Clone, Debug)]
pub(crate) struct HostHandle {
    commands: mpsc::Sender<Command>,
}

impl HostHandle {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Command>) {
        let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
        (Self { commands }, receiver)
    }

    /// Hands a command over. `false` when the host has stopped; the answer's sender is dropped with the command.
    pub(crate) async fn send(&self, command: Command) -> bool {
        self.commands.send(command).await.is_ok()
    }
}
