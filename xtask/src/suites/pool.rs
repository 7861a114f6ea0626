//! Several nodes share one pool of segments in a real S3 server (gofakes3): what one adds the others read, each block once in the
//! pool; what is pinned outlives the pool.

use super::Context;
use crate::Res;
use crate::exec::{self, Exec};
use crate::http::Request;
use crate::os::{self, Signal};
use crate::paths::{self, Scratch};
use crate::peer::install;
use crate::peer::node::{Daemon, Repo};
use crate::rng::Rng;
use crate::say::{self, Tally};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

const FILES: usize = 40;
const FILES_QUICK: usize = 12;
/// How long a node may take to see what another uploaded: it looks every second.
const SEEN_DEADLINE: Duration = Duration::from_secs(90);

pub(super) fn run(context: &Context, tally: &mut Tally) -> Res<()> {
    let scratch = Scratch::new("pool")?;
    let mut rng = Rng::new(context.seed);
    let server = Server::start()?;
    let keys = scratch.join("keys");
    paths::write(&keys, "[default]\naws_access_key_id = anybody\naws_secret_access_key = anything\n")?;
    let node = |name: &str, upload: bool| node(context, &scratch.join(name), server.address, &keys, upload);

    let (first, reader, second) = (node("first", true)?, node("reader", false)?, node("second", true)?);
    let files = if context.quick { FILES_QUICK } else { FILES };
    let (tree_a, tree_b) =
        (write_tree(&scratch.join("a"), files, &mut rng)?, write_tree(&scratch.join("b"), files, &mut rng)?);
    let (a, b) = (first.daemon(&["--offline"])?, second.daemon(&["--offline"])?);
    let (root_a, root_b) = (add(&a, &tree_a, &mut rng, scratch.path())?, add(&b, &tree_b, &mut rng, scratch.path())?);

    let c = reader.daemon(&["--offline"])?;
    tally.check("a third node reads what the first added", read_from_pool(&c, &root_a, &tree_a, &scratch));
    tally.check("and what the second added", read_from_pool(&c, &root_b, &tree_b, &scratch));
    tally.check("and the first what the second added", read_from_pool(&a, &root_b, &tree_b, &scratch));
    tally.check("reading stores nothing", {
        let stat = c.rpc("repo/stat")?.json()?;
        let objects = stat["NumObjects"].as_u64().unwrap_or(u64::MAX);
        if objects < 5 { Ok(()) } else { Err(format!("{objects} blocks are stored")) }
    });
    let before = server.objects()?;
    say::line(format!("  {} objects in the pool", before.len()));
    tally.check("each segment has its index", {
        let ending = |ending: &str| before.iter().filter(|key| key.ends_with(ending)).count();
        if ending(".car") > 4 && ending(".car") == ending(".index") { Ok(()) } else { Err(format!("{before:?}")) }
    });
    a.kill()?;
    let a = first.daemon(&["--offline"])?;
    tally.check("after a kill the first node reads on", read_from_pool(&a, &root_b, &tree_b, &scratch));
    thread::sleep(Duration::from_secs(2));
    tally.check("nothing is uploaded twice", {
        let after = server.objects()?;
        if after == before { Ok(()) } else { Err(format!("{} objects, then {}", before.len(), after.len())) }
    });
    tally.check("what is pinned is copied", c.cli(["pin", "add", "--progress=false", &root_a]).run().map(drop));
    drop(server);
    tally.check("and outlives the pool", compare(&c, &root_a, &tree_a, &scratch));
    c.stop()?;
    let c = reader.daemon(&["--offline"])?;
    tally.check("also after a restart without the pool", compare(&c, &root_a, &tree_a, &scratch));
    tally.check("what only the pool had is told as a failure of the pool, or read from the copy on the disk", {
        let said = c.cli(["get", "-o", &scratch.join("gone").display().to_string(), &root_b]).finish()?;
        if said.status.success() || said.said().contains("in the pool") { Ok(()) } else { Err(said.said()) }
    });
    for daemon in [a, b, c] {
        daemon.stop()?;
    }
    Ok(())
}

