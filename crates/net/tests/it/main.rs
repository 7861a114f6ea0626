//! Real hosts on loopback, in one process.

mod common;
mod connect;
mod dht;
mod hostile;
