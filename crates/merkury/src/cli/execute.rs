//! Where a call runs: on the daemon that `--api` or the repository's `api` file names, or on a node in process.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use merkury_api::{ApiError, ItemStream};
use merkury_commands::op::{Call, Cx, HeldReply, Request, WireReply};
use merkury_commands::options::Options;
use merkury_commands::rpc::auth_header;
use merkury_commands::rpc::client::{Answer, CallError, Client, Target};
use merkury_commands::spec::{Place, Spec};
use merkury_commands::value::Value;
use merkury_commands::{AnyOp, Body, tree};
use merkury_core::ErrorKind;

use super::inputs::Inputs;
use super::show::{self, Shown};
use super::waiting::{self, Activity};
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
    op.prepare(&mut call, session.live || session.tells_in_lines());
    let timeout = call.options.timeout()?;
    show::form(session, op, &call)?;
    if call.options.is_given("api") && call.options.text("api").is_some_and(|api| api.is_empty()) {
        return Err(ApiError::invalid("--api needs the address of a daemon").into());
    }
    let place = op.spec().place;
    if place == Place::Anywhere && !call.options.is_given("api") {
        let body = Inputs::body(inputs.files, inputs.exclude, &call.options, op.spec(), true);
        return anywhere(session, op, repo, call, body);
    }
    call.options.refuse(&["config-file"])?;
    let (files, exclude) = (inputs.files, inputs.exclude);
    if place == Place::Local {
        let body = Inputs::body(files, exclude, &call.options, op.spec(), true);
        return alone(session, op, repo, &call, body, timeout);
    }
    if place == Place::Beside {
        let body = Inputs::body(files, exclude, &call.options, op.spec(), true);
        return local(session, op, repo, &call, body, (timeout, Arc::default()));
    }
    // Without a terminal the rate must do: counting would look at every file once more.
    let total = if session.live { Inputs::count(&files) } else { Arc::default() };
    if let Some(client) = client(repo, &call.options)? {
        let body = |in_process| Inputs::body(files.clone(), exclude.clone(), &call.options, op.spec(), in_process);
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
    let body = Inputs::body(files, exclude, &call.options, op.spec(), true);
    local(session, op, repo, &call, body, (timeout, total))
}

