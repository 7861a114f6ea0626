//! Integration tests of the data model: one binary.
//!
//! - `kubo_vectors`: blocks that Kubo 0.43.1 wrote, byte for byte.
//! - `properties`: round trips of generated values, and decoders fed with noise.

mod kubo_vectors;
mod properties;
