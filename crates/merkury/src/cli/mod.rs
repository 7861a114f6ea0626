//! The terminal: takes a command line apart, sends it to a daemon or to a node in process, shows the answer.
//!
//! It has no logic of its own: what a command does stands in `merkury-commands`, and both ways answer in the same
//! wire form. Parts: [`run`], `execute` (where a call runs), `inputs` (files and standard input), `show` (answers),
//! `unpack` (`get`), `keyfile` (`key export`), `failure` (errors and exit codes), `suggest` (what was meant), `waiting` (what a
//! silent command does), `progress` (the line at the bottom of a terminal).
//!
//! Start-up counts: no runtime, no repository and no socket before something needs one.

mod execute;
mod failure;
mod inputs;
mod keyfile;
mod progress;
mod show;
mod suggest;
mod unpack;
mod waiting;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use merkury_api::{ApiError, BoxFuture, Node};
use merkury_commands::op::{AnyOp, Call};
use merkury_commands::options::Options;
use merkury_commands::parse::{self, ParseError};
use merkury_commands::spec::Place;
use merkury_commands::value::Value;
use merkury_commands::version::REPO_VERSION;
use merkury_commands::{help, manual, near, tree};

pub(crate) use failure::Failure;

/// Whose command line this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Personality {
    /// Kubo's, to the letter.
    Ipfs,
    /// Our own.
    Merkury,
}

/// What the program itself does for the command line.
pub(crate) trait Host: Sync {
    /// Whether there is a repository.
    fn is_initialized(&self, repo: &Path) -> bool;
    /// A configuration file anywhere, without its secrets.
    fn config_file(&self, file: &Path) -> Result<serde_json::Value, ApiError>;
    /// Whether another process holds the repository.
    fn is_locked(&self, repo: &Path) -> bool;
    /// Makes a repository; `out` takes the lines of `ipfs init`.
    fn init(&self, repo: &Path, options: &InitOptions, out: &mut dyn Write) -> Result<(), ApiError>;
    /// Runs the daemon until it stops. Called without a runtime.
    fn daemon(&self, repo: &Path, options: &DaemonOptions) -> Result<(), ApiError>;
    /// Opens the repository in process, without a network.
    fn open<'a>(&'a self, repo: &'a Path) -> BoxFuture<'a, Result<Arc<dyn Node>, ApiError>>;
    /// Closes what [`Host::open`] opened: everything acknowledged is durable anyway.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// How to make a repository.
#[derive(Clone, Debug, Default)]
pub(crate) struct InitOptions {
    /// `ed25519` (default), `rsa` or `secp256k1`.
    pub(crate) algorithm: Option<String>,
    /// Bits of an RSA key.
    pub(crate) bits: Option<u32>,
    /// Profiles to apply.
    pub(crate) profiles: Vec<String>,
    /// The configuration to start from, as JSON.
    pub(crate) config: Option<Vec<u8>>,
}

/// How to run the daemon.
#[derive(Clone, Debug)]
pub(crate) struct DaemonOptions {
    /// No network.
    pub(crate) offline: bool,
    /// Make the repository when it is missing.
    pub(crate) init: bool,
    /// How.
    pub(crate) init_options: InitOptions,
    /// Text for people instead of Kubo's lines.
    pub(crate) friendly: bool,
    /// `--routing`, when given.
    pub(crate) routing: Option<String>,
    /// Collect garbage by itself.
    pub(crate) enable_gc: bool,
    /// Answer `/ipfs/` and `/ipns/` on the RPC's port too.
    pub(crate) unrestricted_api: bool,
    /// Raise the limit of open files.
    pub(crate) raise_fd_limit: bool,
    /// `--agent-version-suffix`, when given.
    pub(crate) agent_suffix: Option<String>,
}

/// What the rest of the command line needs to know.
struct Session<'a> {
    personality: Personality,
    program: String,
    host: &'a dyn Host,
    /// Items as JSON (`merkury … --json`).
    json: bool,
    /// Standard error is a terminal.
    live: bool,
    /// Standard error takes colours.
    color: bool,
}

