//! A network namespace with nothing but loopback in it.
//!
//! Suites and measurements start the tool once more inside one, so that every public host is unreachable, nothing
//! leaves the machine, and (through a process namespace of its own) everything that was started ends with the tool.

use crate::Res;
use crate::exec::Exec;
use crate::say;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

const MARK: &str = "MERKURY_INSIDE";

/// Runs `work` inside such a namespace.
///
/// The first call becomes this program with the same arguments, started inside; the second call, there, does the work. Where the system allows no namespaces it says so and works outside.
pub(crate) fn run(work: impl FnOnce() -> Res<()>) -> Res<()> {
    if std::env::var_os(MARK).is_some() {
        Exec::new("ip").args(["link", "set", "lo", "up"]).run()?;
        return work();
    }
    let Some(flags) = usable_flags() else {
        say::line(
            "no network namespace can be made here: running on the machine's own loopback, public hosts may be reachable",
        );
        return work();
    };
    let program = std::env::current_exe().map_err(|e| format!("cannot find this program: {e}"))?;
    // Replaces this process: whoever ends the tool ends the namespace, and with it everything inside.
    let failure = Command::new("unshare")
        .args(flags)
        .arg("--")
        .arg(program)
        .args(std::env::args_os().skip(1))
        .env(MARK, "1")
        .stdin(Stdio::null())
        .exec();
    Err(format!("cannot start unshare: {failure}"))
}

fn usable_flags() -> Option<Vec<&'static str>> {
    let common = ["--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let as_root: Vec<&str> = common.to_vec();
    let as_user: Vec<&str> = ["--user", "--map-root-user"].into_iter().chain(common).collect();
    [as_root, as_user]
        .into_iter()
        .find(|flags| Exec::new("unshare").args(flags).args(["--", "ip", "link", "set", "lo", "up"]).run().is_ok())
}
