//! One node: a repository, its daemon, its command line and its two HTTP ports.

use super::Program;
use crate::exec::{self, Exec};
use crate::http::{Answer, Request};
use crate::os::{self, Signal, Usage};
use crate::{Res, paths};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, ChildStdout, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const READY_DEADLINE: Duration = Duration::from_secs(60);
const STOP_DEADLINE: Duration = Duration::from_secs(15);

/// A repository made by one program.
#[derive(Clone, Debug)]
pub(crate) struct Repo {
    pub(crate) program: Program,
    pub(crate) path: PathBuf,
}

impl Repo {
    /// Makes a repository for tests: loopback, port 0, no bootstrap peers.
    pub(crate) fn init(program: &Program, path: &Path) -> Res<Self> {
        let repo = Self { program: program.clone(), path: path.to_path_buf() };
        paths::make_dir(path)?;
        repo.cli(["init", &format!("--profile={}", program.profile)]).run()?;
        Ok(repo)
    }

    /// A command that only `merkury` has: called by that name.
    pub(crate) fn own<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Exec {
        let args: Vec<String> = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        self.program.own(&self.path).args(args)
    }

    /// The program's command line on this repository.
    pub(crate) fn cli<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Exec {
        self.program.exec(&self.path).args(args)
    }

    /// Changes the configuration file: each key is a path with dots.
    pub(crate) fn configure(&self, changes: &[(&str, Value)]) -> Res<()> {
        let file = self.path.join("config");
        let text = paths::read(&file)?;
        let mut config: Value = serde_json::from_slice(&text).map_err(|e| format!("{}: {e}", file.display()))?;
        for (key, value) in changes {
            let mut place = &mut config;
            for part in key.split('.') {
                if !place.is_object() {
                    *place = Value::Object(serde_json::Map::new());
                }
                place = &mut place[part];
            }
            *place = value.clone();
        }
        let text = serde_json::to_string_pretty(&config).map_err(|e| e.to_string())?;
        paths::write(&file, text)
    }

    /// Starts the daemon and waits until it says that it is ready.
    pub(crate) fn daemon(&self, flags: &[&str]) -> Res<Daemon> {
        let mut daemon = self.start(flags)?;
        daemon.ready()?;
        Ok(daemon)
    }

    /// Starts the daemon without waiting.
    pub(crate) fn start(&self, flags: &[&str]) -> Res<Daemon> {
        let exec = self.cli(["daemon"]).args(flags);
        let start = Instant::now();
        let mut child = exec.spawn(Stdio::piped(), Stdio::piped())?;
        let stdout = child.stdout.take().ok_or("the daemon has no standard output")?;
        let stderr = child.stderr.take().ok_or("the daemon has no standard error")?;
        let (lines, said) = follow(stdout, stderr);
        Ok(Daemon {
            repo: self.clone(),
            pid: child.id(),
            start,
            lines,
            said: Some(said),
            api: None,
            gateway: None,
            ended: None,
        })
    }
}

type Said = (JoinHandle<String>, JoinHandle<String>);

/// Reads both outputs to their ends; the lines of standard output also come through the channel.
fn follow(stdout: ChildStdout, stderr: ChildStderr) -> (mpsc::Receiver<String>, Said) {
    let (send, lines) = mpsc::channel();
    let out = thread::spawn(move || {
        let mut all = String::new();
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            all.push_str(&line);
            all.push('\n');
            // Nobody listens any more once the daemon was ready.
            let _ = send.send(line);
        }
        all
    });
    let err = thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = BufReader::new(stderr).read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    });
    (lines, (out, err))
}

/// A running daemon; dropping it kills it.
#[must_use = "the daemon is killed when this is dropped"]
pub(crate) struct Daemon {
    pub(crate) repo: Repo,
    pub(crate) pid: u32,
    start: Instant,
    lines: mpsc::Receiver<String>,
    said: Option<Said>,
    api: Option<SocketAddr>,
    gateway: Option<SocketAddr>,
    ended: Option<Ended>,
}