/// Runs a command line; `args` starts with the program's name. Returns the exit code.
pub(crate) fn run(args: Vec<OsString>, personality: Personality, host: &dyn Host) -> i32 {
    let mut words: Vec<String> = args.into_iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    if !words.is_empty() {
        words.remove(0);
    }
    let mut personality = personality;
    if personality == Personality::Merkury && words.first().is_some_and(|word| word == "ipfs") {
        words.remove(0);
        personality = Personality::Ipfs;
    }
    let program = match personality {
        // However it was called: scripts compare what is printed.
        Personality::Ipfs => "ipfs".into(),
        Personality::Merkury => "merkury".into(),
    };
    as_command(&mut words);
    let json = personality == Personality::Merkury && take_json(&mut words);
    let live = std::io::stderr().is_terminal();
    let color = personality == Personality::Merkury && takes_color(live, |name| std::env::var(name).ok());
    let session = Session { personality, program, host, json, live, color };
    session.run(&words)
}

/// `--version` is `version`, `help add` is `add --help`.
fn as_command(words: &mut Vec<String>) {
    match words.first().map(String::as_str) {
        Some("--version") => words[0] = "version".into(),
        Some("help") => {
            words.remove(0);
            if words.first().is_none_or(|word| word != "--help") {
                words.push("--help".into());
            }
        }
        _ => {}
    }
}

/// `NO_COLOR` and `CLICOLOR_FORCE` decide, else whether there is a terminal that can show colours.
fn takes_color(live: bool, env: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name: &str| env(name).is_some_and(|value| !value.is_empty());
    if set("NO_COLOR") {
        return false;
    }
    if env("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty() && value != "0") {
        return true;
    }
    live && env("TERM").is_none_or(|term| term != "dumb")
}

/// Takes `--json` out of the words. Behind `config`, which has an option of that name, it means both.
fn take_json(words: &mut Vec<String>) -> bool {
    let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
    let Some(at) = words[..end].iter().position(|word| word == "--json") else { return false };
    if !words[..at].iter().any(|word| word == "config") {
        words.remove(at);
    }
    true
}

