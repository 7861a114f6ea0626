//! `undo`: takes back the last changes of the mutable file system and the last removed pins.

use merkury_api::UndoStep;

use super::prelude::*;
use crate::stamp::Stamp;

/// `undo`.
pub struct Undo;

/// A step, or what was done.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct UndoOut {
    /// `step` (of a list), `undone`, `redone` or `forgotten`.
    pub action: String,
    /// Its number; later ones are higher.
    pub number: u64,
    /// When it was made (RFC 3339).
    #[serde(skip_serializing_if = "is_zero")]
    pub time: String,
    /// What was done.
    #[serde(skip_serializing_if = "is_zero")]
    pub what: String,
    /// In a list: the root of the mutable file system before it. Else: the root now.
    #[serde(skip_serializing_if = "is_zero")]
    pub root: String,
    /// Pins it removed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pins: Vec<String>,
}

impl Op for Undo {
    const SPEC: &'static Spec = &Spec {
        path: "undo",
        about: "Take back the last change of files or pins.",
        help: "The last 32 changes made by 'files' commands and by 'pin rm' can be taken back, the latest first. What they\n\
               need is kept from collection, until a collection is asked for (repo gc), which forgets the steps.",
        examples: &["merkury undo", "merkury undo --list", "merkury undo --steps=3", "merkury undo --redo"],
        options: &[
            Opt::flag(&["list", "l"], "Show what can be taken back, the latest first."),
            Opt::uint(&["steps", "n"], "Take back so many steps.").or("1"),
            Opt::flag(&["redo"], "Take the last undo back."),
            Opt::flag(&["forget"], "Forget all steps, so that a collection may remove what only they need."),
        ],
        tier: Tier::Own,
        ..Spec::ADMIN
    };
    type Item = UndoOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<UndoOut> {
        Box::pin(async move {
            let call = request.call;
            let flag = |name: &str| call.options.flag(name);
            if [flag("list"), flag("redo"), flag("forget"), call.options.is_given("steps")]
                .iter()
                .filter(|on| **on)
                .count()
                > 1
            {
                return Err(ApiError::invalid("--list, --steps, --redo and --forget exclude each other"));
            }
            let cids = CidText::of(&call)?;
            let history = cx.api(&call)?.history;
            if flag("list") {
                let steps = history.steps().await?;
                let items = steps.into_iter().map(move |step| Ok(shown("step", step, None, cids)));
                return Ok(Reply::Stream(stream::iter(items).boxed()));
            }
            if flag("forget") {
                let count = history.forget().await?;
                let item = UndoOut { action: "forgotten".into(), number: count as u64, ..UndoOut::default() };
                return Ok(Reply::One(item));
            }
            let (action, done) = if flag("redo") {
                ("redone", history.redo().await?)
            } else {
                let count = call.options.int("steps").and_then(|count| usize::try_from(count).ok()).unwrap_or(1);
                ("undone", history.undo(count).await?)
            };
            let root = done.root;
            let items = done.steps.into_iter().map(move |step| Ok(shown(action, step, Some(&root), cids)));
            Ok(Reply::Stream(stream::iter(items.collect::<Vec<_>>()).boxed()))
        })
    }

    fn text(item: UndoOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        let what = escape_name(&item.what);
        let _: () = match item.action.as_str() {
            "step" => out.line(format_args!("{:>4}  {}  {what}", item.number, item.time))?,
            "forgotten" => out.line(format_args!("forgot {} steps", item.number))?,
            action => out.line(format_args!("{action}: {what}"))?,
        };
        Ok(())
    }
}

fn shown(action: &str, step: UndoStep, root: Option<&merkury_core::Cid>, cids: CidText) -> UndoOut {
    let seconds = i64::try_from(step.time).unwrap_or(0);
    UndoOut {
        action: action.to_owned(),
        number: step.number,
        time: Stamp { seconds, nanoseconds: 0 }.rfc3339(),
        what: step.what,
        root: root.or(step.root.as_ref()).map(|root| cids.text(root)).unwrap_or_default(),
        pins: step.pins.iter().map(|cid| cids.text(cid)).collect(),
    }
}
