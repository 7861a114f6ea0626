//! The merkury program: a complete IPFS node, and Kubo's command line when it is called `ipfs`.
//!
//! Parts: `cli` (the terminal), `host` (what the program does for it), `daemon` (start, lines, stop), `surfaces` (what
//! the daemon serves), `listen` (addresses). This crate is the only place where the node and its surfaces meet.

mod cli;
mod daemon;
mod host;
mod listen;
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
    start_log();
    let code = cli::run(args, personality, &host::Program::default());
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// Logs go to standard error. Levels are Kubo's `GOLOG_LOG_LEVEL` or our `MERKURY_LOG`; errors alone by default.
fn start_log() {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let level = set("MERKURY_LOG").or_else(|| set("GOLOG_LOG_LEVEL"));
    let Some(level) = level else {
        return log_with("error".to_owned());
    };
    // Kubo's list may name subsystems of its own; its plain level is what we understand.
    let words = level.split(',').map(str::trim).filter(|word| !word.is_empty());
    let own: Vec<&str> = words.filter(|word| !word.contains('=') || word.starts_with("merkury")).collect();
    log_with(if own.is_empty() { "error".to_owned() } else { own.join(",") });
}

fn log_with(filter: String) {
    let filter = tracing_subscriber::EnvFilter::try_new(filter).unwrap_or_else(|_| "error".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
