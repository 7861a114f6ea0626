//! `diag cmds`, `diag cmds clear`, `diag cmds set-time`: the calls a daemon works on.

use std::time::Duration;

use serde_json::{Map, Value as Json};

use super::prelude::*;
use crate::requests::Entry;
use crate::stamp::{self, Stamp};
use crate::text::Table;
use crate::value::parse_duration;

/// `diag cmds`.
pub struct DiagCmds;
/// `diag cmds clear`.
pub struct DiagCmdsClear;
/// `diag cmds set-time`.
pub struct DiagCmdsSetTime;

/// One call, as Kubo writes it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CmdOut {
    /// When it came.
    pub start_time: String,
    /// When it ended; Go's zero time while it runs.
    pub end_time: String,
    /// Whether it runs.
    pub active: bool,
    /// Words of the command joined by `/`.
    pub command: String,
    /// Options that were given.
    pub options: Map<String, Json>,
    /// Text arguments.
    pub args: Option<Vec<String>>,
    /// Its number.
    #[serde(rename = "ID")]
    pub id: u64,
}

impl From<Entry> for CmdOut {
    fn from(entry: Entry) -> Self {
        Self {
            start_time: entry.began.rfc3339(),
            end_time: entry.ended,
            active: entry.active,
            command: entry.command.to_owned(),
            options: entry.options,
            args: Some(entry.args),
            id: entry.id,
        }
    }
}

impl Op for DiagCmds {
    const SPEC: &'static Spec = &Spec {
        path: "diag/cmds",
        about: "List the calls the daemon works on and those it finished lately.",
        help: "Finished calls stay as long as 'diag cmds set-time' says; by default they go at once.",
        examples: &["ipfs diag cmds -v"],
        options: &[Opt::flag(&["verbose", "v"], "Print numbers, arguments and options too.")],
        effect: crate::spec::Effect::Admin,
        tier: Tier::Niche,
        place: Place::Daemon,
        ..Spec::READ
    };
    type Item = Vec<CmdOut>;
    type Text = ();

    fn run(cx: Cx, _: Request) -> Running<Vec<CmdOut>> {
        Box::pin(async move { Ok(Reply::One(cx.requests().list().into_iter().map(CmdOut::from).collect())) })
    }

    fn text(item: Vec<CmdOut>, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        let verbose = call.options.flag("verbose");
        let mut table = Table::new(4);
        let mut heads = vec!["Command", "Active", "StartTime", "RunTime"];
        if verbose {
            heads.splice(0..1, ["ID", "Command", "Arguments", "Options"]);
        }
        table.row(padded(heads.into_iter().map(str::to_owned).collect()));
        for entry in item {
            let began = Stamp::parse_rfc3339(&entry.start_time).unwrap_or(Stamp { seconds: 0, nanoseconds: 0 });
            let ended = Stamp::parse_rfc3339(&entry.end_time)
                .filter(|_| !entry.active)
                .unwrap_or_else(|| Stamp::of(std::time::SystemTime::now()));
            let mut cells =
                vec![entry.command, entry.active.to_string(), began.short(), stamp::go_duration(ended.since(began))];
            if verbose {
                let args = entry.args.unwrap_or_default().join(" ");
                let options: Vec<String> =
                    entry.options.iter().map(|(name, value)| format!("{name}={value},")).collect();
                cells.insert(0, entry.id.to_string());
                cells.splice(2..2, [format!("[{args}]"), format!("[{}]", options.concat())]);
            }
            table.row(padded(cells));
        }
        Ok(out.put(table.render())?)
    }
}

/// Two spaces between columns: the table itself leaves one.
fn padded(mut cells: Vec<String>) -> Vec<String> {
    let last = cells.len().saturating_sub(1);
    cells.iter_mut().take(last).for_each(|cell| cell.push(' '));
    cells
}

impl Op for DiagCmdsClear {
    const SPEC: &'static Spec = &Spec {
        path: "diag/cmds/clear",
        about: "Forget finished calls.",
        examples: &["ipfs diag cmds clear"],
        tier: Tier::Niche,
        place: Place::Daemon,
        ..Spec::ADMIN
    };
    type Item = NoItem;
    type Text = ();

    fn run(cx: Cx, _: Request) -> Running<NoItem> {
        Box::pin(async move {
            cx.requests().clear();
            Ok(Reply::Empty)
        })
    }

    fn text(item: NoItem, _: &Call, (): &mut (), _: &mut Out<'_>) -> TextResult {
        match item {}
    }
}

impl Op for DiagCmdsSetTime {
    const SPEC: &'static Spec = &Spec {
        path: "diag/cmds/set-time",
        about: "Say how long finished calls are listed.",
        examples: &["ipfs diag cmds set-time 60s"],
        args: &[Arg::text("time", "How long, for example 60s.")],
        tier: Tier::Niche,
        place: Place::Daemon,
        ..Spec::ADMIN
    };
    type Item = NoItem;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<NoItem> {
        Box::pin(async move {
            let time: Duration = parse_duration(request.call.arg(0)?).map_err(ApiError::invalid)?;
            cx.requests().keep_for(time);
            Ok(Reply::Empty)
        })
    }

    fn text(item: NoItem, _: &Call, (): &mut (), _: &mut Out<'_>) -> TextResult {
        match item {}
    }
}
