//! The operations, one file each.

pub mod block_stat;
pub mod cat;
pub mod commands;
pub mod version;
