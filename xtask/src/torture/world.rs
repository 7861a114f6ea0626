//! The oracle: what a repository was told to keep, and whether it does.
//!
//! A [`Fact`] is something a user can ask for; its [`Value`] is the answer. What was acknowledged must be answered exactly.
//! Of a step whose acknowledgement was cut off, all of its change may be there or none of it, nothing between. What only an
//! unpinned block promised ends when a collection begins.

use crate::Res;
use crate::peer::node::Repo;
use crate::rng::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Something a user can ask a repository for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fact {
    /// The bytes of a file or of a raw block, by CID; or by CID, slash, name in a directory.
    Content(String),
    /// Whether a CID is pinned recursively.
    Pin(String),
    /// The bytes at a path of the mutable file system.
    File(String),
    /// The id of a named key.
    Key(String),
    /// The value of a configuration key.
    Setting(String),
}

/// The answer; `None` when it is not there.
pub(crate) type Value = Option<String>;

/// A change of several facts at once.
pub(crate) type Change = Vec<(Fact, Value)>;

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Content(cid) => write!(f, "the content of {cid}"),
            Self::Pin(cid) => write!(f, "the pin of {cid}"),
            Self::File(path) => write!(f, "the file {path}"),
            Self::Key(name) => write!(f, "the key {name}"),
            Self::Setting(key) => write!(f, "the setting {key}"),
        }
    }
}

/// Bytes in short: their number and a checksum (FNV-1a, which is enough to tell random bytes apart).
pub(crate) fn fingerprint(bytes: &[u8]) -> String {
    let sum = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{} bytes, sum {sum:016x}", bytes.len())
}

/// The configuration key that steps change; any duration will do.
pub(crate) const SETTING: &str = "Datastore.GCPeriod";

/// What commands say when something is simply not there, as opposed to damaged.
const ABSENT: &[&str] = &["could not find", "is not pinned", "not pinned or pinned indirectly", "file does not exist"];

impl Fact {
    /// Asks the repository with its command line. An answer that is neither the value nor "not there" is an error.
    pub(crate) fn ask(&self, repo: &Repo) -> Res<Value> {
        let args: Vec<&str> = match self {
            Self::Content(cid) => vec!["cat", "--offline", cid],
            Self::Pin(cid) => vec!["pin", "ls", "--type=recursive", "-q", cid],
            Self::File(path) => vec!["files", "read", path],
            Self::Key(_) => vec!["key", "list", "-l"],
            Self::Setting(key) => vec!["config", key],
        };
        let done = repo.cli(args).finish()?;
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        if done.timed_out || said.contains("panicked") {
            return Err(format!("{self}: {}{}", if done.timed_out { "no answer" } else { "a panic" }, done.said()));
        }
        if !done.status.success() {
            let absent = ABSENT.iter().any(|words| said.contains(words));
            return if absent { Ok(None) } else { Err(format!("{self}: {}{}", done.status, done.said())) };
        }
        Ok(match self {
            Self::Content(_) | Self::File(_) => Some(fingerprint(&done.stdout)),
            Self::Pin(_) => Some("recursive".to_owned()),
            Self::Setting(_) => Some(done.text()),
            Self::Key(name) => done.text().lines().find_map(|line| {
                let mut words = line.split_whitespace();
                let id = words.next()?;
                (words.next() == Some(name)).then(|| id.to_owned())
            }),
        })
    }
}

/// The CID at the beginning of a path.
pub(crate) fn root_of(path: &str) -> &str {
    path.split('/').next().unwrap_or(path)
}

/// Everything that was acknowledged.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    facts: BTreeMap<Fact, Value>,
    /// Numbers the names of files and keys.
    next: u64,
}

impl World {
    /// What a repository holds before anything was done.
    pub(crate) fn of(repo: &Repo) -> Res<Self> {
        let setting = Fact::Setting(SETTING.to_owned());
        let value = setting.ask(repo)?;
        Ok(Self { facts: BTreeMap::from([(setting, value)]), next: 0 })
    }

