//! What the program does for its command line: repositories, nodes in process, the daemon.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use merkury_api::{ApiError, BoxFuture, KeyKind, Node};
use merkury_commands::version;
use merkury_core::ErrorKind;
use merkury_node::{OpenNode, config};
use serde_json::Value;

use crate::cli::{DaemonOptions, Host, InitOptions};
use crate::daemon::{self, RunOptions};
use crate::fdlimit;

/// Bits of an RSA identity when nothing is said, as Kubo has it.
const RSA_BITS: u32 = 2048;

/// The program as the host of its command line.
#[derive(Default)]
pub(crate) struct Program {
    /// The node that was opened in process, to be closed.
    open: Mutex<Option<OpenNode>>,
}

impl Host for Program {
    fn is_initialized(&self, repo: &Path) -> bool {
        repo.join("config").is_file()
    }

    fn config_file(&self, file: &Path) -> Result<Value, ApiError> {
        let text =
            std::fs::read_to_string(file).map_err(|error| merkury_commands::input::io_error("open", file, &error))?;
        Ok(config::without_secrets(&config::parse(&text)?))
    }

    fn is_locked(&self, repo: &Path) -> bool {
        merkury_node::is_locked(repo)
    }

    fn init(&self, repo: &Path, options: &InitOptions, out: &mut dyn Write) -> Result<(), ApiError> {
        let options = merkury_node::InitOptions {
            key: key_kind(options)?,
            profiles: options.profiles.clone(),
            config: options.config.as_deref().map(parse_config).transpose()?,
        };
        let kind = match options.key {
            KeyKind::Ed25519 => "ED25519".to_owned(),
            KeyKind::Secp256k1 => "secp256k1".to_owned(),
            KeyKind::Rsa(bits) => format!("{bits}-bit RSA"),
        };
        let made = merkury_node::init(repo, &options)?;
        let identity = match options.config {
            Some(_) => String::new(),
            None => format!("generating {kind} keypair...done\npeer identity: {}\n", made.peer_id),
        };
        let text = format!("{identity}initializing IPFS node at {}\n", repo.display());
        // The repository is there; a closed output changes nothing.
        let _ = out.write_all(text.as_bytes());
        Ok(())
    }

    fn daemon(&self, repo: &Path, options: &DaemonOptions) -> Result<(), ApiError> {
        if options.init && !self.is_initialized(repo) {
            self.init(repo, &options.init_options, &mut std::io::stdout())?;
        }
        check_version(repo)?;
        if options.raise_fd_limit {
            fdlimit::raise();
        }
        let node = OpenNode::open(repo)?;
        if let Some(routing) = &options.routing {
            check_routing(routing)?;
            node.override_setting("Routing.Type", Value::String(routing.clone()))?;
        }
        let configured = node.setting_list("Version.AgentSuffix")?.into_iter().next();
        let agent = match configured.as_ref().or(options.agent_suffix.as_ref()).filter(|suffix| !suffix.is_empty()) {
            Some(suffix) => format!("{}/{suffix}", version::USER_AGENT),
            None => version::USER_AGENT.to_owned(),
        };
        let DaemonOptions { offline, friendly, enable_gc, unrestricted_api, .. } = *options;
        let run = RunOptions { offline, friendly, enable_gc, unrestricted_api, agent };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| ApiError::internal(format!("cannot start the runtime: {error}")))?;
        let ended = runtime.block_on(daemon::run(node, run));
        // Tasks that did not end in time must not hold the exit up.
        runtime.shutdown_background();
        ended
    }

    fn open<'a>(&'a self, repo: &'a Path) -> BoxFuture<'a, Result<Arc<dyn Node>, ApiError>> {
        Box::pin(async move {
            let node = OpenNode::open(repo)?;
            *self.open.lock().unwrap_or_else(PoisonError::into_inner) = Some(node.clone());
            Ok(Arc::new(node) as Arc<dyn Node>)
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        Box::pin(async move {
            if let Some(node) = open {
                node.close().await;
            }
        })
    }
}

/// Values of `--routing`; the empty one and `default` leave it to the configuration.
fn check_routing(name: &str) -> Result<(), ApiError> {
    const KNOWN: [&str; 9] =
        ["auto", "autoclient", "custom", "default", "delegated", "dht", "dhtclient", "dhtserver", "none"];
    if name == "supernode" {
        return Err(ApiError::invalid("supernode routing was never fully implemented and has been removed"));
    }
    if name.is_empty() || KNOWN.contains(&name) {
        return Ok(());
    }
    Err(ApiError::invalid(format!("unrecognized routing option: {name}")).hint(format!("known: {}", KNOWN.join(", "))))
}

/// An older repository is not brought up to date here; programs that start daemons look for these words.
fn check_version(repo: &Path) -> Result<(), ApiError> {
    let text = std::fs::read_to_string(repo.join("version")).unwrap_or_default();
    let Ok(found) = text.trim().parse::<u32>() else { return Ok(()) };
    if found >= version::REPO_VERSION {
        return Ok(());
    }
    let line = format!(
        "Kubo repository at {} has version {found} and needs to be migrated to version {}.\n",
        repo.display(),
        version::REPO_VERSION
    );
    // The error below says the same to who reads standard error alone.
    let _ = std::io::stdout().write_all(line.as_bytes());
    Err(ApiError::invalid("fs-repo requires migration")
        .hint(format!("Kubo 0.38 or newer brings it to version {}: ipfs repo migrate", version::REPO_VERSION)))
}

fn key_kind(options: &InitOptions) -> Result<KeyKind, ApiError> {
    match options.algorithm.as_deref() {
        None | Some("ed25519") if options.bits.is_some() => {
            Err(ApiError::invalid("number of key bits not supported for ed25519 keys")
                .hint("leave --bits out, or use --algorithm=rsa"))
        }
        None | Some("ed25519") => Ok(KeyKind::Ed25519),
        Some("rsa") => Ok(KeyKind::Rsa(options.bits.unwrap_or(RSA_BITS))),
        Some("secp256k1") => Ok(KeyKind::Secp256k1),
        Some(other) => Err(ApiError::new(ErrorKind::Invalid, format!("unrecognized key type: {other}"))
            .hint("key types: ed25519, rsa, secp256k1")),
    }
}

fn parse_config(bytes: &[u8]) -> Result<Value, ApiError> {
    let text = std::str::from_utf8(bytes).map_err(|error| ApiError::invalid(format!("configuration: {error}")))?;
    Ok(config::parse(text)?)
}