/// Work that needs the repository for itself.
fn alone(
    session: &Session<'_>,
    op: &'static dyn AnyOp,
    repo: &Path,
    call: &Call,
    body: Body,
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

/// What needs no repository needs no runtime either, unless it reads files.
pub(super) fn anywhere(
    session: &Session<'_>,
    op: &'static dyn AnyOp,
    repo: &Path,
    call: Call,
    body: Body,
) -> Result<(), Failure> {
    let reads = !matches!(body, Body::None);
    let work = async {
        let mut shown = Shown::new(session, op, &call);
        let request = Request { call: call.clone(), body };
        match op.run(Cx::without_node(repo.to_owned()), request).await? {
            WireReply::One(line) => {
                shown.item(&line)?;
                shown.finish()
            }
            WireReply::Stream(items) => shown.items(items).await,
            WireReply::Bytes(bytes) => shown.bytes(bytes.length, bytes.stream).await,
        }
    };
    if reads {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        return runtime.map_err(|error| no_runtime(&error))?.block_on(work);
    }
    work.now_or_never()
        .unwrap_or_else(|| Err(ApiError::internal("this command waits for something it may not need").into()))
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
    let activity = Activity::default();
    let work = async {
        let answer = client.call(op.spec(), request).await.map_err(|error| match error {
            CallError::Unreachable(error) => Remote::Unreachable(error),
            CallError::Failed(error) if error.kind == ErrorKind::Invalid => {
                let command = format!("{} {}", session.program, op.spec().path.replace('/', " "));
                Remote::Failed(Failure::Misused { error, command })
            }
            CallError::Failed(error) => Remote::Failed(error.into()),
        })?;
        let shown = Shown::new(session, op, call).with_total(total).counted(activity.clone());
        match answer {
            Answer::Items(items) => shown.items(items).await,
            Answer::Bytes { length, stream } => shown.bytes(length, stream).await,
        }
        .map_err(Remote::Failed)
    };
    let outcome = runtime.block_on(async {
        let why = || waits_for(client);
        let work = told(session, op, &activity, why, work);
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

/// Runs work; as `merkury` with words about what it waits for.
async fn told<T, F: Future<Output = Option<String>>>(
    session: &Session<'_>,
    op: &'static dyn AnyOp,
    activity: &Activity,
    why: impl Fn() -> F,
    work: impl Future<Output = T>,
) -> T {
    if session.personality == Personality::Ipfs {
        return work.await;
    }
    waiting::telling(&op.spec().path.replace('/', " "), activity, session.live, why, work).await
}

/// What a daemon waits for: blocks it wants, and how many peers it can ask.
async fn waits_for(client: &Client) -> Option<String> {
    let ask = |path: &'static str| async move {
        let items = answers(client, path, &[], &[]);
        tokio::time::timeout(FACTS_WAIT, items).await.unwrap_or_default().into_iter().next()
    };
    let wanted = ask("bitswap/wantlist").await?;
    let wanted = wanted.get("Keys").and_then(|keys| keys.as_array()).cloned().unwrap_or_default();
    let first = wanted.first().and_then(|key| key.get("/")).and_then(|cid| cid.as_str())?.to_owned();
    let peers = ask("swarm/peers").await?;
    let peers = peers.get("Peers").and_then(|peers| peers.as_array()).map_or(0, Vec::len);
    let more = match wanted.len() {
        1 => String::new(),
        many => format!(" and {} more blocks", many - 1),
    };
    Some(match peers {
        0 => format!("waiting for {first}{more}: no peer is connected to ask (merkury doctor)"),
        peers => format!("waiting for {first}{more}: {peers} connected peers asked, looking for others that have it"),
    })
}

/// How long facts about a wait may take.
const FACTS_WAIT: Duration = Duration::from_secs(1);

/// Items of a command that a daemon answers; none when anything fails.
async fn answers(client: &Client, path: &str, args: &[&str], set: &[(&str, Value)]) -> Vec<serde_json::Value> {
    let Some((op, call)) = call_of(path, args, set) else { return Vec::new() };
    let Ok(Answer::Items(items)) = client.call(op.spec(), Request { call, body: Body::None }).await else {
        return Vec::new();
    };
    values(items).await
}

fn call_of(path: &str, args: &[&str], set: &[(&str, Value)]) -> Option<(&'static dyn AnyOp, Call)> {
    let op = tree::find(path.split('/'))?.op?;
    let mut options = Options::new(op.spec());
    set.iter().for_each(|(name, value)| options.set(name, value.clone()));
    Some((op, Call { args: args.iter().map(|arg| (*arg).to_owned()).collect(), options }))
}

async fn values(items: ItemStream<Bytes>) -> Vec<serde_json::Value> {
    let items = items
        .take(VALUES_MAX)
        .filter_map(|item| std::future::ready(item.ok().and_then(|line| serde_json::from_slice(&line).ok())));
    items.collect().await
}

/// Items looked at for a suggestion.
const VALUES_MAX: usize = 10_000;

/// Items that a command answers, from the daemon if one runs, else in process; none when anything fails or takes longer.
pub(super) fn ask(
    session: &Session<'_>,
    repo: &Path,
    options: &Options,
    path: &str,
    args: &[&str],
    set: &[(&str, Value)],
    wait: Duration,
) -> Vec<serde_json::Value> {
    if !session.host.is_initialized(repo) {
        return Vec::new();
    }
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() else {
        return Vec::new();
    };
    let client = client(repo, options).ok().flatten();
    let work = async {
        if let Some(client) = &client {
            return answers(client, path, args, set).await;
        }
        let Some((op, mut call)) = call_of(path, args, set) else { return Vec::new() };
        call.options.set("offline", Value::Bool(true));
        let Ok(node) = session.host.open(repo).await else { return Vec::new() };
        let reply = op.run(Cx::new(node, repo.to_owned()), Request { call, body: Body::None }).await;
        let found = match reply {
            Ok(WireReply::One(line)) => serde_json::from_slice(&line).into_iter().collect(),
            Ok(WireReply::Stream(items)) => values(items).await,
            _ => Vec::new(),
        };
        session.host.close().await;
        found
    };
    let found = runtime.block_on(async { tokio::time::timeout(wait, work).await.unwrap_or_default() });
    runtime.shutdown_background();
    found
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
    let activity = Activity::default();
    let outcome = runtime.block_on(async {
        let work = async {
            let node = session.host.open(repo).await?;
            let cx = Cx::new(node, repo.to_owned());
            let mut shown = Shown::new(session, op, call).with_total(total).counted(activity.clone());
            let reply = match shown.wants_json() {
                true => op.run(cx, request).await?,
                false => match op.run_held(cx, request).await? {
                    HeldReply::Items(items) => return shown.held_items(items).await,
                    HeldReply::Wire(reply) => reply,
                },
            };
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
        let work = told(session, op, &activity, || std::future::ready(None), work);
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
