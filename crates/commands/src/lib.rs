//! Operations: one list with two front ends, the terminal and the RPC.
