//! Rules about the project's files that no compiler checks; each finding names its file and line.
//!
//! Parts: `arrows` (who may depend on whom), `source` (what Rust files may not hold), `files` (what may lie where,
//! forgotten files, words that belong to a workplace and not to the project).

mod arrows;
mod files;
mod source;

use crate::exec::Exec;
use crate::{Res, paths, say};
use std::fs;
use std::path::Path;

/// One file of the project.
pub(crate) struct File {
    /// Its path from the project's root.
    pub(crate) path: String,
    /// Its text; files that are not text are not looked at.
    pub(crate) text: String,
}

/// What breaks a rule, and where.
#[derive(Debug)]
pub(crate) struct Finding {
    place: String,
    reason: String,
}

impl Finding {
    fn new(file: &File, line: usize, reason: impl Into<String>) -> Self {
        Self { place: format!("{}:{line}", file.path), reason: reason.into() }
    }

    fn whole(path: &str, reason: impl Into<String>) -> Self {
        Self { place: path.to_owned(), reason: reason.into() }
    }
}

/// Checks every rule on every file that git knows or would add.
pub(crate) fn run() -> Res<()> {
    let files = project_files(&paths::root())?;
    let mut findings = arrows::check(&files);
    findings.extend(source::check(&files));
    findings.extend(files::check(&files));
    for finding in &findings {
        say::line(format!("{}: {}", finding.place, finding.reason));
    }
    say::line(format!("tidy: {} files, {} findings", files.len(), findings.len()));
    if findings.is_empty() { Ok(()) } else { Err(format!("tidy has {} findings", findings.len())) }
}

fn project_files(root: &Path) -> Res<Vec<File>> {
    let listed =
        Exec::new("git").args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"]).dir(root).run()?;
    let mut files = Vec::new();
    for name in listed.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let path = String::from_utf8_lossy(name).into_owned();
        // A file that was removed but not yet committed is still listed; one that is not text has no lines.
        if let Ok(text) = fs::read_to_string(root.join(&path)) {
            files.push(File { path, text });
        }
    }
    if files.is_empty() {
        return Err("git lists no files: is this a clone?".to_owned());
    }
    Ok(files)
}
