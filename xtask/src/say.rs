//! What the tool prints: lines, sections with their duration, and the count that closes a suite.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use crate::Res;
use std::time::{Duration, Instant};

/// One line for the person (or the log) that runs the tool.
pub(crate) fn line(text: impl AsRef<str>) {
    println!("{}", text.as_ref());
}

/// The reason why the tool ends without success.
pub(crate) fn error(reason: &str) {
    eprintln!("error: {reason}");
}

/// `12.3 s`, or milliseconds below one second.
pub(crate) fn seconds(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

/// Runs one step, and prints its name before and its duration after.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> Res<T>) -> Res<T> {
    line(format!("== {name}"));
    let start = Instant::now();
    let outcome = work();
    let verdict = if outcome.is_ok() { "done" } else { "FAILED" };
    line(format!("== {name}: {verdict} in {}", seconds(start.elapsed())));
    outcome
}

/// Counts the checks of one suite and prints those that fail.
pub(crate) struct Tally {
    suite: String,
    passed: u64,
    failures: Vec<String>,
    notes: Vec<String>,
    start: Instant,
}

impl Tally {
    pub(crate) fn new(suite: &str) -> Self {
        line(format!("== {suite}"));
        Self { suite: suite.to_owned(), passed: 0, failures: Vec::new(), notes: Vec::new(), start: Instant::now() }
    }

    /// Counts one check; a failure is printed at once, with its reason.
    pub(crate) fn check(&mut self, name: &str, outcome: Res<()>) -> bool {
        match outcome {
            Ok(()) => self.passed += 1,
            Err(reason) => {
                line(format!("FAIL {}: {name}: {reason}", self.suite));
                self.failures.push(name.to_owned());
                return false;
            }
        }
        true
    }

    /// Counts one check and says that it passed: for checks that take long enough to wonder.
    pub(crate) fn check_aloud(&mut self, name: &str, work: impl FnOnce() -> Res<()>) -> bool {
        let start = Instant::now();
        let good = self.check(name, work());
        if good {
            line(format!("  ok {name} ({})", seconds(start.elapsed())));
        }
        good
    }

    /// Prints what a reader of the counts wants to know beside them, and keeps it.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        line(format!("  {text}"));
        self.notes.push(text);
    }

    /// What was noted so far.
    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Adds what another program counted.
    pub(crate) fn add(&mut self, passed: u64, failed: Vec<String>) {
        self.passed += passed;
        self.failures.extend(failed);
    }

    /// The closing line `N passed, N failed`, and the numbers.
    pub(crate) fn close(self) -> (u64, u64) {
        let failed = self.failures.len() as u64;
        line(format!("{}: {} passed, {failed} failed in {}", self.suite, self.passed, seconds(self.start.elapsed())));
        (self.passed, failed)
    }
}
