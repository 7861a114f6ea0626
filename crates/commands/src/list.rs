//! All operations, one line each. A new one is a file in `ops` and a line here.

use crate::op::{AnyOp, Entry};
use crate::ops::*;
use crate::spec::Spec;

/// The operations.
pub static OPS: &[&dyn AnyOp] = &[
    &Entry::<block_stat::BlockStat>::NEW,
    &Entry::<cat::Cat>::NEW,
    &Entry::<commands::Commands>::NEW,
    &Entry::<version::Version>::NEW,
];

/// Names that only hold others.
pub static GROUPS: &[Spec] = &[
    Spec { path: "bitswap", about: "Look at the exchange of blocks.", ..Spec::GROUP },
    Spec { path: "block", about: "Work with single blocks.", ..Spec::GROUP },
];
