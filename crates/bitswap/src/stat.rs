//! Counters of the exchange.

/// A snapshot of what the exchange did since it began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// Blocks peers sent, wanted or not.
    pub blocks_received: u64,
    /// Their bytes.
    pub bytes_received: u64,
    /// Blocks that came after another peer had sent them, or after they were given up.
    pub duplicate_blocks_received: u64,
    /// Their bytes.
    pub duplicate_bytes_received: u64,
    /// Blocks nobody asked the sender for.
    pub unwanted_blocks_received: u64,
    /// Messages peers sent.
    pub messages_received: u64,
    /// Blocks we sent.
    pub blocks_sent: u64,
    /// Their bytes.
    pub bytes_sent: u64,
    /// Messages we sent.
    pub messages_sent: u64,
    /// Wants all peers together keep for us.
    pub wants_asked: usize,
    /// Wants we keep for all peers.
    pub wants_served: usize,
    /// Block bytes handed out for sending and not yet sent.
    pub bytes_handed_out: u64,
}

/// Where a want stands: why it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WantStatus {
    /// Whether one peer was asked for the block itself.
    pub is_assigned: bool,
    /// Whether that peer lets us wait longer than it should.
    pub is_late: bool,
    /// Peers that were asked and have not answered.
    pub peers_waiting: usize,
    /// Peers that do not have it, or let us wait.
    pub peers_refused: usize,
    /// Peers that could be asked.
    pub peers_connected: usize,
    /// Peers that sent other blocks of this session, or said they have some.
    pub session_peers: usize,
    /// Whether routing is looking for providers.
    pub is_searching: bool,
}
