//! Integration tests of the data model: one binary.
//!
//! - `keys`: keys that Kubo made.
//! - `ipns`: records that Kubo signed.
//! - `kubo_vectors`: blocks that Kubo 0.43.1 wrote, byte for byte.
//! - `codecs`: values, links and strictness of DAG-CBOR, DAG-JSON and DAG-JOSE.
//! - `fuzz`: every decoder, its corpus and mutations of it.
//! - `hashes`: published digests, and every SHA-256 back end against another implementation.
//! - `hostile`: inputs made to break decoders, each with its verdict and, where it matters, its limit of memory.
//! - `properties`: round trips of generated values, and decoders fed with noise.

mod codecs;
mod fuzz;
mod hashes;
mod hostile;
mod ipns;
mod keys;
mod kubo_vectors;
mod memory;
mod properties;
