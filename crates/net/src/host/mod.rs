//! The host: the one task that owns the swarm.

mod words;

pub(crate) use words::dial_words;
