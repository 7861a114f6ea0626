//! The log of the program: what is written to standard error, at which level, and who else listens.
//!
//! Levels are kept by subsystem, in names that say what the part does; each stands for the modules below it. Targets of
//! `tracing` are matched by their beginning, the longest wins, so a subsystem may lie inside another. Changing a level
//! builds the filter anew; writing a message takes no lock.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use merkury_commands::logs::{self, Level, Logs};
use merkury_commands::stamp::Stamp;
use serde_json::{Map, Value};
use tokio::sync::broadcast;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

/// Messages that wait for a reader of `log tail`; a slower reader misses the oldest.
const TAIL_MESSAGES_MAX: usize = 1024;

/// Subsystems and the targets they stand for.
const SUBSYSTEMS: &[(&str, &[&str])] = &[
    ("bitswap", &["merkury_bitswap", "merkury_net::exchange"]),
    ("commands", &["merkury_commands"]),
    ("core", &["merkury_core", "merkury_node"]),
    ("daemon", &["merkury::"]),
    ("dht", &["merkury_net::routing", "libp2p_kad"]),
    ("gateway", &["merkury_gateway"]),
    ("http", &["merkury_http"]),
    ("libp2p", &["libp2p", "multistream_select", "yamux", "quinn"]),
    ("net", &["merkury_net"]),
    ("store", &["merkury_store"]),
    ("unixfs", &["merkury_unixfs"]),
];

/// Starts the log. Levels are Kubo's `GOLOG_LOG_LEVEL` or our `MERKURY_LOG`: `error,dht=debug`; errors by default.
pub(crate) fn start() {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (levels, targets) = Levels::read(&set("MERKURY_LOG").or_else(|| set("GOLOG_LOG_LEVEL")).unwrap_or_default());
    let (filter, handle) = reload::Layer::new(levels.filter().with_targets(targets));
    let (tail, _) = broadcast::channel(TAIL_MESSAGES_MAX);
    let to_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let written = tracing_subscriber::fmt::layer().with_ansi(to_terminal).with_writer(std::io::stderr);
    tracing_subscriber::registry().with(filter).with(written).with(Tail { to: tail.clone() }).init();
    logs::install(Box::new(Log { levels: Mutex::new(levels), filter: handle, tail }));
}

struct Log {
    levels: Mutex<Levels>,
    filter: reload::Handle<Targets, Registry>,
    tail: broadcast::Sender<(Level, Bytes)>,
}

#[derive(Debug, PartialEq)]
struct Levels {
    default: Level,
    own: BTreeMap<&'static str, Level>,
}

impl Levels {
    /// Reads `error,dht=debug,merkury_net::host=trace`: levels, and targets that are no subsystems. Kubo's names of
    /// subsystems that we do not have are passed over.
    fn read(text: &str) -> (Self, Vec<(String, LevelFilter)>) {
        let mut levels = Self { default: Level::Error, own: BTreeMap::new() };
        let mut targets = Vec::new();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let (name, level) = word.split_once('=').unwrap_or(("", word));
            match (subsystem(name), Level::parse(level)) {
                (_, Ok(level)) if name.is_empty() || name == "*" => levels.default = level,
                (_, Err(_)) if name.is_empty() && level == "trace" => {
                    levels.default = Level::Debug;
                    targets.push(("merkury".to_owned(), LevelFilter::TRACE));
                }
                (Some(known), Ok(level)) => {
                    levels.own.insert(known, level);
                }
                (None, _) if name.starts_with("merkury") || name.starts_with("libp2p") => {
                    targets.extend(level.parse().ok().map(|level| (name.to_owned(), level)));
                }
                _ => {}
            }
        }
        (levels, targets)
    }

    fn of(&self, subsystem: &str) -> Level {
        self.own.get(subsystem).copied().unwrap_or(self.default)
    }

    fn filter(&self) -> Targets {
        let own = self.own.iter().filter_map(|(name, level)| {
            let (_, targets) = SUBSYSTEMS.iter().find(|(known, _)| known == name)?;
            Some(targets.iter().map(|target| (*target, threshold(*level))))
        });
        Targets::new().with_default(threshold(self.default)).with_targets(own.flatten())
    }
}

/// Kubo's names for what a subsystem here does, so that its users' settings still say it.
const ALIASES: &[(&str, &str)] = &[("core/commands", "commands"), ("core/commands/cmdenv", "commands")];

fn subsystem(name: &str) -> Option<&'static str> {
    let alias = ALIASES.iter().find(|(kubo, _)| *kubo == name);
    let name = alias.map_or(name, |(_, own)| own);
    SUBSYSTEMS.iter().map(|(known, _)| *known).find(|known| *known == name)
}

