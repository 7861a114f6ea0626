//! Bitswap as a state machine: no I/O, no clock, no randomness. Events and time go in, actions come out.
//!
//! # Tour
//!
//! - [`message`]: the wire form of versions 1.0, 1.1 and 1.2, read without copying block bytes.
//! - [`name_blocks`]: from message bytes to verified blocks; a pure function for a worker thread.
//! - [`Engine`]: the exchange. Inside: `client` (sessions, wants, whom to ask), `server` (wantlists of peers, what they
//!   are owed), and the turns of peers.
//! - [`limits`]: every bound, with its reason.
//!
//! # How a shell drives it
//!
//! ```text
//! stream bytes ── Message::decode ── name_blocks (worker) ──► Engine::received ─┐
//! want, cancel, connected, disconnected, blocks_added, tick ────────────────────┤
//!                                                                               ▼
//!            Engine::poll ──► Send (read blocks, OutMessage::encode, write) ──► Engine::sent / send_failed
//!                         ──► Deliver, FindProviders, Drop
//! ```
//!
//! After every event, [`Engine::poll`] is called until it returns `None`. While [`Engine::is_waiting`],
//! [`Engine::tick`] is called every [`limits::TICK`].
//!
//! # Invariants
//!
//! - A block is delivered only as a [`merkury_core::Block`]: named by its own hash. Wrong bytes are a block nobody wants.
//! - A want is delivered exactly once, or cancelled. It never hangs while a connected peer has the block and answers.
//! - Memory is bounded per peer and in total, whatever peers send and however slowly they read.
//! - The same events and seed give the same actions: `tests/it/sim.rs` runs whole networks from a seed.
//!
//! A crash loses the engine's state; nothing of it is needed again.

mod client;
mod engine;
pub mod limits;
pub mod message;
mod naming;
mod peers;
mod seeded;
mod server;
mod stat;

pub use client::SessionId;
pub use engine::{Action, Config, Engine, Outgoing, SendId};
pub use message::{Message, MessageError, OutMessage, Protocol};
pub use naming::name_blocks;
pub use server::Ledger;
pub use stat::{Stat, WantStatus};
