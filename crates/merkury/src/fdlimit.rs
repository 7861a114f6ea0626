//! How many files and sockets the daemon may have open: each connection takes one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// As many as Kubo asks for. The environment variable `IPFS_FD_MAX` says another number.
const WANTED: u64 = 8192;

/// Raises the limit as far as the system allows; what was allowed more already stays.
pub(crate) fn raise() {
    let named = std::env::var("IPFS_FD_MAX").ok().and_then(|number| number.parse().ok());
    let limit = getrlimit(Resource::Nofile);
    let (Some(now), wanted) = (limit.current, named.unwrap_or(WANTED)) else { return };
    let reachable = limit.maximum.map_or(wanted, |most| wanted.min(most));
    if reachable <= now {
        return;
    }
    let raised = Rlimit { current: Some(reachable), maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => tracing::info!(from = now, to = reachable, "more files and sockets may be open"),
        Err(error) => tracing::warn!(%error, now, wanted, "the limit of open files could not be raised"),
    }
}
