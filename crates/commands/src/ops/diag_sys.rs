//! `diag sys`: facts about this machine.

use serde_json::{Value as Json, json};

use super::prelude::*;
use crate::json;
use crate::version::{COMMIT, KUBO_VERSION, VersionInfo};

/// `diag sys`.
pub struct DiagSys;

impl Op for DiagSys {
    const SPEC: &'static Spec = &Spec {
        path: "diag/sys",
        about: "Print facts about this machine.",
        help: "System, processors, memory, disk and network addresses, for reports of faults. It holds no secrets.",
        examples: &["ipfs diag sys"],
        tier: Tier::Common,
        ..Spec::READ
    };
    type Item = Json;
    type Text = ();

    fn run(cx: Cx, _: Request) -> Running<Json> {
        Box::pin(async move {
            let online = cx.node()?.is_online();
            let facts = json!({
                "diskinfo": disk(cx.repo()),
                "environment": {"GOPATH": "", "IPFS_PATH": cx.repo().display().to_string()},
                "ipfs_commit": COMMIT,
                "ipfs_version": KUBO_VERSION,
                "memory": memory(),
                "net": {"interface_addresses": addresses(), "online": online},
                "runtime": runtime(),
            });
            Ok(Reply::One(facts))
        })
    }

    fn text(item: Json, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        Ok(out.raw(&json::line(&item)?)?)
    }
}

fn runtime() -> Json {
    let version = VersionInfo::current();
    let (arch, os) = version.system.split_once('/').unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    json!({
        "arch": arch,
        "compiler": version.golang,
        "gomaxprocs": processors,
        "numcpu": processors,
        "numgoroutines": threads(),
        "os": os,
        "version": format!("merkury {}", crate::version::MERKURY_VERSION),
    })
}

/// Threads of this process: where Kubo counts its goroutines.
fn threads() -> u64 {
    std::fs::read_dir("/proc/self/task").map_or(0, |tasks| tasks.count() as u64)
}

fn disk(path: &std::path::Path) -> Json {
    // A repository that is being made may not be there yet.
    let at = if path.exists() { path } else { std::path::Path::new("/") };
    match rustix::fs::statvfs(at) {
        Ok(stat) => json!({
            "free_space": stat.f_bavail.saturating_mul(stat.f_frsize),
            "fstype": kind_of(at),
            "total_space": stat.f_blocks.saturating_mul(stat.f_frsize),
        }),
        Err(error) => json!({"error": error.to_string()}),
    }
}

/// The kind of the file system, as the number Linux gives it.
fn kind_of(path: &std::path::Path) -> String {
    rustix::fs::statfs(path).map_or_else(|error| error.to_string(), |stat| stat.f_type.to_string())
}

/// Bytes in use, as Linux tells them; elsewhere nothing is known.
fn memory() -> Json {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let bytes = |name: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        let digits: String = line.chars().filter(char::is_ascii_digit).collect();
        digits.parse::<u64>().unwrap_or(0).saturating_mul(1024)
    };
    json!({
        "swap": bytes("SwapTotal:").saturating_sub(bytes("SwapFree:")),
        "virt": bytes("MemTotal:").saturating_sub(bytes("MemAvailable:")),
    })
}

/// Addresses of the network interfaces, as multiaddrs.
fn addresses() -> Vec<String> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let text = |interface: &if_addrs::Interface| match interface.ip() {
        std::net::IpAddr::V4(ip) => format!("/ip4/{ip}"),
        std::net::IpAddr::V6(ip) => format!("/ip6/{ip}"),
    };
    interfaces.iter().map(text).collect()
}
