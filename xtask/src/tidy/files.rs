//! Forgotten files, and words that belong to a workplace and not to the project.

use super::{File, Finding};
use std::collections::HashSet;

/// Written in pieces, so that this file does not hold them itself. Each is a place that only one machine knows.
const FOREIGN: &[(&str, &str)] = &[
    ("/wo", "rk/"),
    ("/ro", "ot/"),
    ("registry.npmjs", ".org"),
    ("proxy.golang", ".org"),
    ("static.crates", ".io"),
    ("index.crates", ".io"),
];

pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let known: HashSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    for file in files {
        foreign_words(file, &mut findings);
        if file.path.ends_with(".rs") {
            forgotten(file, files, &known, &mut findings);
        }
    }
    findings
}

fn foreign_words(file: &File, findings: &mut Vec<Finding>) {
    for (at, line) in file.text.lines().enumerate() {
        for (head, tail) in FOREIGN {
            // A longer path may well have such a folder in it; only the absolute one is foreign.
            let word = format!("{head}{tail}");
            let absolute = |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "./}-_*".contains(c));
            if line.match_indices(&word).any(|(at, _)| !word.starts_with('/') || absolute(at)) {
                findings.push(Finding::new(file, at + 1, format!("{word} names a place outside the project")));
            }
        }
    }
}

/// A Rust file that no `mod` names is never compiled, and a test in it never runs.
fn forgotten(file: &File, files: &[File], known: &HashSet<&str>, findings: &mut Vec<Finding>) {
    let Some((dir, name)) = file.path.rsplit_once('/') else { return };
    let stem = name.trim_end_matches(".rs");
    if matches!(stem, "main" | "lib" | "build") || dir.ends_with("/examples") || dir.ends_with("/benches") {
        return;
    }
    if dir.ends_with("/tests") {
        findings.push(Finding::whole(&file.path, "a crate has one integration test program: tests/it/main.rs"));
        return;
    }
    // `a/mod.rs` is named by what owns folder `a`; every other file by what owns the folder it is in.
    let (folder, stem) = if stem == "mod" { dir.rsplit_once('/').unwrap_or(("", dir)) } else { (dir, stem) };
    let owners = ["main.rs", "lib.rs", "mod.rs"].map(|owner| format!("{folder}/{owner}"));
    let named_by = owners.into_iter().chain([format!("{folder}.rs")]).filter(|owner| known.contains(owner.as_str()));
    let texts: Vec<&str> =
        named_by.filter_map(|owner| files.iter().find(|f| f.path == owner)).map(|f| f.text.as_str()).collect();
    let declared = texts.iter().flat_map(|text| text.lines()).any(|line| declares(line, stem));
    if !declared {
        findings.push(Finding::whole(&file.path, format!("no `mod {stem};` names this file, so it is never compiled")));
    }
}

fn declares(line: &str, stem: &str) -> bool {
    let line = line.trim();
    if line.starts_with("//") {
        return false;
    }
    let ends = format!("mod {stem};");
    line.ends_with(&ends) && (line == ends || line[..line.len() - ends.len()].ends_with(' '))
}

#[cfg(test)]
mod tests {
    use super::{File, check};

    fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_forgotten_file_is_found() {
        let main = file("crates/store/tests/it/main.rs", "mod named;\n");
        let named = file("crates/store/tests/it/named.rs", "");
        let forgotten = file("crates/store/tests/it/forgotten.rs", "");
        assert_eq!(check(&[main, named, forgotten]).len(), 1);
        let lib = file("crates/store/src/lib.rs", "pub mod deep;\n");
        let deep = file("crates/store/src/deep/mod.rs", "pub(crate) mod inner;\n");
        let inner = file("crates/store/src/deep/inner.rs", "");
        assert_eq!(check(&[lib, deep, inner]).len(), 0);
    }

    #[test]
    fn a_place_of_one_machine_is_found() {
        let foreign = ["/wo", "rk/main"].concat();
        assert_eq!(check(&[file("README.md", &format!("see {foreign}"))]).len(), 1);
        assert_eq!(check(&[file("README.md", &format!("see target{foreign}"))]).len(), 0);
    }
}
