//! Every limit of the exchange, by name, with the reason for its number.

use std::time::Duration;

/// Largest message on the wire, without its length prefix: what boxo and Helia accept.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Longest binary CID in a wantlist; boxo drops longer ones.
pub const CID_BYTES_MAX: usize = 168;
/// Wants kept for one peer, and wants we leave with one peer: boxo keeps no more.
pub const WANTS_PER_PEER_MAX: usize = 1024;
/// Entries of one kind (wants, cancels, presences) read from one message; the rest is skipped and counted.
pub const ENTRIES_PER_MESSAGE_MAX: usize = 4 * WANTS_PER_PEER_MAX;
/// Blocks read from one message. Nobody may have more than [`WANTS_PER_PEER_MAX`] of ours to answer.
pub const BLOCKS_PER_MESSAGE_MAX: usize = 4 * WANTS_PER_PEER_MAX;
/// A want for a HAVE is answered with the block itself up to this size: the answer costs less than another round.
pub const INLINE_BYTES_MAX: u64 = 1024;
/// A message that carries blocks is closed at this size: large enough that framing vanishes, small enough that peers
/// take turns.
pub const MESSAGE_FILL_BYTES: u64 = 1024 * 1024 + 64 * 1024;
/// A message below this size takes one more block even if that leads beyond [`MESSAGE_FILL_BYTES`].
pub const MESSAGE_LEAST_BYTES: u64 = 512 * 1024;
/// Messages handed out for one peer and not yet reported sent: one on the wire, one being read from the store.
pub const SENDS_PER_PEER_MAX: usize = 2;
/// Block bytes handed out for all peers together and not yet reported sent.
pub const SEND_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Outstanding bytes a new peer is trusted with, and the least a peer without failures keeps.
pub const WINDOW_BYTES_START: u64 = 4 * 1024 * 1024;
/// Outstanding bytes a peer that lets us wait is left with.
pub const WINDOW_BYTES_MIN: u64 = 256 * 1024;
/// Most outstanding bytes at one peer: 64 MiB are half a second at a gigabit.
pub const WINDOW_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// A want without answer moves to another peer after at most this time.
pub const WANT_TIMEOUT_MAX: Duration = Duration::from_secs(5);
/// … and never before this time: a busy machine is not a dead peer.
pub const WANT_TIMEOUT_MIN: Duration = Duration::from_secs(1);
/// Peers one session works with.
pub const SESSION_PEERS_MAX: usize = 64;
/// Refusals in a row after which a session stops asking a peer; boxo uses the same number.
pub const REFUSALS_MAX: u32 = 16;
/// Unanswered wants in a row after which a session stops asking a peer.
pub const TIMEOUTS_MAX: u32 = 8;
/// Blocks a peer may send that nobody asked for before we drop it.
pub const LIES_MAX: u32 = 3;
/// How long a dropped peer stays unused when it comes back.
pub const BAN_TIME: Duration = Duration::from_secs(600);
/// Dropped peers remembered.
pub const BANS_MAX: usize = 1024;
/// Peers that hear of a want nobody is known to have: those that were useful before, or are near.
pub const BROADCAST_USEFUL_MAX: usize = 32;
/// … and this many others, in turn.
pub const BROADCAST_OTHERS_MAX: usize = 16;
/// A peer that keeps this many of our wants hears of no others it is not known to have.
pub const BROADCAST_WANTS_MAX: usize = 64;
/// Routing is asked for providers when no peer said HAVE within this time.
pub const PROVIDER_DELAY: Duration = Duration::from_secs(1);
/// Searches for providers one session runs at the same time.
pub const SEARCHES_MAX: usize = 4;
/// Pause between two rounds of looking for the same wants, doubled up to [`SEARCH_PAUSE_MAX`].
pub const SEARCH_PAUSE_MIN: Duration = Duration::from_secs(10);
/// Longest pause between two rounds.
pub const SEARCH_PAUSE_MAX: Duration = Duration::from_secs(60);
/// Answered or given-up wants remembered per peer, to tell a late answer from a lie.
pub const RECENT_MAX: usize = 4096;
/// Ledgers remembered of peers that are gone.
pub const LEDGERS_MAX: usize = 4096;
/// Longest pause before a failed send is tried again.
pub const SEND_PAUSE_MAX: Duration = Duration::from_secs(5);
/// The engine wants its clock at least this often while anything is wanted.
pub const TICK: Duration = Duration::from_millis(250);
