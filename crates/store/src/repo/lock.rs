//! One process per repository.
//!
//! The lock is an exclusive `fcntl` lock on `repo.lock`, the one Kubo takes, so that Kubo and we keep each other out.
//! The system drops it when its process ends, however it ends: there are no stale locks. The file stays empty, since
//! Kubo refuses a lock file with content. Who holds the lock the system knows (`/proc/locks`); where it does not say, the
//! file `merkury/holder` does. Both serve only the message, with the command and the age of that process beside them.
//!
//! `fcntl` locks belong to the process: a second lock in the same process would succeed, and closing any handle of the
//! file would drop the first. A list of the locks of this process guards against both.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;

use super::{Repo, RepoError, files};

static HELD_HERE: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);

/// Who holds a repository, as far as can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// This process, of whatever program.
    Process {
        /// Its number.
        pid: u32,
        /// Its program and the words after it, without options, which may hold secrets. Empty if the system does not tell.
        command: String,
        /// How long it has been running, in seconds, if the system tells.
        age_secs: Option<u64>,
    },
    /// This very process.
    ThisProcess,
    /// Another program, such as Kubo, or one that did not get to write its name.
    Unknown,
}

impl Holder {
    /// A process, with what the system tells about it.
    fn process(pid: u32) -> Self {
        Self::Process { pid, command: command_of(pid).unwrap_or_default(), age_secs: age_of(pid) }
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Process { pid, command, age_secs } => {
                write!(f, "process {pid}")?;
                if !command.is_empty() {
                    write!(f, " ({command})")?;
                }
                match age_secs {
                    None => Ok(()),
                    Some(secs @ ..120) => write!(f, ", started {secs} seconds ago"),
                    Some(secs @ ..7200) => write!(f, ", started {} minutes ago", secs / 60),
                    Some(secs @ ..172_800) => write!(f, ", started {} hours ago", secs / 3600),
                    Some(secs) => write!(f, ", started {} days ago", secs / 86_400),
                }
            }
            Self::ThisProcess => write!(f, "this process"),
            Self::Unknown => write!(f, "another program"),
        }
    }
}

/// Keeps the repository for this process while it lives.
#[must_use = "the repository is unlocked when this is dropped"]
#[derive(Debug)]
pub struct RepoLock {
    real_path: PathBuf,
    holder_file: PathBuf,
    // Held for its lock; closed, and so unlocked, after `drop` has removed the holder file.
    handle: Option<OwnedFd>,
}

impl RepoLock {
    pub(super) fn take(repo: &Repo) -> Result<Self, RepoError> {
        let io = |what, path: &Path, source| RepoError::Io { what, path: path.to_owned(), source };
        std::fs::create_dir_all(repo.path()).map_err(|e| io("create", repo.path(), e))?;
        let real_path = repo.path().canonicalize().map_err(|e| io("find", repo.path(), e))?;
        let mut held = HELD_HERE.lock();
        let held = held.get_or_insert_default();
        if held.contains(&real_path) {
            return Err(RepoError::Locked { path: repo.path().to_owned(), holder: Holder::ThisProcess });
        }

        let lock_file = repo.path().join("repo.lock");
        let handle: OwnedFd = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock_file)
            .map_err(|e| io("open", &lock_file, e))?
            .into();
        let holder_file = repo.store_dir().join("holder");
        match fcntl_lock(&handle, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::AGAIN | Errno::ACCESS) => {
                let holder = holder_by_system(&handle).unwrap_or_else(|| read_holder(&holder_file));
                return Err(RepoError::Locked { path: repo.path().to_owned(), holder });
            }
            Err(error) => return Err(io("lock", &lock_file, error.into())),
        }
        write_holder(&repo.store_dir(), &holder_file).map_err(|e| io("write", &holder_file, e))?;
        held.insert(real_path.clone());
        Ok(Self { real_path, holder_file, handle: Some(handle) })
    }
}

impl Drop for RepoLock {
    fn drop(&mut self) {
        let mut held = HELD_HERE.lock();
        let _ = files::remove_if_there(&self.holder_file);
        drop(self.handle.take());
        if let Some(held) = held.as_mut() {
            held.remove(&self.real_path);
        }
    }
}

/// Not flushed: after a power cut nobody holds the lock.
fn write_holder(dir: &Path, file: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    std::fs::write(file, format!("{}\n", std::process::id()))
}

/// The holder as Linux tells it: lines like `1: POSIX  ADVISORY  WRITE 4711 fd:01:1234 0 EOF`.
fn holder_by_system(handle: &OwnedFd) -> Option<Holder> {
    let inode = rustix::fs::fstat(handle).ok()?.st_ino;
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, "POSIX", _, "WRITE", pid, place, ..] = fields[..] else { return None };
        let same_file = place.rsplit(':').next()?.parse() == Ok(inode);
        let pid = pid.parse().ok().filter(|_| same_file)?;
        Some(Holder::process(pid))
    })
}

/// Words of a command line that are told at most, and bytes of each.
const COMMAND_WORDS_MAX: usize = 3;
const WORD_BYTES_MAX: usize = 64;

/// The program's name and the first words after it, up to the first option.
fn command_of(pid: u32) -> Option<String> {
    let line = files::read_bounded(Path::new(&format!("/proc/{pid}/cmdline")), 64 * 1024).ok()?;
    let mut words = line.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    let program = words.next()?.rsplit(|byte| *byte == b'/').next()?;
    let rest = words.take_while(|word| !word.starts_with(b"-"));
    let shown = std::iter::once(program).chain(rest).take(COMMAND_WORDS_MAX);
    let text = |word: &[u8]| String::from_utf8_lossy(word.get(..WORD_BYTES_MAX).unwrap_or(word)).into_owned();
    Some(shown.map(text).collect::<Vec<_>>().join(" "))
}

/// How long a process has been running: its start stands in ticks since the machine's, as the 22nd field.
fn age_of(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the name in parentheses and may hold spaces.
    let (_, fields) = stat.rsplit_once(')')?;
    let started: u64 = fields.split_whitespace().nth(19)?.parse().ok()?;
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let uptime: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    Some((uptime as u64).saturating_sub(started / ticks))
}

fn read_holder(file: &Path) -> Holder {
    let text = files::read_bounded(file, 64).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let pid = text.and_then(|text| text.trim().parse::<u32>().ok());
    let process = pid.and_then(|pid| rustix::process::Pid::from_raw(i32::try_from(pid).ok()?));
    match (pid, process.map(rustix::process::test_kill_process)) {
        // The file of a process that was killed stays behind.
        (Some(pid), Some(Ok(()) | Err(Errno::PERM))) => Holder::process(pid),
        _ => Holder::Unknown,
    }
}
