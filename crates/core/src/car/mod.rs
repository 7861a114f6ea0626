//! CAR: the archive format of IPFS. Specification: ipld.io `car` (versions 1 and 2).
//!
//! Parts: [`CarReader`] (streams sections of a version 1 archive, or of the one inside a version 2), [`header`] and
//! [`section_head`] (version 1 as Kubo writes it).
//!
//! Invariants: the reader holds one section at a time and never allocates more than the limit of a section; what it
//! gives is *not* verified: the caller hashes it with [`Block::verify_many`](crate::Block::verify_many).

mod read;
mod write;

pub use read::{CarError, CarReader, Section};
pub use write::{header, section_head};
