//! Running the program in a home of its own.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a daemon may take to be ready, or to end, on a loaded machine.
const DAEMON_WAIT: Duration = Duration::from_secs(60);

/// A fresh home directory with the program on its path under both names.
pub(crate) struct Home {
    dir: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        for name in ["merkury", "ipfs"] {
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_merkury"), bin.join(name)).unwrap();
        }
        Self { dir }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Where `ipfs` keeps its repository.
    pub(crate) fn ipfs_path(&self) -> PathBuf {
        self.path().join("ipfs")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let path = format!("{}:{}", self.path().join("bin").display(), std::env::var("PATH").unwrap_or_default());
        command.env_clear().env("PATH", path).env("HOME", self.path()).env("NO_COLOR", "1");
        command.env("IPFS_PATH", self.ipfs_path()).current_dir(self.path()).stdin(Stdio::null());
        command
    }

    /// Runs a line of a shell. The repository of `merkury` is the default one, below the home.
    pub(crate) fn shell(&self, line: &str) -> Output {
        self.command("sh").args(["-c", line]).env_remove("IPFS_PATH").output().unwrap()
    }

    /// Runs `ipfs` with arguments.
    pub(crate) fn ipfs(&self, args: &[&str]) -> Output {
        self.command(&self.path().join("bin/ipfs").display().to_string()).args(args).output().unwrap()
    }

    /// Runs `ipfs`, which must succeed, and returns what it printed.
    pub(crate) fn ipfs_ok(&self, args: &[&str]) -> String {
        let output = self.ipfs(args);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "ipfs {args:?} ended with {}\n{out}\n{err}", output.status);
        out
    }

    /// Starts `ipfs daemon` with arguments and waits until it says that it is ready. (The `api` file of a killed daemon
    /// may still be there.)
    pub(crate) fn daemon(&self, args: &[&str]) -> Daemon {
        let mut command = self.command(&self.path().join("bin/ipfs").display().to_string());
        command.arg("daemon").args(args);
        self.start(command, "Daemon is ready")
    }

    /// The same for `merkury daemon`, on the repository of `merkury`.
    pub(crate) fn friendly_daemon(&self) -> Daemon {
        let mut command = self.command(&self.path().join("bin/merkury").display().to_string());
        command.arg("daemon").env_remove("IPFS_PATH");
        self.start(command, "The node is ready")
    }

    fn start(&self, mut command: Command, ready: &str) -> Daemon {
        let log = std::fs::File::create(self.path().join("daemon.log")).unwrap();
        let mut child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        wait_for("the daemon", || {
            let log = std::fs::read_to_string(self.path().join("daemon.log")).unwrap_or_default();
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the daemon ended with {status}:\n{log}");
            }
            log.contains(ready)
        });
        Daemon { child, log: self.path().join("daemon.log") }
    }
}

/// A running daemon, killed when dropped.
pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// What it printed so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let status = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(status.success());
    }

    /// Sends SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it ended and returns its exit code.
    pub(crate) fn wait(mut self) -> Option<i32> {
        let mut code = None;
        wait_for("the daemon's end", || {
            code = self.child.try_wait().unwrap();
            code.is_some()
        });
        code.and_then(|status| status.code())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a state, with a deadline.
pub(crate) fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) {
    let end = Instant::now() + DAEMON_WAIT;
    while !is_there() {
        assert!(Instant::now() < end, "{what} did not come");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
