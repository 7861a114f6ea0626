//! `cargo xtask fuzz`: the fuzz targets of the crates, which are plain tests, for longer than a test run takes.

use crate::exec::Exec;
use crate::{Res, say};
use std::time::Duration;

/// Each target: its crate, the test, what it decodes.
const TARGETS: &[(&str, &str, &str)] = &[
    ("core", "fuzz::cid", "binary CIDs"),
    ("core", "fuzz::cid_text", "CIDs as text"),
    ("core", "fuzz::multihash_and_peer_id", "multihashes and peer ids"),
    ("core", "fuzz::keys", "keys"),
    ("core", "fuzz::paths", "content paths, URIs and gateway URLs"),
    ("core", "fuzz::dag_pb_and_unixfs", "dag-pb, UnixFS and HAMT nodes"),
    ("core", "fuzz::dag_cbor", "DAG-CBOR"),
    ("core", "fuzz::dag_json", "DAG-JSON"),
    ("core", "fuzz::dag_jose_and_git", "DAG-JOSE and git objects"),
    ("core", "fuzz::car", "archives of blocks"),
    ("unixfs", "fuzz::nodes", "directories, shards and files in use"),
    ("unixfs", "fuzz::archives", "tar"),
    ("unixfs", "fuzz::texts", "paths of the mutable file system, chunkers"),
    ("bitswap", "fuzz::messages", "messages of peers"),
    ("commands", "fuzz::forms", "multipart bodies"),
    ("commands", "fuzz::lines_and_queries", "command lines and queries"),
    ("store", "fuzz::the_log_of_pins_and_roots", "the metadata log"),
    ("store", "fuzz::segments_and_index", "segments and index"),
    ("node", "config::tests::broken_files_are_refused", "the configuration"),
];

/// Time beside the fuzzing itself: building the tests.
const BUILD_MAX: Duration = Duration::from_secs(3600);

/// Runs the targets that are named, or all.
pub(crate) fn command(args: &[String]) -> Res<()> {
    let (mut secs, mut seed, mut save, mut names) = (60_u64, None, false, Vec::new());
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut number = || {
            let value = args.next().ok_or(format!("{arg} needs a number"))?;
            value.parse::<u64>().map_err(|_| format!("{arg} needs a number, not {value:?}"))
        };
        match arg.as_str() {
            "--secs" => secs = number()?,
            "--seed" => seed = Some(number()?),
            "--save" => save = true,
            "--list" => {
                TARGETS.iter().for_each(|(of, test, what)| say::line(format!("{of:9} {test:42} {what}")));
                return Ok(());
            }
            name if TARGETS.iter().any(|(of, test, _)| *of == name || test.ends_with(name)) => names.push(name),
            other => return Err(format!("{other:?} is no target; `cargo xtask fuzz --list` names them")),
        }
    }
    let mut failed = Vec::new();
    for (of, test, _) in TARGETS {
        if !names.is_empty() && !names.iter().any(|name| of == name || test.ends_with(name)) {
            continue;
        }
        if let Err(reason) = run(of, test, secs, seed, save) {
            say::line(reason);
            failed.push(*test);
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("these targets fail: {}", failed.join(", "))) }
}

fn run(of: &str, test: &str, secs: u64, seed: Option<u64>, save: bool) -> Res<()> {
    // The configuration is looked at by a test inside its crate; the others are in the integration binary.
    let place = if test.starts_with("fuzz::") { ["--test", "it"] } else { ["--lib", "--quiet"] };
    let mut exec = Exec::new("cargo")
        .args(["test", "--quiet", "-p", &format!("merkury-{of}")])
        .args(place)
        .args(["--", "--exact", "--nocapture", test])
        .env("MERKURY_FUZZ_SECS", secs.to_string())
        .deadline(BUILD_MAX + Duration::from_secs(secs));
    if let Some(seed) = seed {
        exec = exec.env("MERKURY_FUZZ_SEED", seed.to_string());
    }
    if save {
        exec = exec.env("MERKURY_FUZZ_SAVE", "1");
    }
    let done = exec.finish()?;
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    if !done.status.success() {
        let end: Vec<&str> = said.lines().rev().take(20).collect();
        return Err(format!("{of} {test}: {}", end.into_iter().rev().collect::<Vec<_>>().join("\n")));
    }
    let told = said.lines().filter(|line| line.contains("shapes of answers"));
    told.for_each(|line| say::line(format!("{of:9} {line}")));
    Ok(())
}
