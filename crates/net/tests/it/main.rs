//! Real hosts on loopback, in one process.

mod common;
mod connect;
mod dht;
mod exchange;
mod hostile;
