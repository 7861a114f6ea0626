//! `--ignore` and `--ignore-rules-path`: names that are left out of what is added.
//!
//! The rules look like those of `.gitignore`, and mean what they mean to Kubo, because they decide which CID comes out:
//! a rule is held against the name of each file and directory below the arguments, not against its path. So `*.log`,
//! `build` and `/build` work everywhere, `!keep.log` takes a name back in, and a rule with a slash inside or at its end
//! finds nothing. `?` stands for itself. What is left out of a directory is left out with everything in it.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use merkury_api::{ApiError, NameFilter};
use regex::Regex;

use super::io_error;

/// Largest file of rules in bytes.
const RULES_BYTES_MAX: u64 = 1024 * 1024;
/// Most bytes a rule takes when it is compiled.
const COMPILED_BYTES_MAX: usize = 1024 * 1024;

struct Rule {
    pattern: Regex,
    /// Takes names back in.
    keeps: bool,
}

/// The filter for the rules of a file, if one is named, and for single rules; `None` when there are no rules.
pub fn name_filter(file: Option<&Path>, rules: &[String]) -> Result<Option<NameFilter>, ApiError> {
    let mut compiled = Vec::new();
    if let Some(path) = file {
        let bytes = read_rules(path)?;
        for line in String::from_utf8_lossy(&bytes).split('\n') {
            compiled.extend(compile(line)?);
        }
    }
    for line in rules {
        compiled.extend(compile(line)?);
    }
    if compiled.is_empty() {
        return Ok(None);
    }
    Ok(Some(Arc::new(move |name: &OsStr| leaves_out(&compiled, &name.to_string_lossy()))))
}

fn read_rules(path: &Path) -> Result<Vec<u8>, ApiError> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(RULES_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| io_error("open", path, &error))?;
    if bytes.len() as u64 > RULES_BYTES_MAX {
        return Err(ApiError::invalid(format!("{} is larger than {RULES_BYTES_MAX} bytes", path.display())));
    }
    Ok(bytes)
}

/// The last rule that speaks of a name decides.
fn leaves_out(rules: &[Rule], name: &str) -> bool {
    rules.iter().fold(false, |out, rule| if rule.pattern.is_match(name) { !rule.keeps } else { out })
}

/// A rule; `None` for comments and empty lines.
fn compile(line: &str) -> Result<Option<Rule>, ApiError> {
    let line = line.trim_end_matches('\r');
    if line.starts_with('#') {
        return Ok(None);
    }
    let line = line.trim_matches(' ');
    if line.is_empty() {
        return Ok(None);
    }
    let (line, keeps) = match line.strip_prefix('!') {
        Some(rest) => (rest, true),
        None => (line, false),
    };
    let line = line.strip_prefix(['#', '!']).unwrap_or(line);
    let pattern = regex::RegexBuilder::new(&expression(line)).size_limit(COMPILED_BYTES_MAX).build();
    let pattern = pattern.map_err(|_| ApiError::invalid(format!("the rule {line:?} is not understood")))?;
    Ok(Some(Rule { pattern, keeps }))
}

/// The rule as a regular expression over a path.
fn expression(line: &str) -> String {
    let mut line = line.replace('.', r"\.");
    if line.starts_with("/**/") {
        line.remove(0);
    }
    // A star that is already an expression is written as a mark until the plain ones are done.
    const MARK: &str = "\u{1}";
    let line = line
        .replace("/**/", "(/|/.+/)")
        .replace("**/", &format!("(|.{MARK}/)"))
        .replace("/**", &format!("(|/.{MARK})"))
        .replace(r"\*", &format!(r"\{MARK}"))
        .replace('*', "([^/]*)")
        .replace('?', r"\?")
        .replace(MARK, "*");
    let tail = if line.ends_with('/') { "(|.*)$" } else { "(|/.*)$" };
    match line.strip_prefix('/') {
        Some(rest) => format!("^(|/){rest}{tail}"),
        None => format!("^(|.*/){line}{tail}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_out(rules: &[&str], name: &str) -> bool {
        let rules: Vec<String> = rules.iter().map(|rule| (*rule).to_owned()).collect();
        name_filter(None, &rules).expect("rules").is_some_and(|filter| filter(OsStr::new(name)))
    }

    #[test]
    fn rules_mean_what_they_mean_to_kubo() {
        for (rules, name, wanted) in [
            (&["*.log"][..], "a.log", true),
            (&["*.log"], "a.logs", false),
            (&["*.log", "!keep.log"], "keep.log", false),
            (&["!keep.log", "*.log"], "keep.log", true),
            (&["build"], "build", true),
            (&["build"], "build2", false),
            (&["/build"], "build", true),
            (&["build/"], "build", false),
            (&["a/b"], "b", false),
            (&["**/b"], "b", true),
            (&["b/**"], "b", true),
            (&["[ab].txt"], "b.txt", true),
            (&["a?c"], "abc", false),
            (&["a?c"], "a?c", true),
            (&["# a"], "# a", false),
            (&[r"\*a"], "*a", true),
            (&[""], "", false),
        ] {
            assert_eq!(left_out(rules, name), wanted, "{rules:?} {name}");
        }
    }

    #[test]
    fn a_rule_that_is_no_pattern_is_an_error() {
        assert!(name_filter(None, &["a(".into()]).is_err());
        assert!(name_filter(Some(Path::new("/nonexistent/rules")), &[]).is_err());
    }
}
