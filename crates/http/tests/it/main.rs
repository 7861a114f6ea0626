//! The server kit over real sockets: raw bytes in, raw bytes out.

mod bodies;
mod clients;
mod support;
