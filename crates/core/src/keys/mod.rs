//! Key pairs and their libp2p encodings.