/// How a daemon ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) success: bool,
    pub(crate) status: String,
    pub(crate) usage: Usage,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Daemon {
    /// Waits for the line `Daemon is ready`; returns how long it took from the start of the process.
    pub(crate) fn ready(&mut self) -> Res<Duration> {
        loop {
            let left = READY_DEADLINE.saturating_sub(self.start.elapsed());
            match self.lines.recv_timeout(left) {
                Ok(line) if line.starts_with("Daemon is ready") => break,
                Ok(_) => {}
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    let name = self.repo.program.name;
                    return Err(format!("the {name} daemon was not ready after {} s", READY_DEADLINE.as_secs()));
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    let ended = self.reap()?;
                    let text = format!("{} {}", ended.stdout.trim(), ended.stderr.trim());
                    return Err(format!(
                        "the {} daemon did not start ({}): {}",
                        self.repo.program.name,
                        ended.status,
                        text.trim()
                    ));
                }
            }
        }
        let took = self.start.elapsed();
        self.api = Some(multiaddr_socket(&self.file("api")?)?);
        let gateway = exec::wait_for("the file `gateway`", Duration::from_secs(5), || Ok(self.file("gateway").ok()))?;
        self.gateway = Some(url_socket(&gateway)?);
        Ok(took)
    }

    fn file(&self, name: &str) -> Res<String> {
        let bytes = paths::read(&self.repo.path.join(name))?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    pub(crate) fn name(&self) -> &'static str {
        self.repo.program.name
    }

    /// The daemon's own program as a client: it finds the daemon through the file `api`.
    pub(crate) fn cli<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Exec {
        self.repo.cli(args)
    }

    /// Another program's command line, sent here by `--api`.
    pub(crate) fn cli_of<S: AsRef<str>>(&self, client: &Repo, args: impl IntoIterator<Item = S>) -> Res<Exec> {
        let api = self.api()?;
        let address = format!("--api=/ip4/{}/tcp/{}", api.ip(), api.port());
        Ok(client.program.exec(&client.path).arg(address).args(args))
    }

    pub(crate) fn api(&self) -> Res<SocketAddr> {
        self.api.ok_or_else(|| "the daemon is not ready yet".to_owned())
    }

    pub(crate) fn gateway(&self) -> Res<SocketAddr> {
        self.gateway.ok_or_else(|| "the daemon is not ready yet".to_owned())
    }

    /// One call of the RPC; `query` is the part after `/api/v0/`.
    pub(crate) fn rpc(&self, query: &str) -> Res<Answer> {
        Request::post(&format!("/api/v0/{query}")).send(self.api()?)
    }

    pub(crate) fn peer_id(&self) -> Res<String> {
        let id = self.rpc("id")?.json()?;
        id["ID"].as_str().map(str::to_owned).ok_or_else(|| format!("`id` answers without ID: {id}"))
    }

    /// The addresses others dial, with the peer id at the end; only those that hold `part`.
    pub(crate) fn addresses(&self, part: &str) -> Res<Vec<String>> {
        exec::wait_for(&format!("{} listens on an address with {part}", self.name()), Duration::from_secs(10), || {
            let id = self.rpc("id")?.json()?;
            let all = id["Addresses"].as_array().cloned().unwrap_or_default();
            let good: Vec<String> =
                all.iter().filter_map(Value::as_str).filter(|a| a.contains(part)).map(str::to_owned).collect();
            Ok((!good.is_empty()).then_some(good))
        })
    }

    /// Dials `other` on an address that holds `part`.
    pub(crate) fn connect(&self, other: &Self, part: &str) -> Res<()> {
        let addresses = other.addresses(part)?;
        let address = addresses.iter().find(|a| !a.contains("p2p-circuit")).ok_or("no direct address")?;
        self.cli(["swarm", "connect", address]).run().map(drop)
    }

    /// CPU time so far, from the process table.
    pub(crate) fn cpu(&self) -> Res<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).map_err(|e| format!("daemon's stat: {e}"))?;
        // The program's name may hold spaces; the fields after it count from the last parenthesis.
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
        // utime and stime, in hundredths of a second on Linux.
        Ok(Duration::from_millis((ticks(11) + ticks(12)) * 10))
    }

    /// The most memory it held so far, in KiB.
    pub(crate) fn rss_max_kib(&self) -> Res<u64> {
        let path = format!("/proc/{}/status", self.pid);
        let status = fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
        line.split_whitespace().next().and_then(|n| n.parse().ok()).ok_or_else(|| format!("VmHWM {line:?}"))
    }

    /// Asks the daemon to stop, and requires that it does, with exit code 0.
    pub(crate) fn stop(mut self) -> Res<Ended> {
        self.rpc("shutdown")?;
        let pid = self.pid;
        let (done, watched) = mpsc::channel::<()>();
        let watchdog = thread::spawn(move || {
            let late = watched.recv_timeout(STOP_DEADLINE) == Err(mpsc::RecvTimeoutError::Timeout);
            if late {
                os::signal_group(pid, Signal::Kill);
            }
            late
        });
        let ended = self.reap();
        drop(done);
        let late = watchdog.join().unwrap_or(false);
        let ended = ended?;
        let name = self.repo.program.name;
        if late {
            return Err(format!("the {name} daemon had not stopped {} s after shutdown", STOP_DEADLINE.as_secs()));
        }
        if !ended.success {
            return Err(format!("the {name} daemon ended with {}: {}", ended.status, ended.stderr.trim()));
        }
        Ok(ended)
    }

    /// Ends the daemon as a power switch would, without a word.
    pub(crate) fn kill(mut self) -> Res<Ended> {
        os::signal_group(self.pid, Signal::Kill);
        self.reap()
    }

    fn reap(&mut self) -> Res<Ended> {
        if let Some(ended) = &self.ended {
            return Ok(ended.clone());
        }
        let (status, usage) = os::wait(self.pid).map_err(|e| format!("cannot wait for the daemon: {e}"))?;
        os::signal_group(self.pid, Signal::Kill);
        let (stdout, stderr) = match self.said.take() {
            Some((out, err)) => (out.join().unwrap_or_default(), err.join().unwrap_or_default()),
            None => Default::default(),
        };
        let ended = Ended { success: status.success(), status: status.to_string(), usage, stdout, stderr };
        self.ended = Some(ended.clone());
        Ok(ended)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.ended.is_none() {
            os::signal_group(self.pid, Signal::Term);
            os::signal_group(self.pid, Signal::Kill);
            let _ = self.reap();
        }
    }
}

