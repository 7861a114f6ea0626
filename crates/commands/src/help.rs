//! Help texts, laid out from the declarations: USAGE, SYNOPSIS, ARGUMENTS, OPTIONS, DESCRIPTION, SUBCOMMANDS.

use crate::spec::{Arg, GLOBAL, Kind, Opt, Spec, Tier};
use crate::tree::Node;

/// Width the text is wrapped at.
const WIDTH: usize = 80;

/// The short help: usage, arguments, what hangs below, where to read on.
pub fn short(program: &str, path: &[&str], node: &Node) -> String {
    let mut text = usage(program, path, node.spec);
    if !node.spec.help.is_empty() {
        text.push_str(&paragraphs(first_paragraph(node.spec.help)));
        text.push('\n');
    }
    text.push_str(&subcommands(program, path, node));
    let subcommand = if node.children.is_empty() { "" } else { "<subcmd> " };
    text.push_str(&format!(
        "  For more information about each command, use:\n  '{} {subcommand}--help'\n\n",
        words(program, path)
    ));
    text
}

/// Everything.
pub fn long(program: &str, path: &[&str], node: &Node) -> String {
    let spec = node.spec;
    let mut text = usage(program, path, spec);
    if spec.runs() || path.is_empty() {
        text.push_str(&format!("SYNOPSIS\n{}\n\n", synopsis(program, path, spec)));
    }
    if !spec.args.is_empty() {
        text.push_str("ARGUMENTS\n\n");
        let rows: Vec<(String, String)> = spec.args.iter().map(|arg| (arg_word(arg), arg.about.to_owned())).collect();
        text.push_str(&columns(&rows, " - "));
        text.push('\n');
    }
    let options: Vec<&Opt> = if path.is_empty() { GLOBAL.iter().collect() } else { spec.options.iter().collect() };
    if !options.is_empty() {
        text.push_str("OPTIONS\n\n");
        text.push_str(&option_rows(&options));
        text.push('\n');
    }
    if !spec.help.is_empty() {
        text.push_str(&format!("DESCRIPTION\n\n{}\n", paragraphs(spec.help)));
    }
    if !spec.examples.is_empty() {
        let examples: Vec<String> = spec.examples.iter().map(|line| example(program, line)).collect();
        text.push_str(&format!("EXAMPLES\n\n{}\n", indented(&examples.join("\n"))));
    }
    text.push_str(&subcommands(program, path, node));
    text
}

/// An example as this program is called. Declarations name `ipfs` where both have the command.
pub(crate) fn example(program: &str, line: &str) -> String {
    let program = std::path::Path::new(program).file_name().map_or(program.into(), std::ffi::OsStr::to_string_lossy);
    let words: Vec<&str> = line.split(' ').map(|word| if word == "ipfs" { &*program } else { word }).collect();
    words.join(" ")
}

fn words(program: &str, path: &[&str]) -> String {
    let mut all = vec![program];
    all.extend(path);
    all.join(" ")
}

fn usage(program: &str, path: &[&str], spec: &Spec) -> String {
    let args: Vec<String> = spec.args.iter().map(arg_word).collect();
    let mut line = words(program, path);
    for arg in args {
        line.push(' ');
        line.push_str(&arg);
    }
    let warning = match spec.tier {
        Tier::Deprecated => "WARNING:   DEPRECATED, command will be removed in the future\n\n",
        Tier::Removed => "WARNING:   REMOVED, command is no longer available\n\n",
        Tier::Core | Tier::Common | Tier::Niche | Tier::Own => "",
    };
    format!("{warning}USAGE\n{}\n", columns(&[(line, spec.about.to_owned())], " - "))
}

pub(crate) fn arg_word(arg: &Arg) -> String {
    let dots = if arg.variadic { "..." } else { "" };
    if arg.required { format!("<{}>{dots}", arg.name) } else { format!("[<{}>]{dots}", arg.name) }
}

