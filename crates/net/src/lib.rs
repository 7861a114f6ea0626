//! The network: the only crate that names libp2p.

mod host;
pub(crate) mod ids;
pub mod streams;
