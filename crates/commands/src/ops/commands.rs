//! `commands`: the tree of all commands.

use serde::{Deserialize, Serialize};

use crate::op::{Call, Cx, Op, Reply, Request, Running, TextResult};
use crate::spec::{Opt, Place, Spec};
use crate::text::Out;
use crate::tree::{self, Node};

/// `commands`.
pub struct Commands;

/// A command with what hangs below it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CommandOut {
    /// Its word.
    pub name: String,
    /// What hangs below.
    pub subcommands: Vec<CommandOut>,
    /// Its options.
    pub options: Vec<OptionOut>,
}

/// An option by its names.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct OptionOut {
    /// All of them.
    pub names: Vec<String>,
}

impl Op for Commands {
    const SPEC: &'static Spec = &Spec {
        path: "commands",
        about: "List all commands.",
        help: "Prints each command on a line; --flags adds their options.",
        examples: &["ipfs commands --flags"],
        options: &[
            Opt::flag(&["flags", "f"], "Print the options too."),
            Opt::flag(&["own"], "List the commands that Kubo does not have, too."),
        ],
        place: Place::Anywhere,
        ..Spec::READ
    };
    type Item = CommandOut;
    type Text = ();

    fn run(_: Cx, request: Request) -> Running<CommandOut> {
        Box::pin(async move { Ok(Reply::One(describe("ipfs", tree::root(), request.call.options.flag("own")))) })
    }

    fn text(item: CommandOut, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        let mut lines = Vec::new();
        list(&item, "", call.options.flag("flags"), &mut lines);
        lines.sort();
        Ok(lines.iter().try_for_each(|line| out.line(line))?)
    }
}

fn describe(name: &str, node: &Node, own: bool) -> CommandOut {
    let children = node.children.iter().filter(|(_, child)| own || !child.is_own());
    let below: Vec<CommandOut> = children.map(|(word, child)| describe(word, child, own)).collect();
    let options = if name == "ipfs" { crate::spec::GLOBAL } else { node.spec.options };
    let options: Vec<OptionOut> = options
        .iter()
        .map(|option| OptionOut { names: option.names.iter().map(|name| (*name).to_owned()).collect() })
        .collect();
    CommandOut { name: name.to_owned(), subcommands: below, options }
}

/// A line for each command, and for each option of it: `ipfs pin add --recursive / ipfs pin add -r`. Global options
/// are not listed.
fn list(item: &CommandOut, before: &str, flags: bool, lines: &mut Vec<String>) {
    let path = if before.is_empty() { item.name.clone() } else { format!("{before} {}", item.name) };
    let options = item.options.iter().filter(|_| flags && !before.is_empty());
    lines.extend(options.map(|option| {
        let dashes = |name: &String| if name.len() == 1 { "-" } else { "--" };
        let names: Vec<String> = option.names.iter().map(|name| format!("{path} {}{name}", dashes(name))).collect();
        names.join(" / ")
    }));
    item.subcommands.iter().for_each(|child| list(child, &path, flags, lines));
    lines.push(path);
}
