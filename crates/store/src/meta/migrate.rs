//! From older formats of the log to ours. The log is written anew as a whole under another name, so a crash leaves the old
//! one or the new one; a program that only reads never migrates.

use super::AllTables;

/// Version 1 had pins without expiry: kind `r` or `d`, then the name. Those values mean the same in version 2, so the tables
/// stay as they are; only the header of the log and the size of its batches change.
pub(super) fn migrate_from_1(tables: AllTables) -> AllTables {
    tables
}
