//! The numbers we answer with, all in one place. Clients decide features by the Kubo version, so RPC answers name the
//! Kubo release whose behaviour we keep; peers are told our own name instead.

use serde::{Deserialize, Serialize};

/// The Kubo release whose command line and RPC these are.
pub const KUBO_VERSION: &str = "0.43.1";
/// Our own version.
pub const MERKURY_VERSION: &str = env!("CARGO_PKG_VERSION");
/// The repository version of that Kubo.
pub const REPO_VERSION: u32 = 18;
/// What `id` answers as `AgentVersion`, and what the `Server` header starts with.
pub const RPC_AGENT: &str = concat!("kubo/0.43.1/merkury-", env!("CARGO_PKG_VERSION"));
/// What stands where Kubo names the commit of its build: who this is.
pub const COMMIT: &str = concat!("merkury-", env!("CARGO_PKG_VERSION"));
/// The `Server` header; Kubo's tests compare it with `version -n`.
pub const SERVER_HEADER: &str = "kubo/0.43.1";
/// The `User-Agent` our client sends. It does not contain `/kubo/`: Kubo refuses other versions of itself.
pub const USER_AGENT: &str = concat!("merkury/", env!("CARGO_PKG_VERSION"));

/// The answer of `version`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct VersionInfo {
    /// The Kubo version.
    pub version: String,
    /// The commit of the build; here, who answers.
    pub commit: String,
    /// Repository version.
    pub repo: String,
    /// Machine and system as Go names them.
    pub system: String,
    /// Where Kubo names its Go: the compiler of this program.
    pub golang: String,
    /// Who answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub implementation: Option<String>,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub implementation_version: Option<String>,
}

impl VersionInfo {
    /// Of this program.
    pub fn current() -> Self {
        Self {
            version: KUBO_VERSION.into(),
            commit: COMMIT.into(),
            repo: REPO_VERSION.to_string(),
            system: format!("{}/{}", go_arch(), go_os()),
            golang: "rust".into(),
            implementation: Some("merkury".into()),
            implementation_version: Some(MERKURY_VERSION.into()),
        }
    }

    /// The four lines of `version --all`, which the daemon prints too.
    pub fn block(&self) -> String {
        let commit = if self.commit.is_empty() { String::new() } else { format!("-{}", self.commit) };
        format!(
            "Kubo version: {}{commit}\nRepo version: {}\nSystem version: {}\nGolang version: {}\n",
            self.version, self.repo, self.system, self.golang
        )
    }
}

fn go_arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}

fn go_os() -> &'static str {
    match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    }
}