fn node(context: &Context, path: &Path, server: SocketAddr, keys: &Path, upload: bool) -> Res<Repo> {
    let repo = Repo::init(&context.merkury, path)?;
    let layer = json!({
        "Type": "pool", "URL": "s3://pool/segments-of-all", "Endpoint": format!("http://{server}"), "Region": "us-east-1",
        "CredentialsFile": keys.display().to_string(), "Upload": upload, "RefreshEvery": "1s", "Cache": "64MiB",
    });
    let store: Value = json!({"SegmentSize": "1MiB", "ReadCache": "1MiB", "Layers": [layer]});
    repo.configure(&[("Merkury.Store", store)])?;
    Ok(repo)
}

fn write_tree(dir: &Path, files: usize, rng: &mut Rng) -> Res<PathBuf> {
    paths::make_dir(dir)?;
    for number in 0..files {
        let size = 1 + rng.below(600_000) as usize;
        paths::write(&dir.join(format!("file {number}")), rng.bytes(size))?;
    }
    Ok(dir.to_path_buf())
}

/// Adds a tree, and then enough else that the segment with its root is left.
fn add(daemon: &Daemon, tree: &Path, rng: &mut Rng, scratch: &Path) -> Res<String> {
    let root = daemon.cli(["add", "-r", "-Q", "--progress=false", &tree.display().to_string()]).text()?;
    let rest = scratch.join("rest");
    paths::write(&rest, rng.bytes(3 << 20))?;
    daemon.cli(["add", "-Q", "--progress=false", &rest.display().to_string()]).run()?;
    Ok(root)
}

fn read_from_pool(daemon: &Daemon, root: &str, tree: &Path, scratch: &Scratch) -> Res<()> {
    let query = format!("block/stat?arg={root}&offline=true");
    exec::wait_for("the root is seen", SEEN_DEADLINE, || Ok(daemon.rpc(&query)?.good().ok()))?;
    compare(daemon, root, tree, scratch)
}

fn compare(daemon: &Daemon, root: &str, tree: &Path, scratch: &Scratch) -> Res<()> {
    let copy = scratch.join("copy");
    let got = daemon.cli(["get", "-o", &copy.display().to_string(), root]).run();
    let same = got.and_then(|_| super::content::same_tree(tree, &copy));
    let _ = std::fs::remove_dir_all(&copy);
    same
}

/// A real S3 server, with its objects in memory.
#[must_use = "the server is killed when this is dropped"]
struct Server {
    pid: u32,
    address: SocketAddr,
}

impl Server {
    fn start() -> Res<Self> {
        let server = Exec::new(install::s3_bin()?);
        let server = server.args(["-backend", "memory", "-initialbucket", "pool", "-host", "127.0.0.1:0"]);
        let mut child = server.spawn(Stdio::null(), Stdio::piped())?;
        let log = BufReader::new(child.stderr.take().ok_or("the S3 server has no standard error")?);
        let mut lines = log.lines().map_while(Result::ok);
        let port = lines.find_map(|line| line.split("using port: ").nth(1)?.trim().parse::<u16>().ok());
        // Read to its end, so that the server never waits for its log.
        thread::spawn(move || lines.for_each(drop));
        let port = port.ok_or("the S3 server did not say its port")?;
        Ok(Self { pid: child.id(), address: SocketAddr::from(([127, 0, 0, 1], port)) })
    }

    /// The names of all objects.
    fn objects(&self) -> Res<Vec<String>> {
        let listed = Request::get("/pool?list-type=2&max-keys=1000").send(self.address)?.good()?;
        let text = String::from_utf8_lossy(&listed.body).into_owned();
        let names = text.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next());
        Ok(names.map(str::to_owned).collect())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        os::signal_group(self.pid, Signal::Kill);
        let _ = os::wait(self.pid);
    }
}
