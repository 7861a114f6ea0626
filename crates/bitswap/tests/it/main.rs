//! Integration tests of the engine: its wire form against hostile bytes, and whole networks from a seed.

mod engine;
mod fuzz;
mod hostile;
mod sim;
mod wire;
