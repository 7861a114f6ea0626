//! `completion`, and Kubo's `commands completion …`: scripts for shells.

use super::common::whole;
use super::prelude::*;
use crate::completion::{Shell, script};

/// `completion`.
pub struct Completion;
/// `commands completion bash`.
pub struct CompletionBash;
/// `commands completion fish`.
pub struct CompletionFish;
/// `commands completion zsh`.
pub struct CompletionZsh;

fn answer(shell: Shell, program: &str, own: bool) -> Reply<NoItem> {
    Reply::Bytes(whole("text/plain", script(shell, program, own).into()))
}

impl Op for Completion {
    const SPEC: &'static Spec = &Spec {
        path: "completion",
        about: "Print the completion script of a shell.",
        help: "bash: merkury completion bash > ~/.local/share/bash-completion/completions/merkury\n\
               zsh:  merkury completion zsh > ~/.zfunc/_merkury   (a directory of $fpath)\n\
               fish: merkury completion fish > ~/.config/fish/completions/merkury.fish",
        examples: &["merkury completion bash > ~/.local/share/bash-completion/completions/merkury"],
        args: &[Arg::text("shell", "bash, zsh or fish.")],
        place: Place::Anywhere,
        tier: Tier::Own,
        ..Spec::READ
    };
    type Item = NoItem;
    type Text = ();

    fn run(_: Cx, request: Request) -> Running<NoItem> {
        Box::pin(async move {
            let name = request.call.arg(0)?;
            let shell = Shell::by_name(name).ok_or_else(|| {
                let error = ApiError::invalid(format!("there is no completion for {name:?}"));
                Shell::NAMES.iter().fold(error, |error, name| error.hint(format!("merkury completion {name}")))
            })?;
            Ok(answer(shell, "merkury", true))
        })
    }

    fn text(item: NoItem, _: &Call, (): &mut (), _: &mut Out<'_>) -> TextResult {
        match item {}
    }
}

macro_rules! kubo_completion {
    ($op:ident, $path:literal, $about:literal, $example:literal, $shell:expr) => {
        impl Op for $op {
            const SPEC: &'static Spec = &Spec {
                path: $path,
                about: $about,
                examples: &[$example],
                place: Place::Anywhere,
                tier: Tier::Common,
                ..Spec::READ
            };
            type Item = NoItem;
            type Text = ();

            fn run(_: Cx, _: Request) -> Running<NoItem> {
                Box::pin(async { Ok(answer($shell, "ipfs", false)) })
            }

            fn text(item: NoItem, _: &Call, (): &mut (), _: &mut Out<'_>) -> TextResult {
                match item {}
            }
        }
    };
}

kubo_completion!(
    CompletionBash,
    "commands/completion/bash",
    "Print the completion script of bash.",
    "ipfs commands completion bash > ipfs-completion.bash",
    Shell::Bash
);
kubo_completion!(
    CompletionFish,
    "commands/completion/fish",
    "Print the completion script of fish.",
    "ipfs commands completion fish > ~/.config/fish/completions/ipfs.fish",
    Shell::Fish
);
kubo_completion!(
    CompletionZsh,
    "commands/completion/zsh",
    "Print the completion script of zsh.",
    "ipfs commands completion zsh > _ipfs",
    Shell::Zsh
);