fn dashed(name: &str) -> String {
    if name.chars().count() == 1 { format!("-{name}") } else { format!("--{name}") }
}

pub(crate) fn synopsis(program: &str, path: &[&str], spec: &Spec) -> String {
    let start = format!("  {}", words(program, path));
    let options = if path.is_empty() { GLOBAL } else { spec.options };
    let mut parts: Vec<String> = options.iter().map(synopsis_option).collect();
    if path.is_empty() {
        parts.push("<command> ...".into());
    }
    if !spec.args.is_empty() {
        parts.push("[--]".into());
        parts.extend(spec.args.iter().map(arg_word));
    }
    let mut text = start.clone();
    let mut column = start.len();
    for part in parts {
        // The root's stays on one line: scripts look for the command behind the program.
        if column + 1 + part.len() > WIDTH && !path.is_empty() {
            text.push('\n');
            text.push_str(&" ".repeat(start.len().min(20)));
            column = start.len().min(20);
        }
        text.push(' ');
        text.push_str(&part);
        column += 1 + part.len();
    }
    text
}

fn synopsis_option(option: &Opt) -> String {
    let value = match option.kind {
        Kind::Bool if option.default == Some("true") => "=false".to_owned(),
        Kind::Bool => String::new(),
        _ => format!("=<{}>", option.name()),
    };
    let mut names: Vec<String> = option.names.iter().map(|name| dashed(name)).collect();
    if let Some(first) = names.first_mut() {
        first.push_str(&value);
    }
    let dots = if option.kind == Kind::List { "..." } else { "" };
    format!("[{}]{dots}", names.join(" | "))
}

/// The names of an option as they are typed, with its value.
pub(crate) fn option_words(option: &Opt) -> String {
    let value = if option.kind == Kind::Bool { String::new() } else { format!("=<{}>", option.kind.name()) };
    let mut names: Vec<&str> = option.names.to_vec();
    names.sort_by_key(|name| name.len());
    names.iter().map(|name| dashed(name)).collect::<Vec<_>>().join(", ") + &value
}

/// What an option does, with its default.
pub(crate) fn option_about(option: &Opt) -> String {
    match option.default {
        Some(value) => format!("{} Default: {value}.", option.about),
        None => option.about.to_owned(),
    }
}

fn option_rows(options: &[&Opt]) -> String {
    let rows: Vec<(String, String)> = options
        .iter()
        .map(|option| {
            let mut names: Vec<&str> = option.names.to_vec();
            names.sort_by_key(|name| name.len());
            let names: Vec<String> = names.iter().map(|name| dashed(name)).collect();
            (format!("{}\u{0}{}", names.join(", "), option.kind.name()), option_about(option))
        })
        .collect();
    let names_width = width(rows.iter().map(|(left, _)| left.split('\u{0}').next().unwrap_or_default()));
    let kinds_width = width(rows.iter().map(|(left, _)| left.split('\u{0}').nth(1).unwrap_or_default()));
    let rows: Vec<(String, String)> = rows
        .into_iter()
        .map(|(left, about)| {
            let (names, kind) = left.split_once('\u{0}').unwrap_or((&left, ""));
            (format!("{names:names_width$}  {kind:kinds_width$}"), about)
        })
        .collect();
    columns(&rows, " - ")
}

fn width<'a>(cells: impl Iterator<Item = &'a str>) -> usize {
    cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
}

