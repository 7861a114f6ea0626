//! Where a call runs: on the daemon that `--api` or the repository's `api` file names, or on a node in process.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use merkury_api::ApiError;
use merkury_commands::op::{Call, Cx, Request, WireReply};
use merkury_commands::options::Options;
use merkury_commands::rpc::auth_header;
use merkury_commands::rpc::client::{Answer, CallError, Client, Target};
use merkury_commands::spec::{Place, Spec};
use merkury_commands::value::Value;
use merkury_commands::{AnyOp, Body};
use merkury_core::ErrorKind;

use super::inputs::Inputs;
use super::show::{self, Shown};
use super::{Failure, InitOptions, Personality, Session};

/// Runs a call and shows its answer.
pub(super) fn execute(
    session: &Session<'_>,
    op: &'static dyn AnyOp,
    repo: &Path,
    options: Options,
    inputs: Inputs,
) -> Result<(), Failure> {
    let mut call = Call { args: inputs.texts, options };
    op.prepare(&mut call, session.live);
    let timeout = call.options.timeout()?;
    show::form(session, &call)?;
    if call.options.is_given("api") && call.options.text("api").is_some_and(|api| api.is_empty()) {
        return Err(ApiError::invalid("--api needs the address of a daemon").into());
    }
    let place = op.spec().place;
    if place == Place::Anywhere && !call.options.is_given("api") {
        return anywhere(session, op, repo, call);
    }
    call.options.refuse(&["config-file"])?;
    if place == Place::Local {
        return alone(session, op, repo, &call, inputs.files, timeout);
    }
    let files = inputs.files;
    let total = if session.live { Inputs::count(&files) } else { Arc::default() };
    if let Some(client) = client(repo, &call.options)? {
        let body = |in_process| Inputs::body(files.clone(), &call.options, op.spec(), in_process);
        let forced = call.options.is_given("api");
        let outcome = remote(session, op, &client, &call, body(false), (timeout, total.clone()));
        match outcome {
            Err(Remote::Unreachable(error))
                if forced || !session.host.is_initialized(repo) || place == Place::Daemon =>
            {
                return Err(unreachable(&client, &error).into());
            }
            // The file was left behind by a daemon that was killed.
            Err(Remote::Unreachable(_)) => {}
            Err(Remote::Failed(failure)) => return Err(failure),
            Ok(()) => return Ok(()),
        }
        return local(session, op, repo, &call, body(true), (timeout, total));
    }
    if place == Place::Daemon {
        return Err(no_daemon(op.spec()).into());
    }
    let body = Inputs::body(files, &call.options, op.spec(), true);
    local(session, op, repo, &call, body, (timeout, total))
}

/// Work that needs the repository for itself.
fn alone(
    session: &Session<'_>,
    op: &'static dyn AnyOp,
    repo: &Path,
    call: &Call,
    files: Vec<merkury_commands::input::Place>,
    timeout: Option<Duration>,
) -> Result<(), Failure> {
    if call.options.is_given("api") {
        return Err(ApiError::invalid("api flag specified but command cannot be run on the daemon").into());
    }
    // `files chroot` says itself that somebody has the repository, in other words.
    let says_itself = op.spec().path == "files/chroot";
    if !says_itself && session.host.is_initialized(repo) && session.host.is_locked(repo) {
        return Err(daemon_is_running().into());
    }
    let body = Inputs::body(files, &call.options, op.spec(), true);
    local(session, op, repo, call, body, (timeout, Arc::default()))
}

/// The answer of a command that needs the repository for itself, when somebody has it.
pub(super) fn daemon_is_running() -> ApiError {
    let message = "ipfs daemon is running. please stop it to run this command";
    ApiError::new(ErrorKind::Busy, message).hint("merkury shutdown stops it")
}

/// The answer of a command that only a daemon can carry out.
fn no_daemon(spec: &Spec) -> ApiError {
    let message = match spec.path {
        "shutdown" => "daemon not running".to_owned(),
        path => format!("command must be run on the daemon: [{}]", path.replace('/', " ")),
    };
    ApiError::new(ErrorKind::Unavailable, message).hint("merkury daemon starts it")
}

/// What needs no repository needs no runtime either.
pub(super) fn anywhere(session: &Session<'_>, op: &'static dyn AnyOp, repo: &Path, call: Call) -> Result<(), Failure> {
    let mut shown = Shown::new(session, op, &call);
    let request = Request { call: call.clone(), body: Body::None };
    let reply = op.run(Cx::without_node(repo.to_owned()), request).now_or_never();
    match reply {
        Some(Ok(WireReply::One(line))) => {
            shown.item(&line)?;
            shown.finish()
        }
        Some(Err(error)) => Err(error.into()),
        Some(Ok(WireReply::Stream(mut items))) => {
            while let Some(next) = items.next().now_or_never() {
                let Some(item) = next else { return shown.finish() };
                shown.item(&item?)?;
            }
            Err(ApiError::internal("this command waits for something it may not need").into())
        }
        Some(Ok(_)) | None => Err(ApiError::internal("this command waits for something it may not need").into()),
    }
}

