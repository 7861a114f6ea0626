//! The merkury program: a complete IPFS node, and Kubo's command line when it is called `ipfs`.
//!
//! Parts: `cli` (the terminal), `host` (what the program does for it), `daemon` (start, lines, stop), `fdlimit`, `log` (levels, who
//! listens), `surfaces` (what
//! the daemon serves), `listen` (addresses). This crate is the only place where the node and its surfaces meet.

mod cli;
mod daemon;
mod fdlimit;
mod host;
mod listen;
mod log;
mod surfaces;

use std::path::Path;
use std::process::ExitCode;

use cli::Personality;

/// Gives freed memory back to the system: the default allocator keeps what ten thousand closed connections used.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let args: Vec<std::ffi::OsString> = std::env::args_os().collect();
    let name = args.first().map(Path::new).and_then(Path::file_name).unwrap_or_default();
    let personality = if name == "ipfs" { Personality::Ipfs } else { Personality::Merkury };
    log::start();
    let code = cli::run(args, personality, &host::Program::default());
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
