//! Every limit of the data model, by name, with the reason for its number.

/// Largest block we create, store, send or accept: 2 MiB, the size Bitswap peers agree on.
pub const BLOCK_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Largest block a caller may force with `--allow-big-block`; it can be kept but not exchanged.
pub const BIG_BLOCK_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Longest identity digest (IPIP-512): longer ones are data in disguise.
pub const IDENTITY_DIGEST_BYTES_MAX: usize = 128;
/// Longest digest of any other hash function.
pub const DIGEST_BYTES_MAX: usize = 128;
/// Shortest digest of a cryptographic hash that still names data safely (160 bits).
pub const DIGEST_BYTES_MIN: usize = 20;
/// Longest binary CID: version, codec, hash code and length take at most 9 + 9 + 9 + 9 bytes.
pub const CID_BYTES_MAX: usize = DIGEST_BYTES_MAX + 36;
/// Longest text of a CID we look at: a binary CID in base 2 with its prefix.
pub const CID_TEXT_BYTES_MAX: usize = CID_BYTES_MAX * 8 + 1;
/// Deepest nesting of DAG-CBOR and DAG-JSON: what go-ipld-prime accepts.
pub const IPLD_DEPTH_MAX: usize = 1024;
/// Longest content path in bytes.
pub const PATH_BYTES_MAX: usize = 64 * 1024;
/// Most links one dag-pb node may carry inside a block of [`BLOCK_BYTES_MAX`]; a link takes at least 38 bytes.
pub const DAG_PB_LINKS_MAX: usize = 64 * 1024;
/// Largest CAR header: room for about 100,000 roots, as other implementations accept.
pub const CAR_HEADER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most slots of one HAMT shard: the UnixFS specification's bound against allocation attacks.
pub const HAMT_FANOUT_MAX: usize = 1024;
/// Longest target of a symlink: longer than any operating system's path.
pub const SYMLINK_BYTES_MAX: usize = 64 * 1024;
