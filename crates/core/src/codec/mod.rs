//! Codecs, and the links in a block whatever its codec.
