//! Operations, the two grammars, and the RPC over real sockets, with a node in memory.

mod answers;
mod cli_grammar;
mod conventions;
mod fuzz;
mod hostile;
mod multipart;
mod rpc;
mod snapshots;
mod support;
mod tree;
