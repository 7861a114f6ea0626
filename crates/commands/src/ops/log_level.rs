//! `log level`: shows and sets how much is logged.

use std::collections::BTreeMap;

use super::prelude::*;
use crate::logs::{self, Level};

/// `log level`.
pub struct LogLevel;

/// Levels by subsystem, or what was changed.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct LogLevelOut {
    /// Name → level.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub levels: BTreeMap<String, String>,
    /// What was changed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// How the level of all others is called in lists.
const DEFAULT: &str = "(default)";

impl Op for LogLevel {
    const SPEC: &'static Spec = &Spec {
        path: "log/level",
        about: "Show or set how much the daemon logs.",
        help: "Without a subsystem it shows the level of all that have none of their own; 'all' or '*' means\n\
               every subsystem and that level too. 'log ls' lists the subsystems.",
        examples: &["ipfs log level", "ipfs log level bitswap debug", "ipfs log level all error"],
        args: &[
            Arg::text("subsystem", "A name of 'log ls', or all.").optional(),
            Arg::text("level", "debug, info, warn, error, dpanic, panic, fatal; default for that of all others.")
                .optional(),
        ],
        place: Place::Daemon,
        ..Spec::ADMIN
    };
    type Item = LogLevelOut;
    type Text = ();

    fn run(_: Cx, request: Request) -> Running<LogLevelOut> {
        Box::pin(async move {
            let args = request.call.args;
            let subsystem = args.first().map(String::as_str);
            let out = match args.get(1).filter(|level| !level.is_empty()) {
                Some(level) => set(subsystem.unwrap_or_default(), level)?,
                None => show(subsystem)?,
            };
            Ok(Reply::One(out))
        })
    }

    fn text(item: LogLevelOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        if !item.message.is_empty() {
            return Ok(out.put(item.message)?);
        }
        let named = item.levels.len() > 1;
        for (subsystem, level) in &item.levels {
            if named {
                out.line(format_args!("{subsystem}: {level}"))?;
            } else {
                out.line(level)?;
            }
        }
        Ok(())
    }
}

fn is_all(subsystem: &str) -> bool {
    matches!(subsystem, "*" | "all")
}

fn unknown(subsystem: &str) -> ApiError {
    ApiError::invalid(format!("no such logger: {subsystem}")).hint("merkury log ls lists the subsystems")
}

fn set(subsystem: &str, level: &str) -> Result<LogLevelOut, ApiError> {
    let log = logs::installed()?;
    let level = if level == "default" { log.default_level() } else { Level::parse(level)? };
    let name = if is_all(subsystem) {
        log.set_all(level);
        "*"
    } else if log.set_level(subsystem, level) {
        subsystem
    } else {
        return Err(unknown(subsystem));
    };
    let message = format!("Changed log level of '{name}' to '{}'\n", level.name());
    Ok(LogLevelOut { message, ..LogLevelOut::default() })
}

fn show(subsystem: Option<&str>) -> Result<LogLevelOut, ApiError> {
    let log = logs::installed()?;
    let named = |name: &str, level: Level| (name.to_owned(), level.name().to_owned());
    let levels = match subsystem.filter(|name| !name.is_empty()) {
        None => BTreeMap::from([named("", log.default_level())]),
        Some(name) if is_all(name) => {
            let each = log.subsystems().into_iter().filter_map(|name| Some((name.clone(), log.level(&name)?)));
            let mut levels: BTreeMap<String, String> = each.map(|(name, level)| named(&name, level)).collect();
            levels.extend([named(DEFAULT, log.default_level())]);
            levels
        }
        Some(name) => BTreeMap::from([named(name, log.level(name).ok_or_else(|| unknown(name))?)]),
    };
    Ok(LogLevelOut { levels, ..LogLevelOut::default() })
}
