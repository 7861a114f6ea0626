//! `test` and `ready`: what must be green, in the order in which it fails soonest.

use crate::exec::Exec;
use crate::{Res, paths, say, tidy};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// All tests that need no other program.
pub(crate) fn test(args: &[String]) -> Res<()> {
    if let Some(unknown) = args.first() {
        return Err(format!(
            "`cargo xtask test` takes no arguments, and {unknown:?} is one; for one crate: cargo test -p CRATE"
        ));
    }
    let rules = say::step("tidy", tidy::run);
    let crates = say::step("tests of all crates", run_tests);
    rules.and(crates)
}

/// Everything that is asked of a change before it is done.
pub(crate) fn ready() -> Res<()> {
    say::step("format", || cargo(&["fmt", "--all", "--check"]))?;
    say::step("clippy", || {
        cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"])
    })?;
    test(&[])?;
    say::line("ready");
    Ok(())
}

fn cargo(args: &[&str]) -> Res<()> {
    Exec::new(cargo_bin()).args(args).dir(paths::root()).pass_through()
}

fn cargo_bin() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// Runs `cargo test` over the workspace (unit, integration and doc tests), shows its output and sums its counts.
fn run_tests() -> Res<()> {
    let mut child = Command::new(cargo_bin())
        .args(["test", "--workspace", "--locked", "--no-fail-fast", "--quiet"])
        .current_dir(paths::root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|e| format!("cannot start cargo: {e}"))?;
    let stdout = child.stdout.take().ok_or("cargo has no standard output")?;
    let mut total = Counts::default();
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        match Counts::of(&line) {
            Some(counts) => total.add(counts),
            None if is_noise(&line) => {}
            None => say::line(&line),
        }
    }
    let status = child.wait().map_err(|e| format!("cannot wait for cargo: {e}"))?;
    say::line(format!("tests: {} passed, {} failed, {} ignored", total.passed, total.failed, total.ignored));
    if !status.success() {
        return Err(format!("cargo test ended with {status}"));
    }
    if total.passed == 0 {
        return Err("cargo test ran no test at all".to_owned());
    }
    Ok(())
}

/// Dots of progress, and the headings between them.
fn is_noise(line: &str) -> bool {
    let text = line.trim();
    let progress = text.split_once(" ").map_or(text, |(dots, _)| dots);
    text.is_empty() || text.starts_with("running ") || progress.chars().all(|c| c == '.' || c == 'i')
}

/// The numbers of one `test result:` line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Counts {
    fn of(line: &str) -> Option<Self> {
        let rest = line.strip_prefix("test result: ")?;
        let mut counts = Self::default();
        for part in rest.split(['.', ';']) {
            match part.trim().split_once(' ') {
                Some((n, "passed")) => counts.passed = n.parse().ok()?,
                Some((n, "failed")) => counts.failed = n.parse().ok()?,
                Some((n, "ignored")) => counts.ignored = n.parse().ok()?,
                _ => {}
            }
        }
        Some(counts)
    }

    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn a_result_line_is_counted() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.10s";
        assert_eq!(Counts::of(line), Some(Counts { passed: 12, failed: 3, ignored: 1 }));
        assert_eq!(Counts::of("running 3 tests"), None);
    }
}
