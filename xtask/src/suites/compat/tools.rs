//! The two scripts beside the project: where they are, how they are run, what they leave behind.

use super::table::Table;
use crate::exec::Exec;
use crate::paths::Scratch;
use crate::{Res, paths, peer, say};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A whole suite takes a quarter of an hour on two cores; the scripts have bounds of their own.
const DEADLINE: Duration = Duration::from_secs(2 * 60 * 60);

fn folder() -> Res<PathBuf> {
    paths::shared("tools/compat").ok_or_else(|| {
        let wanted = paths::root().join("../shared/tools/compat");
        format!("{} is not there: Kubo's own suites are run by the scripts in it", wanted.display())
    })
}

/// Where the scripts keep what they fetched and built.
fn cache() -> Res<PathBuf> {
    if let Some(dir) = std::env::var_os("COMPAT_CACHE").filter(|dir| !dir.is_empty()) {
        return Ok(PathBuf::from(dir));
    }
    let home = std::env::var_os("HOME").ok_or("neither COMPAT_CACHE nor HOME says where to keep Kubo's suites")?;
    Ok(PathBuf::from(home).join(".cache/merkury-compat"))
}

fn script(name: &str) -> Res<Exec> {
    let cache = cache()?;
    Ok(Exec::new(folder()?.join(name)).env("COMPAT_CACHE", cache.display().to_string()).deadline(DEADLINE))
}

/// Fetches and builds both suites, once. They are run inside a namespace without a network, so it is done before.
pub(crate) fn install() -> Res<()> {
    // A program that does nothing: the one script and the one test that are asked for fail, and that is no matter.
    let nothing = "/bin/true";
    for (name, what) in [("kubo_sharness.sh", &["t0022"][..]), ("kubo_testcli.sh", &["-run", "TestCurDirIsWritable"])] {
        let done = script(name)?.arg(nothing).args(what).finish()?;
        if done.status.code() == Some(2) || done.timed_out {
            return Err(format!("{name} could not prepare its suite{}", done.said()));
        }
        say::line(format!("  {name}: ready in {}", cache()?.display()));
    }
    Ok(())
}

/// Runs shell scripts whose names start so; none means all.
pub(super) fn sharness(scripts: &[&str]) -> Res<Table> {
    let scratch = Scratch::new("sharness")?;
    let list = scratch.join("short.txt");
    let done = script("kubo_sharness.sh")?
        .arg(peer::merkury_bin()?.display().to_string())
        .args(scripts)
        .env("SHARNESS_LIST", list.display().to_string())
        .finish()?;
    let said = done.text();
    let last = said.lines().last().unwrap_or_default();
    if !last.starts_with("kubo sharness: ") || done.timed_out {
        return Err(format!("the scripts did not run: {last}{}", done.said()));
    }
    sharness_table(scripts, &list)
}

/// The table of a run of these scripts, from the list it wrote of those that fall short.
pub(super) fn sharness_table(scripts: &[&str], list: &Path) -> Res<Table> {
    let mut table = Table::default();
    let baseline = read("baseline/kubo_sharness.txt")?;
    let wanted = |name: &str| scripts.is_empty() || scripts.iter().any(|start| name.starts_with(start));
    for row in baseline.lines() {
        let mut words = row.split_whitespace();
        let (Some(name), Some(of)) = (words.next(), words.next().and_then(|of| of.parse().ok())) else { continue };
        if of > 0 && wanted(name) {
            table.expect(name, of);
        }
    }
    let short = String::from_utf8_lossy(&paths::read(list)?).into_owned();
    let mut lines = short.lines().peekable();
    while let Some(line) = lines.next() {
        let words: Vec<&str> = line.split(' ').collect();
        let (Some(name), Some(passes)) = (words.first(), words.get(2).and_then(|passes| passes.parse().ok())) else {
            continue;
        };
        let mut fails = Vec::new();
        while let Some(what) = lines.next_if(|line| line.starts_with("    ")) {
            fails.push(what.trim().to_owned());
        }
        if line.ends_with("did not finish") {
            fails.push("did not finish".to_owned());
        }
        let of = table.row(name).map_or(0, |row| row.of);
        match of.saturating_sub(passes + fails.len() as u64) {
            0 => {}
            rest => fails.push(format!("{rest} assertions are not reached or skipped")),
        }
        table.fall(name, passes, fails);
    }
    Ok(table)
}

/// Runs Go tests whose names match.
pub(super) fn testcli(pattern: &str) -> Res<Table> {
    let scratch = Scratch::new("testcli")?;
    let list = scratch.join("missing.txt");
    let done = script("kubo_testcli.sh")?
        .arg(peer::merkury_bin()?.display().to_string())
        .args(["-run", pattern])
        .env("TESTCLI_LIST", list.display().to_string())
        .finish()?;
    let said = done.text();
    let last = said.lines().last().unwrap_or_default();
    let wanted: Option<u64> = last.split(' ').nth(4).and_then(|number| number.parse().ok());
    if !last.starts_with("kubo test/cli: ") || done.timed_out {
        return Err(format!("the tests did not run: {last}{}", done.said()));
    }
    let table = testcli_table(pattern, &list)?;
    match wanted {
        Some(wanted) if wanted == table.sums().1 => Ok(table),
        _ => Err(format!("the script counted other tests than {}: {last}", table.sums().1)),
    }
}

/// The table of a run of these tests, from the list it wrote of those that are missing.
pub(super) fn testcli_table(pattern: &str, list: &Path) -> Res<Table> {
    let missing = String::from_utf8_lossy(&paths::read(list)?).into_owned();
    let missing: HashSet<&str> = missing.lines().collect();
    let baseline = read("baseline/kubo_testcli.txt")?;
    let mut table = Table::default();
    let names: Vec<&str> = tests_that_match(&baseline, pattern);
    names.iter().for_each(|name| table.expect(top(name), 1));
    names.iter().filter(|name| missing.contains(*name)).for_each(|name| table.fail(top(name), name));
    Ok(table)
}

fn read(name: &str) -> Res<String> {
    Ok(String::from_utf8_lossy(&paths::read(&folder()?.join(name))?).into_owned())
}

/// `cli:TestAdd` of `cli:TestAdd/with_a_flag`.
fn top(name: &str) -> &str {
    name.split('/').next().unwrap_or(name)
}

/// The patterns that are used are `^Test(A|B$|…)` and `.`: enough of an expression to be read here.
pub(super) fn test_matches(test: &str, pattern: &str) -> bool {
    let Some(wanted) = pattern.strip_prefix("^Test(").and_then(|rest| rest.strip_suffix(')')) else { return true };
    let name = top(test).split_once(":Test").map_or("", |(_, name)| name);
    wanted.split('|').any(|part| match part.strip_suffix('$') {
        Some(whole) => name == whole,
        None => name.starts_with(part),
    })
}

fn tests_that_match<'a>(baseline: &'a str, pattern: &str) -> Vec<&'a str> {
    baseline.lines().filter(|test| test_matches(test, pattern)).collect()
}

#[cfg(test)]
mod tests {
    use super::tests_that_match;

    #[test]
    fn names_are_chosen_as_go_chooses_them() {
        let baseline = "cli:TestAdd/a\ncli:TestAddFast\ncli:TestCid\nrpc:TestHttpApi/x/y\n";
        assert_eq!(tests_that_match(baseline, "^Test(Add$|Http)"), ["cli:TestAdd/a", "rpc:TestHttpApi/x/y"]);
        assert_eq!(tests_that_match(baseline, ".").len(), 4);
    }
}
