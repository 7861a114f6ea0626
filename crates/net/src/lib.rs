//! The network: the only crate that names libp2p.
