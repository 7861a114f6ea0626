//! The limits of the reader, each with its reason.

/// Largest journal: writers leave one at a few megabytes; one of a gigabyte is none.
pub(crate) const JOURNAL_BYTES_MAX: u64 = 1 << 30;
/// Largest manifest: 200 bytes a table, a hundred thousand tables.
pub(crate) const MANIFEST_BYTES_MAX: u64 = 256 << 20;
/// Largest block of a table, packed or not: blocks are four kilobytes unless one value is larger.
pub(crate) const BLOCK_BYTES_MAX: u64 = 256 << 20;
/// Most tables open at a time in one scan.
pub(crate) const TABLES_OPEN_MAX: usize = 512;
