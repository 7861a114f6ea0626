//! What peers send: a test of the network crate feeds these inputs to a host, each on connections of its own.

use super::Case;
use crate::Res;
use crate::exec::Exec;
use crate::paths;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

const SURFACES: &[&str] = &["bitswap", "yamux", "gossipsub", "kad", "identify", "multiaddr"];
/// The test has to be built first.
const DEADLINE: Duration = Duration::from_secs(3600);

/// The verdict on each input that a peer sends: `ok`, or why not.
pub(super) fn verdicts(inputs: &Path, cases: &[Case]) -> Res<BTreeMap<String, String>> {
    let lines: String = cases
        .iter()
        .filter(|case| SURFACES.iter().any(|surface| case.on(surface)))
        .map(|case| format!("{} {}\n", case.expect, case.file))
        .collect();
    paths::write(&inputs.join("net-inputs.txt"), &lines)?;
    Exec::new("cargo")
        .args(["test", "--quiet", "-p", "merkury-net", "--lib", "--", "--ignored", "--exact"])
        .arg("hostile_tests::inputs_of_the_corpus")
        .env("MERKURY_HOSTILE", inputs.display().to_string())
        .deadline(DEADLINE)
        .run()?;
    let told = paths::read(&inputs.join("net-verdicts.txt"))?;
    let told = String::from_utf8_lossy(&told);
    let verdicts = told.lines().filter_map(|line| line.split_once(' '));
    Ok(verdicts.map(|(file, verdict)| (file.to_owned(), verdict.to_owned())).collect())
}