impl Session<'_> {
    fn run(&self, words: &[String]) -> i32 {
        let parsed = match parse::parse_for(words, self.personality == Personality::Merkury) {
            Ok(parsed) => parsed,
            Err(error) => return self.not_understood(error),
        };
        let options = &parsed.options;
        if options.flag("help") || options.flag("h") {
            return self.print(&self.help(&parsed.path, parsed.node, options.flag("help")));
        }
        let Some(op) = parsed.node.op else {
            if !parsed.inputs.is_empty() {
                let message = match self.personality {
                    Personality::Ipfs => format!("expected 0 argument(s), got {}", parsed.inputs.len()),
                    Personality::Merkury => {
                        format!("unknown command \"{} {}\"", parsed.path.join(" "), parsed.inputs[0])
                    }
                };
                return self.usage_error(&message, &parsed.path, parsed.node);
            }
            if parsed.path.is_empty() && self.personality == Personality::Merkury {
                return self.print(WELCOME);
            }
            return self.print(&self.help(&parsed.path, parsed.node, false));
        };
        let sorted = match inputs::sort(op.spec(), parsed.inputs, &parsed.options) {
            Ok(sorted) => sorted,
            Err(inputs::SortError::Usage(message)) => {
                return self.usage_error(&message, &parsed.path, parsed.node);
            }
            Err(inputs::SortError::Input(message)) => {
                return Failure::from(ApiError::invalid(message)).report(self.manner());
            }
        };
        let repo = match self.repo(&parsed.options) {
            Ok(repo) => repo,
            Err(failure) => return failure.report(self.manner()),
        };
        let (mut options, texts) = (parsed.options, sorted.texts.clone());
        if op.spec().path == "commands" && self.personality == Personality::Merkury {
            options.set("own", Value::Bool(true));
        }
        let outcome = match op.spec().place {
            _ if op.spec().path == "config/show" && options.is_given("config-file") => {
                self.host.config_file(&config_file(&repo, &options)).map_err(Failure::from).and_then(|shown| {
                    let call = Call { args: Vec::new(), options: options.clone() };
                    show::one(self, op, &call, &shown)
                })
            }
            Place::Terminal => self.terminal(op, &repo, &options, sorted),
            _ => execute::execute(self, op, &repo, options.clone(), sorted),
        };
        let Err(mut failure) = outcome else { return 0 };
        if self.personality == Personality::Merkury {
            suggest::enrich(self, &mut failure, &repo, &options, &texts);
        }
        failure.report(self.manner())
    }

    /// Progress comes as plain lines: for people who read a log later.
    fn tells_in_lines(&self) -> bool {
        self.personality == Personality::Merkury && !self.live && !self.json
    }

    fn manner(&self) -> failure::Manner {
        failure::Manner { personality: self.personality, json: self.json, color: self.color }
    }

    fn help(&self, path: &[&str], node: &tree::Node, long: bool) -> String {
        if long { help::long(&self.program, path, node) } else { help::short(&self.program, path, node) }
    }

    fn print(&self, text: &str) -> i32 {
        match std::io::stdout().write_all(text.as_bytes()) {
            Ok(()) => 0,
            Err(_) => 1,
        }
    }

    fn not_understood(&self, error: ParseError) -> i32 {
        let asks_help = error.options.given().get("help") == Some(&Value::Bool(true));
        match error.node {
            Some(node) if asks_help => self.print(&self.help(&error.path, node, true)),
            Some(node) => self.usage_error(&error.message, &error.path, node),
            None => self.unknown_command(&error.message),
        }
    }

    fn usage_error(&self, message: &str, path: &[&str], node: &tree::Node) -> i32 {
        let mut hints =
            if self.personality == Personality::Merkury { near_hints(message, path, node) } else { Vec::new() };
        let words: Vec<&str> = std::iter::once(self.program.as_str()).chain(path.iter().copied()).collect();
        hints.push(format!("{} --help", words.join(" ")));
        let code = Failure::usage(message.to_owned(), hints).report(self.manner());
        // As Kubo: an option that does not exist says enough.
        if self.personality == Personality::Ipfs && !message.starts_with("unknown option") {
            let text = format!("\n{}", self.help(path, node, false));
            // The message is out; a closed standard error changes nothing.
            let _ = std::io::stderr().write_all(text.as_bytes());
        }
        code
    }

    /// Kubo's words end with what it thinks was meant; ours come as hints.
    fn unknown_command(&self, message: &str) -> i32 {
        if self.personality == Personality::Ipfs {
            return Failure::usage(message.to_owned(), []).report(self.manner());
        }
        let first = message.lines().next().unwrap_or_default();
        let word = first.split('"').nth(1).unwrap_or_default();
        let near = near::nearest(word, tree::root().children.keys().copied());
        let hints = near.iter().map(|name| format!("merkury {name}"));
        let hints = hints.chain(["merkury --help lists all commands".to_owned()]);
        Failure::usage(format!("unknown command {word:?}"), hints).report(self.manner())
    }

    /// The repository of this call: `--repo-dir`, `--config`, `IPFS_PATH`, or the usual place.
    fn repo(&self, options: &Options) -> Result<PathBuf, Failure> {
        let given = options.text("repo-dir").or_else(|| options.text("config")).map(PathBuf::from);
        match given.or_else(|| default_repo(self.personality)) {
            Some(path) => Ok(path),
            None => Err(ApiError::invalid("cannot find the home directory; set IPFS_PATH").into()),
        }
    }

    /// Commands that the program itself carries out.
    fn terminal(
        &self,
        op: &'static dyn AnyOp,
        repo: &Path,
        options: &Options,
        inputs: inputs::Inputs,
    ) -> Result<(), Failure> {
        match op.spec().path {
            "init" => {
                if self.host.is_locked(repo) {
                    return Err(execute::daemon_is_running().into());
                }
                let init = init_options(options, inputs.config()?);
                if !self.json {
                    return Ok(self.host.init(repo, &init, &mut std::io::stdout())?);
                }
                let mut lines = Vec::new();
                self.host.init(repo, &init, &mut lines)?;
                let text = String::from_utf8_lossy(&lines).into_owned();
                let peer = text.lines().find_map(|line| line.strip_prefix("peer identity: ")).unwrap_or_default();
                show::print_json(&serde_json::json!({ "PeerID": peer, "Path": repo.display().to_string() }))
            }
            "man" => self.manual(options, &inputs),
            "daemon" => Ok(self.host.daemon(repo, &self.daemon_options(options)?)?),
            "config/edit" => edit_config(&config_file(repo, options)),
            "repo/migrate" => migrate(repo, options, self.host.is_locked(repo), self.json),
            _ => {
                let call = Call { args: inputs.texts, options: options.clone() };
                execute::anywhere(self, op, repo, call, merkury_commands::Body::None)
            }
        }
    }

    /// Writes the manual pages, or prints the reference.
    fn manual(&self, options: &Options, inputs: &inputs::Inputs) -> Result<(), Failure> {
        if options.flag("markdown") {
            return Ok(std::io::stdout().write_all(manual::markdown().as_bytes())?);
        }
        let Some(dir) = inputs.texts.first().map(Path::new) else {
            return Err(Failure::usage(
                "argument \"dir\" is required".into(),
                ["merkury man ~/.local/share/man/man1".into(), "merkury man --markdown prints one page".into()],
            ));
        };
        let failed =
            |what: &str, path: &Path, error: &std::io::Error| merkury_commands::input::io_error(what, path, error);
        std::fs::create_dir_all(dir).map_err(|error| failed("mkdir", dir, &error))?;
        let pages = manual::pages();
        for (name, text) in &pages {
            let path = dir.join(name);
            std::fs::write(&path, text).map_err(|error| failed("open", &path, &error))?;
        }
        if self.json {
            return show::print_json(&serde_json::json!({ "Pages": pages.len(), "Path": dir.display().to_string() }));
        }
        Ok(writeln!(std::io::stdout(), "wrote {} pages to {}", pages.len(), dir.display())?)
    }

    fn daemon_options(&self, options: &Options) -> Result<DaemonOptions, Failure> {
        if options.flag("mount") && options.is_offline() {
            return Err(ApiError::invalid("mount is not currently supported in offline mode").into());
        }
        options.refuse(&["mount", "disable-transport-encryption"])?;
        let mut init_options = InitOptions { profiles: profiles(options, "init-profile"), ..InitOptions::default() };
        if let Some(path) = options.text("init-config") {
            let read = std::fs::read(&path)
                .map_err(|error| merkury_commands::input::io_error("open", Path::new(&path), &error))?;
            init_options.config = Some(read);
        }
        let friendly = self.personality == Personality::Merkury;
        Ok(DaemonOptions {
            offline: options.is_offline(),
            init: options.flag("init") || friendly,
            init_options,
            friendly,
            routing: options.text("routing").filter(|_| options.is_given("routing")),
            enable_gc: options.flag("enable-gc"),
            unrestricted_api: options.flag("unrestricted-api"),
            raise_fd_limit: options.flag("manage-fdlimit"),
            agent_suffix: options.text("agent-version-suffix"),
        })
    }
}

