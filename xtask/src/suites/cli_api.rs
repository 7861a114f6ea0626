//! Kubo's command line drives our daemon, and ours drives Kubo's: the same commands through `--api`, the same output.
//!
//! Each step runs on both pairs; what is printed has to be equal after the peer id is replaced, so both programs answer
//! for each other as client and as server.

use super::Context;
use crate::Res;
use crate::paths::{self, Scratch};
use crate::peer::node::{Daemon, Repo};
use crate::rng::Rng;
use crate::say::Tally;

/// One command; `$NAME` stands for what an earlier step of that name printed.
struct Step {
    name: &'static str,
    args: &'static [&'static str],
    stdin: &'static str,
}

const fn step(name: &'static str, args: &'static [&'static str]) -> Step {
    Step { name, args, stdin: "" }
}

const STEPS: &[Step] = &[
    step("add", &["add", "-r", "--progress=false", "$DIR/tree"]),
    step("root", &["add", "-r", "-Q", "$DIR/tree"]),
    Step { name: "stdin", args: &["add", "-q"], stdin: "from standard input\n" },
    step("wrapped", &["add", "-w", "-q", "$DIR/tree/a.txt"]),
    step("only-hash", &["add", "-n", "-Q", "$DIR/big"]),
    step("big", &["add", "-Q", "--cid-version=1", "--chunker=size-1000", "$DIR/big"]),
    step("cat", &["cat", "$stdin"]),
    step("cat part", &["cat", "--offset=5", "--length=8", "$stdin"]),
    step("cat path", &["cat", "/ipfs/$root/a.txt"]),
    step("ls", &["ls", "$root"]),
    step("ls headers", &["ls", "-v", "$root"]),
    step("refs", &["refs", "-r", "$root"]),
    step("pin ls", &["pin", "ls", "--type=recursive", "$root"]),
    step("pin rm", &["pin", "rm", "$root"]),
    step("pin add", &["pin", "add", "--progress=false", "$root"]),
    Step { name: "block", args: &["block", "put"], stdin: "a raw block" },
    step("block get", &["block", "get", "$block"]),
    step("block stat", &["block", "stat", "$block"]),
    step("block rm", &["block", "rm", "$block"]),
    Step { name: "dag", args: &["dag", "stat", "--progress=false", "$root"], stdin: "" },
    step("files mkdir", &["files", "mkdir", "-p", "/a/b"]),
    Step { name: "files write", args: &["files", "write", "--create", "/a/b/c"], stdin: "in MFS" },
    step("files read", &["files", "read", "/a/b/c"]),
    step("files cp", &["files", "cp", "/ipfs/$root", "/a/tree"]),
    step("files ls", &["files", "ls", "-l", "/a"]),
    step("files stat", &["files", "stat", "/a"]),
    step("files rm", &["files", "rm", "-r", "/a"]),
    step("key gen", &["key", "gen", "--type=ed25519", "a-key"]),
    step("key ls", &["key", "ls"]),
    step("swarm peers", &["swarm", "peers"]),
    step("swarm addrs local", &["swarm", "addrs", "local"]),
    step("config", &["config", "Gateway.NoFetch"]),
    step("repo version", &["repo", "version"]),
];

pub(super) fn run(context: &Context, tally: &mut Tally) -> Res<()> {
    let scratch = Scratch::new("cli-api")?;
    let mut rng = Rng::new(context.seed);
    paths::make_dir(&scratch.join("tree/inner"))?;
    paths::write(&scratch.join("tree/a.txt"), "a\n")?;
    paths::write(&scratch.join("tree/inner/b.bin"), rng.bytes(300_000))?;
    paths::write(&scratch.join("big"), rng.bytes(1_000_000))?;

    let kubo = Repo::init(&context.kubo, &scratch.join("kubo"))?;
    let merkury = Repo::init(&context.merkury, &scratch.join("merkury"))?;
    let reference = Repo::init(&context.kubo, &scratch.join("reference"))?;
    let (kubo_daemon, our_daemon, reference_daemon) = (kubo.daemon(&[])?, merkury.daemon(&[])?, reference.daemon(&[])?);

    // Kubo on Kubo says what is right.
    let want = play(&reference, &reference_daemon, &scratch)?;
    for (name, client, daemon) in
        [("kubo drives merkury", &kubo, &our_daemon), ("merkury drives kubo", &merkury, &kubo_daemon)]
    {
        let got = play(client, daemon, &scratch)?;
        for ((step, want), got) in STEPS.iter().zip(&want).zip(got) {
            tally.check(&format!("{name}: {} ({})", step.name, step.args.join(" ")), compare(step, want, got));
        }
    }
    tally.check("our id as JSON", id_has_all_fields(&our_daemon));
    for daemon in [kubo_daemon, our_daemon, reference_daemon] {
        tally.check("stops", daemon.stop().map(drop));
    }
    Ok(())
}

/// Runs every step; a step that fails is its message.
fn play(client: &Repo, daemon: &Daemon, scratch: &Scratch) -> Res<Vec<Res<String>>> {
    let mut said: Vec<Res<String>> = Vec::new();
    for step in STEPS {
        let mut args = Vec::new();
        for arg in step.args {
            args.push(fill(arg, &said, scratch));
        }
        let exec = daemon.cli_of(client, args)?.stdin(step.stdin);
        said.push(exec.text());
    }
    Ok(said)
}

/// Replaces `$DIR` and `$step` by the folder and by what that step printed.
fn fill(arg: &str, said: &[Res<String>], scratch: &Scratch) -> String {
    let mut filled = arg.replace("$DIR", &scratch.path().display().to_string());
    for (step, said) in STEPS.iter().zip(said) {
        if let Ok(said) = said {
            filled = filled.replace(&format!("${}", step.name), said.lines().last().unwrap_or(""));
        }
    }
    filled
}

fn compare(step: &Step, want: &Res<String>, got: Res<String>) -> Res<()> {
    let want = want.as_ref().map_err(|reason| format!("Kubo alone fails: {reason}"))?;
    let got = got?;
    let same = match step.name {
        // The id of a new key is random; its form is not.
        "key gen" | "key ls" => got.len() == want.len() && got.lines().count() == want.lines().count(),
        "swarm addrs local" => got.starts_with("/ip4/127.0.0.1/") && want.starts_with("/ip4/127.0.0.1/"),
        _ => *want == got,
    };
    if same { Ok(()) } else { Err(format!("expected {want:?}, got {got:?}")) }
}

fn id_has_all_fields(daemon: &Daemon) -> Res<()> {
    let id = daemon.rpc("id")?.json()?;
    let wanted = ["ID", "PublicKey", "Addresses", "AgentVersion", "Protocols"];
    let missing: Vec<_> = wanted.iter().filter(|key| id.get(**key).is_none()).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("`id` lacks {missing:?}: {id}")) }
}
