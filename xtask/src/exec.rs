//! Programs run to their end: each in a process group of its own, with a deadline, its output and what it used.

use crate::Res;
use crate::os::{self, Signal, Usage};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long a program may take when nothing else is said.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);

/// A program with its arguments, and how to run it.
#[derive(Clone, Debug)]
pub(crate) struct Exec {
    program: PathBuf,
    args: Vec<String>,
    envs: Vec<(String, String)>,
    dir: Option<PathBuf>,
    stdin: Vec<u8>,
    stdout_to: Option<PathBuf>,
    deadline: Duration,
}

/// What a program left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) wall: Duration,
    pub(crate) usage: Usage,
    pub(crate) timed_out: bool,
    shown: String,
}

impl Exec {
    pub(crate) fn new(program: impl AsRef<Path>) -> Self {
        Self {
            program: program.as_ref().to_path_buf(),
            args: Vec::new(),
            envs: Vec::new(),
            dir: None,
            stdin: Vec::new(),
            stdout_to: None,
            deadline: DEADLINE,
        }
    }

    pub(crate) fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    pub(crate) fn args<S: AsRef<str>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.envs.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.dir = Some(dir.as_ref().to_path_buf());
        self
    }

    pub(crate) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Standard output goes into a file instead of memory.
    pub(crate) fn stdout_to(mut self, path: impl AsRef<Path>) -> Self {
        self.stdout_to = Some(path.as_ref().to_path_buf());
        self
    }

    pub(crate) fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The command line, for messages.
    pub(crate) fn shown(&self) -> String {
        let name = self.program.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let mut text = name;
        for arg in &self.args {
            text.push(' ');
            text.push_str(arg);
        }
        text
    }

    /// What is written to the program's standard input.
    pub(crate) fn stdin_bytes(&self) -> &[u8] {
        &self.stdin
    }

    /// How long the program may take.
    pub(crate) fn deadline_of(&self) -> Duration {
        self.deadline
    }

    /// The program, ready to be started by other means than those of this module.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).envs(self.envs.iter().map(|(name, value)| (name, value)));
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command
    }

    /// Starts the program in a process group of its own, without waiting for it.
    pub(crate) fn spawn(&self, stdout: Stdio, stderr: Stdio) -> Res<Child> {
        self.command()
            .process_group(0)
            .stdin(if self.stdin.is_empty() { Stdio::null() } else { Stdio::piped() })
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .map_err(|e| format!("cannot start {}: {e}", self.program.display()))
    }

    /// Runs the program to its end, whatever its exit code; past the deadline its whole group is killed.
    pub(crate) fn finish(&self) -> Res<Finished> {
        let stdout = match &self.stdout_to {
            Some(path) => Stdio::from(File::create(path).map_err(|e| format!("cannot make {}: {e}", path.display()))?),
            None => Stdio::piped(),
        };
        let start = Instant::now();
        let mut child = self.spawn(stdout, Stdio::piped())?;
        let pid = child.id();
        let feeder = child.stdin.take().map(|mut pipe| {
            let bytes = self.stdin.clone();
            // A program may end without reading its input: then the write fails, and its exit code tells the story.
            thread::spawn(move || drop(pipe.write_all(&bytes)))
        });
        let out = child.stdout.take().map(drain);
        let err = child.stderr.take().map(drain);
        let (done, watched) = mpsc::channel::<()>();
        let deadline = self.deadline;
        let watchdog = thread::spawn(move || {
            let late = watched.recv_timeout(deadline) == Err(mpsc::RecvTimeoutError::Timeout);
            if late {
                os::signal_group(pid, Signal::Kill);
            }
            late
        });
        let (status, usage) = os::wait(pid).map_err(|e| format!("cannot wait for {}: {e}", self.shown()))?;
        let wall = start.elapsed();
        drop(done);
        let timed_out = watchdog.join().unwrap_or(false);
        // A child the program left running would hold the pipes open.
        os::signal_group(pid, Signal::Kill);
        let stdout = out.map_or_else(Vec::new, |reader| reader.join().unwrap_or_default());
        let stderr = err.map_or_else(Vec::new, |reader| reader.join().unwrap_or_default());
        if let Some(feeder) = feeder {
            let _ = feeder.join();
        }
        Ok(Finished { status, stdout, stderr, wall, usage, timed_out, shown: self.shown() })
    }

    /// Runs the program; an exit code other than 0 is an error with what it said.
    pub(crate) fn run(&self) -> Res<Finished> {
        let finished = self.finish()?;
        if finished.timed_out {
            let limit = self.deadline.as_secs();
            return Err(format!("`{}` was not done after {limit} s{}", finished.shown, finished.said()));
        }
        if !finished.status.success() {
            return Err(format!("`{}` ended with {}{}", finished.shown, finished.status, finished.said()));
        }
        Ok(finished)
    }

    /// Runs the program and returns what it printed, without the line end.
    pub(crate) fn text(&self) -> Res<String> {
        Ok(self.run()?.text())
    }

    /// Runs the program with its output on ours; for builds, whose output a person wants to see and may interrupt.
    pub(crate) fn pass_through(&self) -> Res<()> {
        let status = self
            .command()
            .stdin(Stdio::null())
            .status()
            .map_err(|e| format!("cannot start {}: {e}", self.program.display()))?;
        if status.success() { Ok(()) } else { Err(format!("`{}` ended with {status}", self.shown())) }
    }
}

impl Finished {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end_matches('\n').to_owned()
    }

    /// The end of what the program said on standard error, for messages.
    pub(crate) fn said(&self) -> String {
        let text = String::from_utf8_lossy(&self.stderr);
        let lines: Vec<&str> = text.trim().lines().collect();
        if lines.is_empty() {
            return String::new();
        }
        let last = &lines[lines.len().saturating_sub(6)..];
        format!(": {}", last.join(" | "))
    }
}

fn drain(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        bytes
    })
}

/// Asks `probe` until it answers, or fails with the last reason when the deadline has passed.
pub(crate) fn wait_for<T>(what: &str, deadline: Duration, mut probe: impl FnMut() -> Res<Option<T>>) -> Res<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = probe()? {
            return Ok(found);
        }
        if start.elapsed() > deadline {
            return Err(format!("{what}: not so after {} s", deadline.as_secs()));
        }
        thread::sleep(Duration::from_millis(10));
    }
}
