//! Taking over what a Kubo has.

use crate::ItemStream;

/// What to take over, and from where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MigrateRequest {
    /// A repository directory on the node's machine, or the RPC address of a running Kubo (multiaddr or URL).
    pub from: String,
    /// The `Authorization` header for that Kubo.
    pub authorization: Option<String>,
    /// Take its configuration too, but for the identity and what only Kubo's stores need.
    pub config: bool,
    /// Become the same peer: take its private key. Two nodes with one identity disturb each other.
    pub identity: bool,
}

/// What a migration tells while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MigrateEvent {
    /// How far it is; a few times a second.
    Progress(MigrateProgress),
    /// Something could not be taken over. The rest goes on.
    Problem {
        /// The block, pin, key, …
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// The last item: all of it is durable.
    Done(Box<Migrated>),
}

/// How far a migration is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MigrateProgress {
    /// Blocks looked at.
    pub blocks: u64,
    /// Bytes read from the source.
    pub bytes: u64,
    /// How many bytes there are, as far as is known: of a running Kubo an estimate.
    pub bytes_total: Option<u64>,
    /// Time since the start in milliseconds.
    pub elapsed_ms: u64,
}

/// What a migration did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Migrated {
    /// What was asked: the directory, or the version and address of the Kubo.
    pub source: String,
    /// Blocks copied, each checked against its hash.
    pub blocks_copied: u64,
    /// Their bytes.
    pub bytes_copied: u64,
    /// Blocks that were here already.
    pub blocks_known: u64,
    /// Pins made.
    pub pins_made: u64,
    /// Pins that were here already.
    pub pins_known: u64,
    /// Where the mutable file system is now; `None` when there was nothing in it, or it is here already.
    pub mfs: Option<String>,
    /// Keys copied.
    pub keys: u64,
    /// IPNS records copied.
    pub ipns_records: u64,
    /// The configuration was taken over.
    pub config: bool,
    /// The identity was taken over: this peer id.
    pub identity: Option<String>,
    /// Things that could not be taken over; each was told.
    pub problems: u64,
}

/// Taking over what others have.
pub trait Migrate: Send + Sync {
    /// Copies blocks, pins with their names, the mutable file system, keys and IPNS records of a Kubo, which is only read.
    /// Asked again after it was interrupted, it goes on: what is here is not read again.
    fn migrate(&self, request: MigrateRequest) -> ItemStream<MigrateEvent>;
}
