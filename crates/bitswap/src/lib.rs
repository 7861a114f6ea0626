//! The Bitswap engine as a state machine without I/O.
