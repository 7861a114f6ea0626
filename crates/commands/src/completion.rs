//! Completion scripts for shells, made from the tree of commands.
//!
//! Each script has one table: for every command its words and options. What it does with the table is a few lines of shell:
//! walk the words typed so far, then offer what the last known command takes; files where nothing else fits.

use std::fmt::Write;

use crate::spec::{Kind, Opt};
use crate::tree::{self, Node};

/// A shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// bash, from 3.2 on.
    Bash,
    /// zsh.
    Zsh,
    /// fish.
    Fish,
}

impl Shell {
    /// Names, for people and errors.
    pub const NAMES: [&'static str; 3] = ["bash", "zsh", "fish"];

    /// By name.
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "bash" => Some(Self::Bash),
            "zsh" => Some(Self::Zsh),
            "fish" => Some(Self::Fish),
            _ => None,
        }
    }
}

/// One command of the table.
struct Row {
    /// Its words, each with a space before it; empty for the program itself.
    path: String,
    /// What may follow, with what it does.
    words: Vec<(&'static str, &'static str)>,
    options: Vec<&'static Opt>,
}

fn rows(own: bool) -> Vec<Row> {
    let mut rows = Vec::new();
    collect(tree::root(), String::new(), &[], own, &mut rows);
    rows
}

fn collect(node: &'static Node, path: String, words: &[&'static str], own: bool, rows: &mut Vec<Row>) {
    let children = || node.children.iter().filter(move |(_, child)| own || !child.is_own());
    rows.push(Row {
        path: path.clone(),
        words: children().map(|(word, child)| (*word, child.spec.about)).collect(),
        options: tree::options_of(words),
    });
    for (word, child) in children() {
        let mut below = words.to_vec();
        below.push(word);
        collect(child, format!("{path} {word}"), &below, own, rows);
    }
}

fn dashed(options: &[&Opt]) -> Vec<String> {
    let names = options.iter().flat_map(|option| option.names.iter());
    names.map(|name| if name.chars().count() == 1 { format!("-{name}") } else { format!("--{name}") }).collect()
}

/// The script for a program of this name; `own` adds the commands that Kubo does not have.
pub fn script(shell: Shell, program: &str, own: bool) -> String {
    let rows = rows(own);
    match shell {
        Shell::Bash => bash(program, &rows),
        Shell::Zsh => zsh(program, &rows),
        Shell::Fish => fish(program, &rows),
    }
}

/// The table as a function of the shells that share its grammar: sets `words` and `options` for a path.
fn table(program: &str, rows: &[Row]) -> String {
    let mut text = format!("_{program}_table() {{\n  words= options=\n  case \"$1\" in\n");
    for row in rows {
        let words: Vec<&str> = row.words.iter().map(|(word, _)| *word).collect();
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "    '{}') words='{}' options='{}' ;;",
            row.path,
            words.join(" "),
            dashed(&row.options).join(" ")
        );
    }
    text.push_str("    *) return 1 ;;\n  esac\n}\n");
    text
}

fn bash(program: &str, rows: &[Row]) -> String {
    format!(
        "# Completion of {program} for bash: source this file, or put it into ~/.local/share/bash-completion/completions/\n\
         {table}\
         _{program}() {{\n\
        \x20 local current=${{COMP_WORDS[COMP_CWORD]}} path= word words options i\n\
        \x20 for ((i = 1; i < COMP_CWORD; i++)); do\n\
        \x20   word=${{COMP_WORDS[i]}}\n\
        \x20   case \"$word\" in -*) continue ;; esac\n\
        \x20   if _{program}_table \"$path $word\"; then path=\"$path $word\"; fi\n\
        \x20 done\n\
        \x20 _{program}_table \"$path\"\n\
        \x20 case \"$current\" in\n\
        \x20   -*) COMPREPLY=($(compgen -W \"$options\" -- \"$current\")) ;;\n\
        \x20   *) COMPREPLY=($(compgen -W \"$words\" -- \"$current\")) ;;\n\
        \x20 esac\n\
         }}\n\
         complete -o default -F _{program} {program}\n",
        table = table(program, rows)
    )
}

fn zsh(program: &str, rows: &[Row]) -> String {
    format!(
        "#compdef {program}\n\
         # Completion of {program} for zsh: put this file as _{program} into a directory of $fpath.\n\
         {table}\
         _{program}() {{\n\
        \x20 local path_of= word words_typed options i\n\
        \x20 words_typed=(\"${{words[@]}}\")\n\
        \x20 local words\n\
        \x20 for ((i = 2; i < CURRENT; i++)); do\n\
        \x20   word=${{words_typed[i]}}\n\
        \x20   case \"$word\" in -*) continue ;; esac\n\
        \x20   if _{program}_table \"$path_of $word\"; then path_of=\"$path_of $word\"; fi\n\
        \x20 done\n\
        \x20 _{program}_table \"$path_of\"\n\
        \x20 if [[ \"${{words_typed[CURRENT]}}\" == -* ]]; then\n\
        \x20   compadd -- ${{=options}}\n\
        \x20 else\n\
        \x20   [[ -n \"$words\" ]] && compadd -- ${{=words}}\n\
        \x20   [[ -n \"$path_of\" ]] && _files\n\
        \x20 fi\n\
         }}\n\
         compdef _{program} {program}\n",
        table = table(program, rows)
    )
}

fn fish(program: &str, rows: &[Row]) -> String {
    let known: Vec<String> = rows.iter().map(|row| format!("'{}'", row.path)).collect();
    let mut text = format!(
        "# Completion of {program} for fish: put this file into ~/.config/fish/completions/{program}.fish\n\
         function __{program}_at\n\
        \x20   set -l path ''\n\
        \x20   for word in (commandline -opc)[2..-1]\n\
        \x20       string match -q -- '-*' $word; and continue\n\
        \x20       contains -- \"$path $word\" {}; and set path \"$path $word\"\n\
        \x20   end\n\
        \x20   test \"$path\" = \"$argv[1]\"\n\
         end\n",
        known.join(" ")
    );
    for row in rows {
        for (word, about) in &row.words {
            let _ = writeln!(
                text,
                "complete -c {program} -n \"__{program}_at '{}'\" -a {word} -d '{}'",
                row.path,
                quoted(about)
            );
        }
        for option in &row.options {
            let names: Vec<String> = option
                .names
                .iter()
                .map(|name| if name.chars().count() == 1 { format!("-s {name}") } else { format!("-l {name}") })
                .collect();
            let takes = if option.kind == Kind::Bool { "" } else { " -r" };
            let _ = writeln!(
                text,
                "complete -c {program} -n \"__{program}_at '{}'\" {}{takes} -d '{}'",
                row.path,
                names.join(" "),
                quoted(option.about)
            );
        }
    }
    text
}

fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_know_every_command_and_keep_our_own_from_ipfs() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let (own, kubo) = (script(shell, "merkury", true), script(shell, "ipfs", false));
            assert!(own.contains("explain") && own.contains(" name publish"), "{shell:?}");
            assert!(!kubo.contains("explain") && kubo.contains(" name publish"), "{shell:?}");
        }
    }
}
