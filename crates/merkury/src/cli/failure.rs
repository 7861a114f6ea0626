//! Errors as people and scripts see them, and exit codes.
//!
//! As `ipfs`: `Error: …` and 1. As `merkury`: `error[E008]: …` with `cause:` and `help:` lines below it (or, with `--json`, one
//! JSON object on standard error), and a number that scripts can tell apart. Codes stand in `merkury_commands::codes`.

use std::io::{self, Write};

use merkury_api::ApiError;
use merkury_commands::codes::{self, Code};
use merkury_commands::op::TextError;
use merkury_commands::text::harmless;
use serde_json::json;

use super::Personality;

/// Exit code of a command line that makes no sense.
const USAGE: i32 = 2;
/// Exit code when there is no repository.
const NO_REPOSITORY: i32 = 10;

/// How to tell of a failure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// In whose words.
    pub(crate) personality: Personality,
    /// As JSON.
    pub(crate) json: bool,
    /// With colour.
    pub(crate) color: bool,
}

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line makes no sense.
    Usage(ApiError),
    /// There is no repository.
    NoRepository(ApiError),
    /// The work failed.
    Failed(ApiError),
    /// A daemon says that the call makes no sense.
    Misused {
        /// What it says.
        error: ApiError,
        /// The command, for the line that says where to read on.
        command: String,
    },
    /// Nobody reads the output any more.
    OutputClosed,
}

impl Failure {
    /// A command line that makes no sense, with what to try, best first.
    pub(crate) fn usage(message: String, hints: impl IntoIterator<Item = String>) -> Self {
        Self::Usage(hints.into_iter().fold(ApiError::invalid(message), ApiError::hint))
    }

    /// What went wrong, unless nobody listens.
    pub(crate) fn error_mut(&mut self) -> Option<&mut ApiError> {
        match self {
            Self::Usage(error) | Self::NoRepository(error) | Self::Failed(error) | Self::Misused { error, .. } => {
                Some(error)
            }
            Self::OutputClosed => None,
        }
    }

    /// Prints it and names the exit code.
    pub(crate) fn report(self, manner: Manner) -> i32 {
        let exit = self.exit(manner.personality);
        let (error, command) = match self {
            Self::Usage(error) | Self::NoRepository(error) | Self::Failed(error) => (error, None),
            Self::Misused { error, command } => (error, Some(command)),
            Self::OutputClosed => return exit,
        };
        let text = match manner.personality {
            Personality::Ipfs => {
                let more = |command| format!("Use '{command} --help' for information about this command\n");
                format!("Error: {}\n{}", harmless(&error.message), command.map(more).unwrap_or_default())
            }
            Personality::Merkury if manner.json => as_json(&error, exit),
            Personality::Merkury => friendly(&error, manner.color),
        };
        // Nowhere left to say it when standard error is closed.
        let _ = io::stderr().write_all(text.as_bytes());
        exit
    }

    /// As `ipfs` 1 for everything; as `merkury` a number that scripts can tell apart.
    fn exit(&self, personality: Personality) -> i32 {
        if personality == Personality::Ipfs {
            return 1;
        }
        match self {
            Self::Usage(_) => USAGE,
            Self::NoRepository(_) => NO_REPOSITORY,
            Self::OutputClosed => 1,
            Self::Failed(error) | Self::Misused { error, .. } => codes::code_of(error).exit.into(),
        }
    }
}

/// Kubo's words that say little to a person, or name another program, and ours.
fn own_words(message: &str) -> String {
    const NETWORK: &str = "this needs the network, and no node runs";
    let message = message.trim_end();
    if let Some(rest) = message.strip_prefix("lock ")
        && let Some(repo) = rest.strip_suffix("/repo.lock: someone else has the lock")
    {
        return format!("{repo} is in use by another node");
    }
    match message {
        "context deadline exceeded" => "gave up waiting: the time of --timeout is over".into(),
        "this dag node is a directory" => "this is a directory, and a file is wanted".into(),
        _ if message.contains("must be run in online mode") => NETWORK.into(),
        _ => {
            let message =
                message.strip_prefix("lstat ").map_or_else(|| message.to_owned(), |rest| format!("cannot read {rest}"));
            message.replace("'ipfs ", "'merkury ")
        }
    }
}