/// `/ip4/127.0.0.1/tcp/5001` as a socket address.
fn multiaddr_socket(text: &str) -> Res<SocketAddr> {
    let parts: Vec<&str> = text.split('/').collect();
    let socket = match parts.as_slice() {
        ["", "ip4" | "ip6", host, "tcp", port, ..] => {
            host.parse().ok().zip(port.parse().ok()).map(|(host, port)| SocketAddr::new(host, port))
        }
        _ => None,
    };
    socket.ok_or_else(|| format!("the file `api` holds {text:?}"))
}

/// `http://127.0.0.1:8080` as a socket address.
fn url_socket(text: &str) -> Res<SocketAddr> {
    let socket = text.strip_prefix("http://").and_then(|rest| rest.trim_end_matches('/').parse().ok());
    socket.ok_or_else(|| format!("the file `gateway` holds {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::{multiaddr_socket, url_socket};

    #[test]
    fn the_two_address_files_are_read() {
        assert_eq!(multiaddr_socket("/ip4/127.0.0.1/tcp/5001").unwrap().port(), 5001);
        assert!(multiaddr_socket("/dns4/localhost/tcp/5001").is_err());
        assert_eq!(url_socket("http://127.0.0.1:8080").unwrap().port(), 8080);
        assert!(url_socket("127.0.0.1:8080").is_err());
    }
}
