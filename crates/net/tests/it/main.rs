//! Real hosts on loopback, in one process.
#![allow(clippy::unwrap_used)]

mod common;
mod connect;
mod dht;
mod exchange;
mod hostile;