/// The daemon to ask, if one is named.
fn client(repo: &Path, options: &Options) -> Result<Option<Client>, Failure> {
    let address = match options.text("api") {
        Some(address) => Some(address),
        None => match std::fs::read_to_string(repo.join("api")) {
            Ok(address) => Some(address),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                return Err(merkury_commands::input::io_error("open", &repo.join("api"), &error).into());
            }
        },
    };
    let Some(address) = address else { return Ok(None) };
    let authorization = options.text("api-auth").map(|secret| auth_header(&secret)).filter(|header| !header.is_empty());
    Ok(Some(Client { target: Target::parse(&address)?, authorization }))
}

fn unreachable(client: &Client, error: &std::io::Error) -> ApiError {
    let message = "cannot connect to the api. Is the daemon running? To run as a standalone CLI command remove the api \
                   file in `$IPFS_PATH/api`";
    let where_to = match &client.target {
        Target::Tcp { host, port } => format!("{host}:{port}"),
        Target::Unix(path) => path.display().to_string(),
    };
    ApiError::new(ErrorKind::Unavailable, message)
        .hint(format!("nobody answers at {where_to}: {error}"))
        .hint("merkury daemon starts one")
}

enum Remote {
    Unreachable(std::io::Error),
    Failed(Failure),
}

fn remote(
    session: &Session<'_>,
    op: &'static dyn AnyOp,
    client: &Client,
    call: &Call,
    body: Body,
    (timeout, total): (Option<Duration>, Arc<AtomicU64>),
) -> Result<(), Remote> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    let runtime = runtime.map_err(|error| Remote::Failed(no_runtime(&error)))?;
    let request = Request { call: call.clone(), body };
    let work = async {
        let answer = client.call(op.spec(), request).await.map_err(|error| match error {
            CallError::Unreachable(error) => Remote::Unreachable(error),
            CallError::Failed(error) if error.kind == ErrorKind::Invalid => {
                let command = format!("{} {}", session.program, op.spec().path.replace('/', " "));
                Remote::Failed(Failure::Misused { error, command })
            }
            CallError::Failed(error) => Remote::Failed(error.into()),
        })?;
        let shown = Shown::new(session, op, call).with_total(total);
        match answer {
            Answer::Items(items) => shown.items(items).await,
            Answer::Bytes { length, stream } => shown.bytes(length, stream).await,
        }
        .map_err(Remote::Failed)
    };
    let outcome = runtime.block_on(async {
        match timeout {
            None => work.await,
            Some(limit) => {
                tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(Remote::Failed(timed_out().into())))
            }
        }
    });
    // A walk that reads standard input cannot be woken; it ends with the process.
    runtime.shutdown_background();
    outcome
}

fn timed_out() -> ApiError {
    ApiError::new(ErrorKind::Timeout, "context deadline exceeded")
}

fn no_runtime(error: &std::io::Error) -> Failure {
    ApiError::internal(format!("cannot start a runtime: {error}")).into()
}

fn local(
    session: &Session<'_>,
    op: &'static dyn AnyOp,
    repo: &Path,
    call: &Call,
    body: Body,
    (timeout, total): (Option<Duration>, Arc<AtomicU64>),
) -> Result<(), Failure> {
    ensure_repository(session, repo)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| no_runtime(&error))?;
    let request = Request { call: call.clone(), body };
    let outcome = runtime.block_on(async {
        let work = async {
            let node = session.host.open(repo).await?;
            let cx = Cx::new(node, repo.to_owned());
            let reply = op.run(cx, request).await?;
            let mut shown = Shown::new(session, op, call).with_total(total);
            match reply {
                WireReply::One(line) => {
                    if !line.is_empty() {
                        shown.item(&line)?;
                    }
                    shown.finish()
                }
                WireReply::Stream(items) => shown.items(items).await,
                WireReply::Bytes(bytes) => shown.bytes(bytes.length, bytes.stream).await,
            }
        };
        let outcome = match timeout {
            None => work.await,
            Some(limit) => tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(timed_out().into())),
        };
        session.host.close().await;
        outcome
    });
    runtime.shutdown_background();
    outcome
}

/// As `merkury` a missing repository is made; as `ipfs` it is an error in Kubo's words.
fn ensure_repository(session: &Session<'_>, repo: &Path) -> Result<(), Failure> {
    if session.host.is_initialized(repo) {
        return Ok(());
    }
    if session.personality == Personality::Ipfs {
        let message = format!("no IPFS repo found in {}.\nplease run: 'ipfs init'", repo.display());
        return Err(Failure::NoRepository(ApiError::not_found(message)));
    }
    session.host.init(repo, &InitOptions::default(), &mut std::io::sink())?;
    // Only a courtesy.
    let _ = std::io::Write::write_all(
        &mut std::io::stderr(),
        format!("new node: created {}. Nothing leaves this computer until you add or share.\n", repo.display())
            .as_bytes(),
    );
    Ok(())
}

/// Whether an option was switched on.
pub(super) fn is_on(call: &Call, name: &str) -> Option<bool> {
    match call.options.given().get(name) {
        Some(Value::Bool(on)) => Some(*on),
        _ => None,
    }
}
