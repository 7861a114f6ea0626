//! Every command of the user guide runs, in order, in a fresh home, and prints what the guide says.

use crate::program::{Home, text};

const GUIDE: &str = include_str!("../../../../docs/guide/README.md");

/// A command and the lines the guide shows after it.
struct Step {
    command: String,
    shown: Vec<String>,
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut is_code = false;
    for line in page.lines() {
        if line.starts_with("```") {
            is_code = line == "```sh";
        } else if is_code {
            match line.strip_prefix("$ ") {
                Some(command) => steps.push(Step { command: command.to_owned(), shown: Vec::new() }),
                None => steps.last_mut().expect("a command first").shown.push(line.to_owned()),
            }
        }
    }
    steps
}

/// Whether `printed` is what `shown` says; `…` stands for anything, over line ends too.
fn is_shown(shown: &str, printed: &str) -> bool {
    let mut parts = shown.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = printed.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[test]
fn every_command_of_the_guide_does_what_it_says() {
    let home = Home::new();
    let steps = steps(GUIDE);
    assert!(steps.len() > 20, "the guide has {} commands", steps.len());
    for Step { command, shown } in steps {
        let output = home.shell(&command);
        let (printed, errors) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{command}\n{printed}{errors}");
        let shown = shown.join("\n");
        // What goes to standard error is for people at a terminal; the guide shows it only where nothing else is said.
        let all = format!("{}{}", errors.trim_end(), if errors.is_empty() { "" } else { "\n" });
        let candidates = [printed.trim_end().to_owned(), format!("{all}{}", printed.trim_end())];
        assert!(
            candidates.iter().any(|candidate| is_shown(shown.trim_end(), candidate)),
            "{command}\nthe guide says:\n{shown}\nit printed:\n{printed}\nand as errors:\n{errors}"
        );
    }
}

#[test]
fn the_guide_matcher_can_fail() {
    assert!(is_shown("a…c", "a b c") && is_shown("…", "") && is_shown("x", "x"));
    assert!(!is_shown("a…c", "a b") && !is_shown("x", "xy") && !is_shown("a…b…c", "a c b"));
}
