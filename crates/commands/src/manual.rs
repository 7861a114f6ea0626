//! The manual: pages for `man`, and one page in Markdown with everything. Both are made from the tree of commands.

use std::fmt::Write;

use crate::codes::{CODES, EXITS};
use crate::help;
use crate::spec::{Effect, GLOBAL, Opt, Place, Spec};
use crate::tree::{self, Node};

/// What the pages call the program.
const PROGRAM: &str = "merkury";

/// A command with its words.
struct Entry {
    words: Vec<&'static str>,
    node: &'static Node,
}

impl Entry {
    fn title(&self) -> String {
        self.words.iter().fold(PROGRAM.to_owned(), |text, word| text + " " + word)
    }
}

fn entries() -> Vec<Entry> {
    let mut entries = Vec::new();
    collect(tree::root(), &[], &mut entries);
    entries
}

fn collect(node: &'static Node, words: &[&'static str], entries: &mut Vec<Entry>) {
    entries.push(Entry { words: words.to_vec(), node });
    for (word, child) in &node.children {
        let mut below = words.to_vec();
        below.push(word);
        collect(child, &below, entries);
    }
}

/// What a token must allow for a command.
pub fn scope(spec: &Spec) -> &'static str {
    match spec.effect {
        Effect::Read => "read",
        Effect::Add => "add",
        Effect::Pin => "pin",
        Effect::Admin => "admin",
    }
}

fn place(spec: &Spec) -> &'static str {
    match spec.place {
        Place::Node => "on the running daemon, else in process",
        Place::Daemon => "on a running daemon alone",
        Place::Anywhere => "in the program itself; needs no repository",
        Place::Local => "in process, when no daemon runs; no endpoint",
        Place::Beside => "in process, beside a daemon if one runs; no endpoint",
        Place::Terminal => "in the terminal alone; no endpoint",
        Place::Group => "",
    }
}

/// The pages for `man`: file name and text of each.
pub fn pages() -> Vec<(String, String)> {
    let mut pages: Vec<(String, String)> = entries().iter().map(|entry| (file_name(entry), page(entry))).collect();
    pages.push(("merkury-errors.7".into(), errors_page()));
    pages
}

fn file_name(entry: &Entry) -> String {
    format!("{}.1", entry.title().replace(' ', "-"))
}

/// Text that roff does not take for commands.
fn roff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    let line = |line: &str| if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line.to_owned() };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn page(entry: &Entry) -> String {
    let spec = entry.node.spec;
    let title = entry.title();
    let path: Vec<&str> = entry.words.clone();
    // Writing to a string does not fail, here and below.
    let mut text = format!(".TH \"{}\" 1\n.SH NAME\n", title.replace(' ', "-").to_uppercase());
    let _ = writeln!(text, "{} \\- {}", roff(&title.replace(' ', "-")), roff(spec.about));
    let _ = writeln!(text, ".SH SYNOPSIS\n.nf\n{}\n.fi", roff(help::synopsis(PROGRAM, &path, spec).trim()));
    if !spec.help.is_empty() {
        let _ = writeln!(text, ".SH DESCRIPTION\n{}", roff(spec.help).replace("\n\n", "\n.PP\n"));
    }
    if !spec.args.is_empty() {
        text.push_str(".SH ARGUMENTS\n");
        for arg in spec.args {
            let _ = writeln!(text, ".TP\n.B {}\n{}", roff(&help::arg_word(arg)), roff(arg.about));
        }
    }
    roff_options(&mut text, if path.is_empty() { GLOBAL } else { spec.options });
    if !spec.examples.is_empty() {
        let examples: Vec<String> = spec.examples.iter().map(|line| roff(&help::example(PROGRAM, line))).collect();
        let _ = writeln!(text, ".SH EXAMPLES\n.nf\n{}\n.fi", examples.join("\n"));
    }
    if !entry.node.children.is_empty() {
        text.push_str(".SH COMMANDS\n");
        for (word, child) in &entry.node.children {
            let _ = writeln!(text, ".TP\n.B {} {}\n{}", roff(&title), roff(word), roff(child.spec.about));
        }
    }
    if spec.runs() || path.is_empty() {
        text.push_str(".SH EXIT STATUS\n");
        for (exit, meaning) in EXITS {
            let _ = writeln!(text, ".TP\n.B {exit}\n{}", roff(meaning));
        }
    }
    text.push_str(".SH SEE ALSO\nmerkury(1), merkury\\-errors(7)\n");
    text
}

