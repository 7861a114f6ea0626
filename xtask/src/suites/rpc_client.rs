//! `kubo-rpc-client` through `ipfsd-ctl`: the clients people have, in `peers/node/rpc-client.mjs`.

use super::Context;
use crate::Res;
use crate::exec::Exec;
use crate::paths::Scratch;
use crate::peer::install;
use crate::say::Tally;

/// A run that breaks off early must not count as one that passed: as many checks stand in the program.
const CHECKS: u64 = 24;

pub(super) fn run(context: &Context, tally: &mut Tally) -> Res<()> {
    let home = Scratch::new("rpc-client")?;
    let program = install::node_dir()?.join("rpc-client.mjs");
    let finished = Exec::new(install::node_bin()?)
        .args([program.display().to_string(), context.merkury.bin.display().to_string()])
        .env("HOME", home.path().display().to_string())
        .env("TMPDIR", home.path().display().to_string())
        .env("IPFS_TELEMETRY", "off")
        .finish()?;
    let mut passed = 0;
    for line in finished.text().lines() {
        if line.starts_with("ok ") {
            passed += 1;
        } else if let Some(reason) = line.strip_prefix("not ok ") {
            tally.check("kubo-rpc-client", Err(reason.to_owned()));
            passed += 1;
        }
    }
    let failed = finished.text().lines().filter(|line| line.starts_with("not ok ")).count() as u64;
    tally.add(passed - failed, Vec::new());
    if passed == CHECKS {
        return Ok(());
    }
    Err(format!("{passed} of {CHECKS} checks ran{}", finished.said()))
}