fn columns(rows: &[(String, String)], between: &str) -> String {
    let left = width(rows.iter().map(|(left, _)| left.as_str()));
    let hang = 2 + left + between.len();
    let mut text = String::new();
    for (name, about) in rows {
        text.push_str(&format!("  {name:left$}{between}"));
        for (index, line) in wrap(about, WIDTH.saturating_sub(hang).max(20)).iter().enumerate() {
            if index > 0 {
                text.push_str(&" ".repeat(hang));
            }
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(last) = lines.last_mut() else { break };
        if !last.is_empty() && last.len() + 1 + word.len() > width {
            lines.push(word.to_owned());
            continue;
        }
        if !last.is_empty() {
            last.push(' ');
        }
        last.push_str(word);
    }
    lines
}

fn first_paragraph(text: &str) -> &str {
    text.split("\n\n").next().unwrap_or(text)
}

fn indented(text: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") }).collect()
}

/// Paragraphs, wrapped; lines that are indented stay as they are.
fn paragraphs(text: &str) -> String {
    let mut lines = Vec::new();
    let mut words = String::new();
    for line in text.lines() {
        if line.is_empty() || line.starts_with(' ') {
            lines.extend(filled(&mut words));
            lines.push(line.to_owned());
            continue;
        }
        words.push(' ');
        words.push_str(line);
    }
    lines.extend(filled(&mut words));
    indented(&lines.join("\n"))
}

/// The lines of a paragraph, which is empty afterwards.
fn filled(words: &mut String) -> Vec<String> {
    let text = std::mem::take(words);
    if text.is_empty() { Vec::new() } else { wrap(&text, WIDTH - 2) }
}

fn subcommands(program: &str, path: &[&str], node: &Node) -> String {
    if node.children.is_empty() {
        return String::new();
    }
    let own = !program.ends_with("ipfs");
    if path.is_empty() {
        return overview(node, own);
    }
    let rows: Vec<(String, String)> = node
        .children
        .iter()
        .filter(|(_, child)| own || !child.is_own())
        .map(|(word, child)| {
            let mut full: Vec<&str> = path.to_vec();
            full.push(word);
            let args: Vec<String> = child.spec.args.iter().map(arg_word).collect();
            let call = if args.is_empty() {
                words(program, &full)
            } else {
                format!("{} {}", words(program, &full), args.join(" "))
            };
            (call, child.spec.about.to_owned())
        })
        .collect();
    format!("SUBCOMMANDS\n{}\n", columns(&rows, " - "))
}

/// The first words of all commands, by what they are for.
const OVERVIEW: &[(&str, &[&str])] = &[
    ("BASIC COMMANDS", &["init", "add", "cat", "get", "ls", "refs"]),
    ("DATA STRUCTURE COMMANDS", &["dag", "files", "block"]),
    ("TEXT ENCODING COMMANDS", &["cid", "multibase"]),
    (
        "ADVANCED COMMANDS",
        &[
            "daemon",
            "shutdown",
            "resolve",
            "name",
            "key",
            "pin",
            "repo",
            "stats",
            "p2p",
            "filestore",
            "mount",
            "provide",
        ],
    ),
    ("NETWORK COMMANDS", &["id", "bootstrap", "swarm", "dht", "routing", "ping", "bitswap", "pubsub"]),
    ("TOOL COMMANDS", &["config", "version", "diag", "update", "commands", "log"]),
];

/// The commands of the root; what no group names comes last, so that none is missing.
fn overview(root: &Node, own: bool) -> String {
    let grouped = |word: &str| OVERVIEW.iter().any(|(_, words)| words.contains(&word));
    let rest: Vec<&str> = root.children.keys().copied().filter(|word| !grouped(word)).collect();
    let mut text = String::from("SUBCOMMANDS\n");
    for (title, words) in
        OVERVIEW.iter().map(|(title, words)| (*title, words.to_vec())).chain([("MORE COMMANDS", rest)])
    {
        let rows: Vec<(String, String)> = words
            .into_iter()
            .filter_map(|word| Some((word, root.child(word).filter(|child| own || !child.is_own())?)))
            .map(|(word, child)| (format!("  {word}"), child.spec.about.trim_end_matches('.').to_owned()))
            .collect();
        if !rows.is_empty() {
            text.push_str(&format!("  {title}\n{}\n", columns(&rows, "  ")));
        }
    }
    text
}