fn roff_options(text: &mut String, options: &[Opt]) {
    if options.is_empty() {
        return;
    }
    text.push_str(".SH OPTIONS\n");
    for option in options {
        let _ = writeln!(text, ".TP\n.B {}\n{}", roff(&help::option_words(option)), roff(&help::option_about(option)));
    }
}

fn errors_page() -> String {
    let mut text =
        ".TH MERKURY-ERRORS 7\n.SH NAME\nmerkury\\-errors \\- error codes of merkury\n.SH CODES\n".to_owned();
    for code in sorted_codes() {
        let _ = writeln!(text, ".TP\n.B {} {}\n{} {}", code.id, roff(code.title), roff(code.meaning), roff(code.cause));
        for next in code.next {
            let _ = writeln!(text, ".br\n.I {}", roff(next));
        }
    }
    text
}

fn sorted_codes() -> Vec<&'static crate::codes::Code> {
    let mut codes: Vec<_> = CODES.iter().collect();
    codes.sort_by_key(|code| code.id);
    codes
}

/// One page with every command, option, exit code and error code.
pub fn markdown() -> String {
    let mut text =
        "# Commands\n\nWritten by `merkury man --markdown`; a test compares it with the program. As `ipfs` the \
                    commands marked *own* do not exist.\n\n## Options of every command\n\n"
            .to_owned();
    markdown_options(&mut text, GLOBAL);
    text.push_str(
        "\n`--json` prints JSON, one object a line, whatever the command; [json.md](json.md) has the shapes.\n",
    );
    for entry in entries().iter().filter(|entry| !entry.words.is_empty()) {
        markdown_entry(&mut text, entry);
    }
    text.push_str("\n## Exit codes\n\nAs `merkury`; as `ipfs` every failure is 1.\n\n| code | meaning |\n|---|---|\n");
    for (exit, meaning) in EXITS {
        let _ = writeln!(text, "| {exit} | {meaning} |");
    }
    text.push_str("\n## Error codes\n\n| code | exit | what | why | type |\n|---|---|---|---|---|\n");
    for code in sorted_codes() {
        let next: Vec<String> = code.next.iter().map(|next| format!("`{}`", cell(next))).collect();
        let _ = writeln!(
            text,
            "| {} | {} | **{}**: {} | {} | {} |",
            code.id,
            code.exit,
            cell(code.title),
            cell(code.meaning),
            cell(code.cause),
            next.join("<br>")
        );
    }
    text
}

/// Text inside a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn markdown_entry(text: &mut String, entry: &Entry) {
    let spec = entry.node.spec;
    let own = if entry.node.is_own() { " *(own)*" } else { "" };
    let _ = writeln!(text, "\n## {}{own}\n\n{}", entry.title(), spec.about);
    if !spec.runs() {
        return;
    }
    let _ = writeln!(text, "\n```text\n{}\n```", help::synopsis(PROGRAM, &entry.words, spec).trim());
    if !spec.help.is_empty() {
        let _ = writeln!(text, "\n{}", spec.help);
    }
    let _ = writeln!(text, "\nScope of a token: `{}`. Runs {}.", scope(spec), place(spec));
    if !spec.args.is_empty() {
        text.push_str("\n| argument | what it is |\n|---|---|\n");
        for arg in spec.args {
            let _ = writeln!(text, "| `{}` | {} |", help::arg_word(arg), cell(arg.about));
        }
    }
    if !spec.options.is_empty() {
        text.push('\n');
        markdown_options(text, spec.options);
    }
    if !spec.examples.is_empty() {
        let examples: Vec<String> = spec.examples.iter().map(|line| help::example(PROGRAM, line)).collect();
        let _ = writeln!(text, "\n```sh\n{}\n```", examples.join("\n"));
    }
}

fn markdown_options(text: &mut String, options: &[Opt]) {
    text.push_str("| option | what it does |\n|---|---|\n");
    for option in options {
        let _ = writeln!(text, "| `{}` | {} |", help::option_words(option), cell(&help::option_about(option)));
    }
}
