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
        options: &[Opt::flag(&["flags", "f"], "Print the options too.")],
        place: Place::Anywhere,
        ..Spec::READ
    };
    type Item = CommandOut;
    type Text = ();

    fn run(_: Cx, _: Request) -> Running<CommandOut> {
        Box::pin(async { Ok(Reply::One(describe("ipfs", tree::root()))) })
    }

    fn text(item: CommandOut, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        show(&item, "", call.options.flag("flags"), out)
    }
}

fn describe(name: &str, node: &Node) -> CommandOut {
    let below: Vec<CommandOut> = node.children.iter().map(|(word, child)| describe(word, child)).collect();
    let options = if name == "ipfs" { crate::spec::GLOBAL } else { node.spec.options };
    let options: Vec<OptionOut> = options
        .iter()
        .map(|option| OptionOut { names: option.names.iter().map(|name| (*name).to_owned()).collect() })
        .collect();
    CommandOut { name: name.to_owned(), subcommands: below, options }
}

fn show(item: &CommandOut, before: &str, flags: bool, out: &mut Out<'_>) -> TextResult {
    let path = if before.is_empty() { item.name.clone() } else { format!("{before} {}", item.name) };
    out.line(&path)?;
    if flags {
        for option in &item.options {
            let names: Vec<String> = option
                .names
                .iter()
                .map(|name| if name.len() == 1 { format!("-{name}") } else { format!("--{name}") })
                .collect();
            out.line(format_args!("{path} {}", names.join(" / ")))?;
        }
    }
    item.subcommands.iter().try_for_each(|child| show(child, &path, flags, out))
}