/// What `merkury` alone prints.
const WELCOME: &str = "\
merkury is a node of IPFS: files by what they are, from whoever has them.

  merkury add FILE           keep a file or directory; prints its CID
  merkury cat CID            print a file, from here or from a peer
  merkury get CID            save a file or directory here
  merkury daemon             run the node: ask peers and answer them
  merkury name publish CID   point a name of yours at something
  merkury du                 what keeps how much
  merkury doctor             look for what commonly goes wrong

merkury --help lists all commands, merkury COMMAND --help says more of one.
";

/// Options or commands that a usage error may have meant.
fn near_hints(message: &str, path: &[&str], node: &tree::Node) -> Vec<String> {
    let word = message.split('"').nth(1).unwrap_or_default();
    if message.ends_with("use the '-r' flag to specify directories") {
        return vec![format!("merkury {} -r {}", path.join(" "), message.split('\'').nth(1).unwrap_or("DIRECTORY"))];
    }
    if message.starts_with("unknown option") {
        let names: Vec<&str> = tree::options_of(path).iter().flat_map(|option| option.names.iter().copied()).collect();
        let dashes = |name: &&str| if name.chars().count() == 1 { format!("-{name}") } else { format!("--{name}") };
        return near::nearest(word, names).iter().map(dashes).collect();
    }
    let Some(last) = word.rsplit(' ').next().filter(|_| message.starts_with("unknown command")) else {
        return Vec::new();
    };
    let near = near::nearest(last, node.children.keys().copied());
    near.iter().map(|name| format!("merkury {} {name}", path.join(" "))).collect()
}

