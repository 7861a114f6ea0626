//! What Rust files may not hold.

use super::{File, Finding};

/// A text that may not stand in code, where that holds, and why.
struct Rule {
    needle: &'static str,
    holds: fn(&Place<'_>) -> bool,
    reason: &'static str,
}

/// Where a line stands.
struct Place<'a> {
    path: &'a str,
    in_test: bool,
}

impl Place<'_> {
    fn in_crate(&self, name: &str) -> bool {
        self.path.strip_prefix("crates/").and_then(|rest| rest.split('/').next()) == Some(name)
    }

    fn prints(&self) -> bool {
        self.in_crate("merkury") || self.path == "xtask/src/say.rs" || self.path.contains("/examples/") || self.in_test
    }
}

const RULES: &[Rule] = &[
    Rule { needle: "println!(", holds: |at| !at.prints(), reason: "only the program prints; libraries return" },
    Rule { needle: "eprintln!(", holds: |at| !at.prints(), reason: "only the program prints; libraries return" },
    Rule { needle: "print!(", holds: |at| !at.prints(), reason: "only the program prints; libraries return" },
    Rule { needle: "dbg!(", holds: |_| true, reason: "left over from a search for a fault" },
    Rule {
        needle: ".unwrap()",
        holds: |at| !at.in_test,
        reason: "handle the error, or `expect` with the reason why our own invariant holds",
    },
    Rule {
        needle: "thread::sleep(",
        holds: |at| at.in_test,
        reason: "tests wait for a state with a deadline, never for a time",
    },
    Rule {
        needle: "Instant::now(",
        holds: |at| at.in_crate("bitswap") || at.in_crate("core"),
        reason: "time comes in as an argument here: the simulation owns the clock",
    },
    Rule {
        needle: "SystemTime::now(",
        holds: |at| at.in_crate("bitswap") || at.in_crate("core"),
        reason: "time comes in as an argument here: the simulation owns the clock",
    },
    Rule {
        needle: "#[ignore",
        // `cargo xtask peers hostile` runs this one, with the inputs it has made.
        holds: |at| at.path != "crates/net/src/hostile_tests.rs",
        reason: "a test that never runs proves nothing",
    },
    Rule { needle: "todo!(", holds: |_| true, reason: "unfinished" },
    Rule { needle: "unimplemented!(", holds: |_| true, reason: "unfinished" },
    Rule { needle: "unbounded_channel(", holds: |at| !at.in_test, reason: "every queue has a bound" },
    Rule { needle: "mpsc::unbounded(", holds: |at| !at.in_test, reason: "every queue has a bound" },
];

pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".rs")) {
        // The rules above name what they forbid.
        if file.path != "xtask/src/tidy/source.rs" {
            check_lines(file, &mut findings);
        }
        if !file.text.starts_with("//!") {
            findings.push(Finding::new(file, 1, "a file begins with what it is for (`//! …`)"));
        }
        let (blocks, reasons) = (count_unsafe(&file.text), file.text.matches("SAFETY:").count());
        if blocks > reasons {
            findings.push(Finding::whole(&file.path, format!("{blocks} unsafe blocks, {reasons} safety arguments")));
        }
    }
    findings
}

fn check_lines(file: &File, findings: &mut Vec<Finding>) {
    let path = &file.path;
    let is_named_so = path.contains("/tests/") || path.ends_with("/tests.rs") || path.ends_with("_tests.rs");
    // `testkit` is for tests alone; its suites end by panicking.
    let test_file = is_named_so || path.starts_with("crates/testkit/");
    let mut in_test = test_file;
    for (at, line) in file.text.lines().enumerate() {
        // Unit tests stand at the end of their file.
        in_test |= line.trim_start().starts_with("#[cfg(test)]");
        let code = code_of(line);
        let place = Place { path: &file.path, in_test };
        for rule in RULES.iter().filter(|rule| (rule.holds)(&place)) {
            if holds_word(code, rule.needle) {
                findings.push(Finding::new(file, at + 1, format!("`{}`: {}", rule.needle, rule.reason)));
            }
        }
    }
}

/// The line without its comment (a `//` inside a text literal ends it too early, which hides nothing we look for).
fn code_of(line: &str) -> &str {
    if line.trim_start().starts_with("//") { "" } else { line.split(" //").next().unwrap_or("") }
}

/// True when `needle` stands in `code` not as the end of a longer name.
fn holds_word(code: &str, needle: &str) -> bool {
    let starts_with_name = needle.starts_with(|c: char| c.is_alphanumeric());
    code.match_indices(needle).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !(starts_with_name && before.is_some_and(|c| c.is_alphanumeric() || c == '_'))
    })
}

fn count_unsafe(text: &str) -> usize {
    text.lines().filter(|line| code_of(line).contains("unsafe {")).count()
}

#[cfg(test)]
mod tests {
    use super::{File, check};

    fn found(path: &str, text: &str) -> Vec<String> {
        let file = File { path: path.to_owned(), text: text.to_owned() };
        check(&[file]).into_iter().map(|finding| format!("{} {}", finding.place, finding.reason)).collect()
    }

    #[test]
    fn a_forbidden_call_is_found_where_it_is_forbidden() {
        let text = "//! x\nfn f() { println!(\"a\"); }\n";
        assert_eq!(found("crates/store/src/a.rs", text).len(), 1);
        assert_eq!(found("crates/merkury/src/a.rs", text).len(), 0);
        assert_eq!(found("crates/store/src/a.rs", "//! x\n// println!(\n").len(), 0);
        assert_eq!(found("crates/bitswap/src/a.rs", "//! x\nlet t = Instant::now();\n").len(), 1);
        assert_eq!(found("crates/net/src/a.rs", "//! x\nlet t = Instant::now();\n").len(), 0);
    }

    #[test]
    fn tests_may_unwrap_and_may_not_sleep() {
        let text = "//! x\n#[cfg(test)]\nmod tests { fn f() { a.unwrap(); std::thread::sleep(d); } }\n";
        let findings = found("crates/store/src/a.rs", text);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].contains("sleep"));
    }

    #[test]
    fn a_file_without_its_purpose_is_found() {
        assert_eq!(found("crates/store/src/a.rs", "fn f() {}\n").len(), 1);
    }
}