    /// A name that was not used before.
    pub(crate) fn new_name(&mut self) -> String {
        self.next += 1;
        format!("n{}", self.next)
    }

    /// All that was acknowledged.
    pub(crate) fn facts(&self) -> impl Iterator<Item = &Fact> {
        self.facts.keys()
    }

    /// What was acknowledged about a fact.
    pub(crate) fn value(&self, fact: &Fact) -> Option<&Value> {
        self.facts.get(fact)
    }

    /// A fact that is there and passes `filter`.
    pub(crate) fn pick(&self, rng: &mut Rng, filter: impl Fn(&Fact) -> bool) -> Option<Fact> {
        let all: Vec<&Fact> = self.facts.iter().filter(|(f, v)| v.is_some() && filter(f)).map(|(f, _)| f).collect();
        (!all.is_empty()).then(|| (*rng.pick(&all)).clone())
    }

    /// A change was acknowledged.
    pub(crate) fn acknowledge(&mut self, change: Change) {
        self.facts.extend(change);
    }

    /// A collection begins: what nothing keeps is promised no longer.
    pub(crate) fn collect(&mut self) {
        let pinned: BTreeSet<String> = self
            .facts
            .iter()
            .filter_map(|(fact, value)| match fact {
                Fact::Pin(cid) if value.is_some() => Some(cid.clone()),
                _ => None,
            })
            .collect();
        self.facts.retain(|fact, _| match fact {
            Fact::Content(path) => pinned.contains(root_of(path)),
            _ => true,
        });
    }

    /// The acknowledgement of `change` was cut off: it must be there as a whole or not at all. Takes over what is so.
    pub(crate) fn settle(&mut self, repo: &Repo, change: Change) -> Res<()> {
        let (mut new, mut old) = (true, true);
        let mut said = Vec::new();
        for (fact, value) in &change {
            let found = fact.ask(repo)?;
            let before = self.facts.get(fact).cloned().unwrap_or(None);
            new &= found == *value;
            // Blocks may be there before what names them is; the other way round something would be lost.
            old &= found == before || (matches!(fact, Fact::Content(_)) && found == *value);
            said.push(format!("{fact}: {found:?}, before {before:?}, after {value:?}"));
        }
        match (new, old) {
            (true, _) => self.acknowledge(change),
            (false, true) => {}
            (false, false) => return Err(format!("half of a change is there: {}", said.join("; "))),
        }
        Ok(())
    }

    /// One fact is as it was acknowledged.
    pub(crate) fn check(&self, repo: &Repo, fact: &Fact) -> Res<()> {
        let Some(wanted) = self.facts.get(fact) else { return Ok(()) };
        let found = fact.ask(repo)?;
        if found == *wanted {
            return Ok(());
        }
        Err(format!("{fact}: {found:?} instead of the acknowledged {wanted:?}"))
    }

    /// All facts are as they were acknowledged; returns how many.
    pub(crate) fn check_all(&self, repo: &Repo) -> Res<u64> {
        for fact in self.facts.keys() {
            self.check(repo, fact)?;
        }
        Ok(self.facts.len() as u64)
    }

    /// A few facts, the rest of the time others: what was acknowledged long ago must stay too.
    pub(crate) fn check_some(&self, repo: &Repo, rng: &mut Rng, count: usize) -> Res<()> {
        let all: Vec<&Fact> = self.facts.keys().collect();
        for _ in 0..count.min(all.len()) {
            self.check(repo, all[rng.below(all.len() as u64) as usize])?;
        }
        Ok(())
    }
}

/// Every stored block hashes to its name, and every pin is complete: a collection removes nothing otherwise.
pub(crate) fn check_whole(repo: &Repo) -> Res<()> {
    let verify = repo.cli(["repo", "verify"]).run().map_err(|e| format!("the repository is damaged: {e}"))?;
    if !verify.text().contains("all blocks validated") {
        return Err(format!("`repo verify` says: {}", verify.text()));
    }
    repo.cli(["repo", "gc", "-q"]).run().map(drop).map_err(|e| format!("a pin is not complete: {e}"))
}
