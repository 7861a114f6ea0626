//! The arrows between crates, read from the manifests.

use super::{File, Finding};

/// Which crates of ours each crate may use. `testkit` may be used by any for its tests, and by none otherwise.
const ALLOWED: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("api", &["core"]),
    ("store", &["core"]),
    ("kubo", &["core"]),
    ("backends", &["core", "store"]),
    ("unixfs", &["core"]),
    ("bitswap", &["core"]),
    ("http", &[]),
    ("net", &["core", "bitswap"]),
    ("node", &["core", "api", "store", "kubo", "backends", "unixfs", "bitswap", "net"]),
    ("commands", &["core", "api", "http"]),
    ("gateway", &["core", "api", "http"]),
    ("testkit", &["core"]),
    // `unixfs` for unpacking what `get` receives, also from a daemon elsewhere.
    ("merkury", &["core", "api", "http", "node", "commands", "gateway", "unixfs"]),
];

/// Crates that only these crates of ours may name.
const KEPT: &[(&str, &[&str])] = &[
    ("libp2p", &["net"]),
    ("hickory-resolver", &["net"]),
    ("redb", &["store"]),
    ("hyper", &["http", "commands", "kubo"]),
    ("object_store", &["backends"]),
    ("reqwest", &["backends"]),
    ("tokio", &["http", "kubo", "backends", "net", "node", "commands", "gateway", "testkit", "merkury"]),
];

pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        let Some(name) = file.path.strip_prefix("crates/").and_then(|rest| rest.strip_suffix("/Cargo.toml")) else {
            continue;
        };
        match ALLOWED.iter().find(|(of, _)| *of == name) {
            Some((_, allowed)) => check_manifest(file, name, allowed, &mut findings),
            None => findings.push(Finding::whole(&file.path, "this crate has no row in xtask/src/tidy/arrows.rs")),
        }
    }
    findings
}

fn check_manifest(file: &File, name: &str, allowed: &[&str], findings: &mut Vec<Finding>) {
    let mut section = "";
    for (at, line) in file.text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            section = line;
            continue;
        }
        if !section.ends_with("dependencies]") || line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        let dependency = key.trim().split('.').next().unwrap_or("").trim_matches('"');
        if !(key.trim().ends_with(".workspace") || value.contains("workspace = true")) {
            findings.push(Finding::new(
                file,
                at + 1,
                format!("{dependency}: versions stand in the root manifest only"),
            ));
        }
        let for_tests = section == "[dev-dependencies]";
        if let Some(ours) = dependency.strip_prefix("merkury-") {
            let fine = allowed.contains(&ours) || (for_tests && ours == "testkit") || (for_tests && name == "testkit");
            if !fine {
                findings.push(Finding::new(file, at + 1, format!("{name} may not know {ours}")));
            }
        }
        let kept = KEPT.iter().find(|(of, _)| *of == dependency);
        if kept.is_some_and(|(_, keepers)| !keepers.contains(&name) && !for_tests) {
            findings.push(Finding::new(file, at + 1, format!("{name} may not know {dependency}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{File, check};

    fn found(name: &str, manifest: &str) -> usize {
        check(&[File { path: format!("crates/{name}/Cargo.toml"), text: manifest.to_owned() }]).len()
    }

    #[test]
    fn an_arrow_against_the_layers_is_found() {
        assert_eq!(found("gateway", "[dependencies]\nmerkury-api.workspace = true\n"), 0);
        assert_eq!(found("gateway", "[dependencies]\nmerkury-node.workspace = true\n"), 1);
        assert_eq!(found("core", "[dependencies]\ntokio.workspace = true\n"), 1);
        assert_eq!(found("core", "[dev-dependencies]\nmerkury-testkit.workspace = true\n"), 0);
        assert_eq!(found("node", "[dependencies]\nlibp2p = \"1\"\n"), 2);
        assert_eq!(found("unheard-of", ""), 1);
    }
}
