//! Codecs, and the links in a block whatever its codec.

pub mod dag_pb;
pub mod protobuf;
pub mod unixfs;
