//! Tests of the store as others see it. One file per subject; `support` makes blocks and stores.
#![allow(clippy::unwrap_used)]

mod blocks;
mod crash;
mod damage;
mod formats;
mod fuzz;
mod gc;
mod limit;
mod memory;
mod meta;
mod model;
mod pins;
mod repo;
mod support;
mod tier;
mod usage;
mod why;
mod wrap;
