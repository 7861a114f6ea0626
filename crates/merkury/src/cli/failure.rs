//! Errors as people and scripts see them, and exit codes.

use std::io::{self, Write};

use merkury_api::ApiError;
use merkury_commands::op::TextError;
use merkury_commands::text::harmless;
use merkury_core::ErrorKind;

use super::Personality;

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
    /// A command line that makes no sense.
    pub(crate) fn usage(message: String, hint: &str) -> Self {
        Self::Usage(ApiError::invalid(message).hint(hint))
    }

    /// Prints it and names the exit code.
    pub(crate) fn report(self, personality: Personality) -> i32 {
        let code = self.code(personality);
        let (error, command) = match self {
            Self::Usage(error) | Self::NoRepository(error) | Self::Failed(error) => (error, None),
            Self::Misused { error, command } => (error, Some(command)),
            Self::OutputClosed => return code,
        };
        let text = match personality {
            Personality::Ipfs if command.is_some() => format!(
                "Error: {}\nUse '{} --help' for information about this command\n",
                error.message,
                command.unwrap_or_default()
            ),
            Personality::Ipfs => format!("Error: {}\n", error.message),
            Personality::Merkury => friendly(&error),
        };
        // Nowhere left to say it when standard error is closed.
        let _ = io::stderr().write_all(harmless(&text).as_bytes());
        code
    }

    /// As `ipfs` 1 for everything; as `merkury` a number that scripts can tell apart.
    fn code(&self, personality: Personality) -> i32 {
        if personality == Personality::Ipfs {
            return 1;
        }
        match self {
            Self::Usage(_) => 2,
            Self::NoRepository(_) => 10,
            Self::OutputClosed => 1,
            Self::Failed(error) | Self::Misused { error, .. } => match error.kind {
                ErrorKind::NotFound => 3,
                ErrorKind::Timeout => 4,
                ErrorKind::Unavailable => 5,
                ErrorKind::Denied => 6,
                ErrorKind::Busy | ErrorKind::NoSpace => 7,
                ErrorKind::Conflict => 8,
                ErrorKind::Invalid | ErrorKind::Corrupt | ErrorKind::Internal => 1,
            },
        }
    }
}

/// `error:` what failed, `cause:` why, `help:` what to try, one a line.
fn friendly(error: &ApiError) -> String {
    let message = error.message.trim_end();
    let (what, cause) = match message.split_once(": ") {
        Some((what, cause)) if !what.contains(['"', '\'', '/']) => (what, Some(cause)),
        _ => (message, None),
    };
    let mut text = format!("error: {what}\n");
    text.extend(cause.map(|cause| format!("cause: {cause}\n")));
    text.extend(error.hints.iter().map(|hint| format!("help:  {hint}\n")));
    text
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
        Self::Failed(ApiError::internal(format!("cannot write the output: {error}")))
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
    fn people_get_the_cause_and_what_to_try() {
        let error = ApiError::not_found("cannot read the file: it is gone").hint("merkury ls CID");
        assert_eq!(friendly(&error), "error: cannot read the file\ncause: it is gone\nhelp:  merkury ls CID\n");
    }

    #[test]
    fn scripts_of_kubo_see_one() {
        for failure in [Failure::usage("x".into(), "y"), Failure::Failed(ApiError::not_found("x"))] {
            assert_eq!(failure.code(Personality::Ipfs), 1);
        }
        assert_eq!(Failure::Failed(ApiError::not_found("x")).code(Personality::Merkury), 3);
    }
}