fn threshold(level: Level) -> LevelFilter {
    match level {
        Level::Debug => LevelFilter::DEBUG,
        Level::Info => LevelFilter::INFO,
        Level::Warn => LevelFilter::WARN,
        Level::Error => LevelFilter::ERROR,
        Level::DPanic | Level::Panic | Level::Fatal => LevelFilter::OFF,
    }
}

impl Log {
    fn change(&self, change: impl FnOnce(&mut Levels)) {
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut levels);
        // It fails only when the log is gone, and then nothing is written anyway.
        let _ = self.filter.reload(levels.filter());
    }

    fn with<T>(&self, look: impl FnOnce(&Levels) -> T) -> T {
        look(&self.levels.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Logs for Log {
    fn subsystems(&self) -> Vec<String> {
        SUBSYSTEMS.iter().map(|(name, _)| (*name).to_owned()).collect()
    }

    fn default_level(&self) -> Level {
        self.with(|levels| levels.default)
    }

    fn level(&self, name: &str) -> Option<Level> {
        subsystem(name).map(|name| self.with(|levels| levels.of(name)))
    }

    fn set_level(&self, name: &str, level: Level) -> bool {
        let Some(name) = subsystem(name) else { return false };
        self.change(|levels| {
            levels.own.insert(name, level);
        });
        true
    }

    fn set_all(&self, level: Level) {
        self.change(|levels| *levels = Levels { default: level, own: BTreeMap::new() });
    }

    fn tail(&self, least: Level) -> BoxStream<'static, Bytes> {
        let messages = self.tail.subscribe();
        futures::stream::unfold(messages, move |mut messages| async move {
            loop {
                match messages.recv().await {
                    Ok((level, line)) if level >= least => return Some((line, messages)),
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        })
        .boxed()
    }
}

/// Hands messages to the readers of `log tail`.
struct Tail {
    to: broadcast::Sender<(Level, Bytes)>,
}

impl<S: Subscriber> Layer<S> for Tail {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if self.to.receiver_count() == 0 {
            return;
        }
        let metadata = event.metadata();
        let level = match *metadata.level() {
            tracing::Level::ERROR => Level::Error,
            tracing::Level::WARN => Level::Warn,
            tracing::Level::INFO => Level::Info,
            _ => Level::Debug,
        };
        let mut fields = Fields(Map::new());
        fields.text("level", level.name().to_owned());
        fields.text("ts", Stamp::of(std::time::SystemTime::now()).rfc3339());
        fields.text("logger", logger(metadata.target()).to_owned());
        fields.text("caller", format!("{}:{}", metadata.file().unwrap_or("?"), metadata.line().unwrap_or(0)));
        event.record(&mut fields);
        let line = format!("{}\n", Value::Object(fields.0));
        // Nobody reads any more.
        let _ = self.to.send((level, line.into()));
    }
}

/// The subsystem of a target, or the target itself.
fn logger(target: &str) -> &str {
    let all = SUBSYSTEMS.iter().flat_map(|(name, targets)| targets.iter().map(move |target| (*name, *target)));
    let best = all.filter(|(_, prefix)| target.starts_with(prefix)).max_by_key(|(_, prefix)| prefix.len());
    best.map_or(target, |(name, _)| name)
}

struct Fields(Map<String, Value>);

impl Fields {
    fn text(&mut self, name: &str, text: String) {
        let name = if name == "message" { "msg" } else { name };
        self.0.insert(name.to_owned(), Value::String(text));
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = write!(text, "{value:?}");
        self.text(field.name(), text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_as_kubo_reads_them() {
        let (levels, targets) = Levels::read("info, dht=debug,swarm2=warn,merkury_net::host=trace,nonsense");
        assert_eq!(levels, Levels { default: Level::Info, own: BTreeMap::from([("dht", Level::Debug)]) });
        assert_eq!(targets, [("merkury_net::host".to_owned(), LevelFilter::TRACE)]);
        assert_eq!((levels.of("dht"), levels.of("store")), (Level::Debug, Level::Info));
        let filter = levels.filter();
        assert!(filter.would_enable("merkury_net::routing::dht", &tracing::Level::DEBUG));
        assert!(!filter.would_enable("merkury_net::host", &tracing::Level::DEBUG));
        assert_eq!(Levels::read("").0.default, Level::Error);
    }

    #[test]
    fn the_longest_target_names_the_subsystem() {
        assert_eq!(logger("merkury_net::routing::dht"), "dht");
        assert_eq!(logger("merkury_net::host::actor"), "net");
        assert_eq!(logger("merkury_store::blocks"), "store");
        assert_eq!(logger("elsewhere"), "elsewhere");
    }
}
