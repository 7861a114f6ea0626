//! The gateway over real sockets: requests as clients send them, content in memory.

mod cache;
mod files;
mod formats;
mod hostile;
mod pages;
mod shared;
mod support;
mod waiting;