/// Where the repository is when nothing says otherwise.
pub(crate) fn default_repo(personality: Personality) -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let (own, folder) = match personality {
        Personality::Ipfs => (None, ".ipfs"),
        Personality::Merkury => (set("MERKURY_PATH"), ".merkury"),
    };
    own.or_else(|| set("IPFS_PATH")).or_else(|| set("HOME").map(|home| home.join(folder)))
}

/// The file of `--config-file`, else that of the repository. A bare name lies in the repository.
fn config_file(repo: &Path, options: &Options) -> PathBuf {
    let named = PathBuf::from(options.text("config-file").unwrap_or_else(|| "config".into()));
    if named.components().count() == 1 { repo.join(named) } else { named }
}

fn edit_config(file: &Path) -> Result<(), Failure> {
    let editor = std::env::var("EDITOR").unwrap_or_default();
    let mut words = editor.split_whitespace();
    let Some(program) = words.next() else {
        return Err(ApiError::invalid("ENV variable $EDITOR not set").hint("EDITOR=nano merkury config edit").into());
    };
    let failed = |why: String| Failure::from(ApiError::internal(why));
    let status = std::process::Command::new(program)
        .args(words)
        .arg(file)
        .status()
        .map_err(|error| failed(format!("exec: {program:?}: {error}")))?;
    match status.code() {
        Some(0) => Ok(()),
        Some(code) => Err(failed(format!("exit status {code}"))),
        None => Err(failed(format!("{program} was ended by a signal"))),
    }
}

/// There is one version that this program knows; whatever else is asked for is refused with what was found.
fn migrate(repo: &Path, options: &Options, is_locked: bool, json: bool) -> Result<(), Failure> {
    let file = repo.join("version");
    let text = std::fs::read_to_string(&file).map_err(|error| {
        merkury_commands::input::io_error("open", &file, &error).context("could not get current repo version")
    })?;
    let invalid = || ApiError::invalid(format!("could not get current repo version: {:?} is no version", text.trim()));
    let (found, wanted): (i64, i64) = (text.trim().parse().map_err(|_| invalid())?, options.int("to").unwrap_or(0));
    if found == wanted && json {
        return show::print_json(&serde_json::json!({ "Version": found, "Changed": false }));
    }
    if found == wanted {
        return Ok(writeln!(std::io::stdout(), "Repository is already at version {wanted}.")?);
    }
    if is_locked {
        let why = format!("lock {}: someone else has the lock", repo.join("repo.lock").display());
        return Err(ApiError::new(merkury_core::ErrorKind::Busy, why).hint("merkury shutdown stops the daemon").into());
    }
    if wanted < found && !options.flag("allow-downgrade") {
        let why = format!("downgrade from version {found} to {wanted} requires --allow-downgrade flag");
        return Err(ApiError::invalid(why).into());
    }
    let why = format!("this program works with repositories of version {REPO_VERSION} alone; this one has {found}");
    Err(ApiError::invalid(why).hint("Kubo 0.38 or newer brings an older repository to version 18").into())
}

fn init_options(options: &Options, config: Option<Vec<u8>>) -> InitOptions {
    InitOptions {
        algorithm: options.text("algorithm"),
        bits: options.int("bits").and_then(|bits| u32::try_from(bits).ok()),
        profiles: profiles(options, "profile"),
        config,
    }
}

fn profiles(options: &Options, name: &str) -> Vec<String> {
    let list = options.text(name).unwrap_or_default();
    list.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_that_want_them() {
        let with = |live: bool, set: &[(&str, &str)]| {
            takes_color(live, |name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
        };
        assert!(with(true, &[]) && !with(false, &[]));
        assert!(!with(true, &[("NO_COLOR", "1")]) && with(true, &[("NO_COLOR", "")]));
        assert!(with(false, &[("CLICOLOR_FORCE", "1")]) && !with(false, &[("CLICOLOR_FORCE", "0")]));
        assert!(!with(true, &[("TERM", "dumb")]));
    }
}