/// What failed and why: an error's words up to the first colon, and the rest, unless the colon belongs to a name.
fn parts(error: &ApiError) -> (String, Option<String>) {
    let message = own_words(&error.message);
    match message.split_once(": ") {
        Some((what, cause)) if !what.contains(['"', '\'', '/']) => (what.to_owned(), Some(cause.to_owned())),
        _ => (message, None),
    }
}

/// What to try: what the error itself says, else what its code says.
fn hints(error: &ApiError, code: &Code) -> Vec<String> {
    if error.hints.is_empty() { vec![format!("merkury explain {}", code.id)] } else { error.hints.clone() }
}

/// `error[code]:` what failed, `cause:` why, `help:` what to try, one a line.
fn friendly(error: &ApiError, color: bool) -> String {
    let code = codes::code_of(error);
    let (what, cause) = parts(error);
    let word = |word: &str, sgr: &str| if color { format!("\x1b[{sgr}m{word}\x1b[0m") } else { word.to_owned() };
    let clean = |text: &str| harmless(text).replace('\n', "\n       ");
    let mut text = format!("{}: {}\n", word(&format!("error[{}]", code.id), "1;31"), clean(&what));
    text.extend(cause.map(|cause| format!("cause: {}\n", clean(&cause))));
    for hint in hints(error, code) {
        text.push_str(&format!("{}  {}\n", word("help:", "36"), clean(&hint)));
    }
    text
}

fn as_json(error: &ApiError, exit: i32) -> String {
    let code = codes::code_of(error);
    let (what, cause) = parts(error);
    let object = json!({
        "type": "error",
        "code": code.id,
        "message": what,
        "cause": cause,
        "help": hints(error, code),
        "exit": exit,
    });
    format!("{object}\n")
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Failed(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::OutputClosed;
        }
        let message = format!("cannot write the output: {error}");
        if error.kind() == io::ErrorKind::StorageFull {
            return Self::Failed(ApiError::internal(message).hint("df -h"));
        }
        Self::Failed(ApiError::internal(message))
    }
}

impl From<TextError> for Failure {
    fn from(error: TextError) -> Self {
        match error {
            TextError::Io(error) => error.into(),
            TextError::Failed(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_get_the_code_the_cause_and_what_to_try() {
        let error = ApiError::not_found("cannot read the file: it is gone").hint("merkury ls CID");
        assert_eq!(
            friendly(&error, false),
            "error[E025]: cannot read the file\ncause: it is gone\nhelp:  merkury ls CID\n"
        );
        assert_eq!(friendly(&ApiError::internal("x"), false), "error[E099]: x\nhelp:  merkury explain E099\n");
        let locked = ApiError::internal("lock /r/repo.lock: someone else has the lock").hint("merkury shutdown");
        assert_eq!(friendly(&locked, false), "error[E002]: /r is in use by another node\nhelp:  merkury shutdown\n");
        assert!(friendly(&error, true).starts_with("\x1b[1;31merror[E025]\x1b[0m: cannot"));
    }

    #[test]
    fn programs_get_one_object() {
        let error = ApiError::not_found("no link named \"x\" under QmA");
        let value: serde_json::Value = serde_json::from_str(&as_json(&error, 3)).unwrap();
        assert_eq!((&value["code"], &value["exit"]), (&json!("E015"), &json!(3)));
    }

    #[test]
    fn scripts_of_kubo_see_one() {
        for failure in [Failure::usage("x".into(), []), Failure::Failed(ApiError::not_found("x"))] {
            assert_eq!(failure.exit(Personality::Ipfs), 1);
        }
        assert_eq!(Failure::Failed(ApiError::not_found("x")).exit(Personality::Merkury), 3);
    }
}
