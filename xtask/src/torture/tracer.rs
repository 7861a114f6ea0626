//! Runs a program and does something to its N-th system call that changes files: kills it before the call, makes the call
//! fail, or makes a write short.
//!
//! A seccomp filter stops the program (through ptrace) at these calls only, so it runs at nearly full speed, and calls of
//! all its threads are counted in one row. strace does the same by thread, which misses points, and cannot shorten a write.
//! Calls on files outside `below` (pipes, sockets, standard output) do not count. x86-64 Linux only; elsewhere
//! [`usable`] says why not.

#![allow(unsafe_code)]

use crate::Res;
use crate::exec::Exec;
use crate::os::{self, Signal};
use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

/// What is done to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Nothing: only count.
    Count,
    /// The whole process group is killed just before the N-th call.
    KillAt(u64),
    /// The N-th call fails with this error number, once.
    FailAt(u64, i32),
    /// Calls that need room fail with ENOSPC from the N-th on.
    FullFrom(u64),
    /// The N-th call, if it writes more than one byte, writes half of them.
    ShortAt(u64),
    /// Every write of more than one byte writes half of them.
    ShortAlways,
}

/// Which calls count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Calls {
    /// Those that change files or flush them.
    Durable,
    /// Those that read files.
    Reads,
}

/// How the program ended.
#[derive(Debug)]
pub(crate) struct Traced {
    /// The exit code; `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// Calls that counted.
    pub(crate) calls: u64,
    /// The call to which something was done, for messages: `fdatasync …/meta.log`.
    pub(crate) hit: Option<String>,
    pub(crate) timed_out: bool,
}

impl Traced {
    pub(crate) fn success(&self) -> bool {
        self.code == Some(0)
    }
}

/// Why programs cannot be traced on this machine, if they cannot.
pub(crate) fn usable() -> Result<(), String> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err("system calls are only intercepted on x86-64 Linux".to_owned());
    }
    let probe = run(&Exec::new("true"), Path::new("/nonexistent"), Calls::Durable, Act::Count)
        .map_err(|e| format!("programs cannot be traced here: {e}"))?;
    if probe.success() { Ok(()) } else { Err(format!("a traced program does not run here: {probe:?}")) }
}

/// Runs `exec` under the tracer; `below` is the folder whose files count.
pub(crate) fn run(exec: &Exec, below: &Path, calls: Calls, act: Act) -> Res<Traced> {
    let (exec, below) = (exec.clone(), below.to_path_buf());
    // The thread that starts the program is its tracer, and must wait for no other children.
    let tracer = thread::spawn(move || imp::run(&exec, &below, calls, act));
    tracer.join().map_err(|_| "the tracer has ended early".to_owned())?
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
mod imp {
    use super::*;

    pub(super) fn run(_: &Exec, _: &Path, _: Calls, _: Act) -> Res<Traced> {
        Err("system calls are only intercepted on x86-64 Linux".to_owned())
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod imp {
    use super::*;
    use std::fs;
    use std::io::{self, Write};
    use std::os::unix::process::CommandExt;
    use std::process::Stdio;
    use std::ptr::null_mut;

    /// A call that counts: its number, its name, the argument that is a file descriptor, if one is, and what it does.
    struct Call {
        number: i64,
        name: &'static str,
        fd: Option<usize>,
        does: Does,
    }

    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Does {
        Write,
        NeedRoom,
        Other,
    }

    const fn call(number: i64, name: &'static str, fd: Option<usize>, does: Does) -> Call {
        Call { number, name, fd, does }
    }

    const DURABLE: &[Call] = &[
        call(libc::SYS_write, "write", Some(0), Does::Write),
        call(libc::SYS_pwrite64, "pwrite64", Some(0), Does::Write),
        call(libc::SYS_writev, "writev", Some(0), Does::NeedRoom),
        call(libc::SYS_pwritev, "pwritev", Some(0), Does::NeedRoom),
        call(libc::SYS_pwritev2, "pwritev2", Some(0), Does::NeedRoom),
        call(libc::SYS_copy_file_range, "copy_file_range", Some(2), Does::NeedRoom),
        call(libc::SYS_fsync, "fsync", Some(0), Does::Other),
        call(libc::SYS_fdatasync, "fdatasync", Some(0), Does::Other),
        call(libc::SYS_ftruncate, "ftruncate", Some(0), Does::Other),
        call(libc::SYS_fallocate, "fallocate", Some(0), Does::NeedRoom),
        call(libc::SYS_rename, "rename", None, Does::NeedRoom),
        call(libc::SYS_renameat, "renameat", None, Does::NeedRoom),
        call(libc::SYS_renameat2, "renameat2", None, Does::NeedRoom),
        call(libc::SYS_unlink, "unlink", None, Does::Other),
        call(libc::SYS_unlinkat, "unlinkat", None, Does::Other),
        call(libc::SYS_mkdir, "mkdir", None, Does::NeedRoom),
        call(libc::SYS_mkdirat, "mkdirat", None, Does::NeedRoom),
        call(libc::SYS_link, "link", None, Does::NeedRoom),
        call(libc::SYS_linkat, "linkat", None, Does::NeedRoom),
        call(libc::SYS_openat, "openat(O_CREAT)", None, Does::NeedRoom),
    ];

    const READS: &[Call] = &[
        call(libc::SYS_read, "read", Some(0), Does::Other),
        call(libc::SYS_pread64, "pread64", Some(0), Does::Other),
        call(libc::SYS_preadv, "preadv", Some(0), Does::Other),
    ];

    pub(super) fn run(exec: &Exec, below: &Path, calls: Calls, act: Act) -> Res<Traced> {
        let list = match calls {
            Calls::Durable => DURABLE,
            Calls::Reads => READS,
        };
        let filter = filter(list);
        let mut command = exec.command();
        let stdin = if exec.stdin_bytes().is_empty() { Stdio::null() } else { Stdio::piped() };
        command.process_group(0).stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        // SAFETY: between fork and exec only system calls are made, which are safe there; nothing is allocated.
        unsafe { command.pre_exec(move || ask_to_be_traced(&filter)) };
        let mut child = command.spawn().map_err(|e| format!("cannot start {}: {e}", exec.shown()))?;
        let pid = child.id();
        let feeder = child.stdin.take().map(|mut pipe| {
            let bytes = exec.stdin_bytes().to_vec();
            // A program that was killed does not read its input: then the write fails, and that is all.
            thread::spawn(move || drop(pipe.write_all(&bytes)))
        });
        let out = child.stdout.take().map(drain);
        let err = child.stderr.take().map(drain);
        let (done, watched) = mpsc::channel::<()>();
        let deadline = exec.deadline_of();
        let watchdog = thread::spawn(move || {
            let late = watched.recv_timeout(deadline) == Err(mpsc::RecvTimeoutError::Timeout);
            if late {
                os::signal_group(pid, Signal::Kill);
            }
            late
        });
        let mut tracer = Tracer { pid: pid as libc::pid_t, below: below.to_path_buf(), list, act, calls: 0, hit: None };
        let code = tracer.follow();
        drop(done);
        let timed_out = watchdog.join().unwrap_or(false);
        os::signal_group(pid, Signal::Kill);
        feeder.map(|feeder| feeder.join());
        let text = |reader: Option<thread::JoinHandle<String>>| {
            reader.map_or_else(String::new, |reader| reader.join().unwrap_or_default())
        };
        let (stdout, stderr) = (text(out), text(err));
        let code = code.map_err(|e| format!("cannot trace {}: {e}", exec.shown()))?;
        Ok(Traced { code, stdout, stderr, calls: tracer.calls, hit: tracer.hit, timed_out })
    }

    fn drain(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = pipe.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        })
    }

    /// Stops at the calls of the list, lets all others pass. Standard output and error never count.
    fn filter(list: &[Call]) -> Vec<libc::sock_filter> {
        let statement = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
        let jump = |code: u32, k: u32, jt: u8, jf: u8| libc::sock_filter { code: code as u16, jt, jf, k };
        let load = |offset: u32| statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset);
        let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
        let has = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
        let stop = statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_TRACE);
        let pass = statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW);
        // Offsets in `seccomp_data`: the number, then the arguments of eight bytes each, the low half first.
        let (number, argument) = (0, |n: u32| 16 + 8 * n);
        let mut program = vec![load(number)];
        for call in list {
            let nr = call.number as u32;
            if call.number == libc::SYS_write {
                program.push(jump(equal, nr, 0, 5));
                program.extend([load(argument(0)), jump(equal, 1, 1, 0), jump(equal, 2, 0, 1), pass, stop]);
            } else if call.number == libc::SYS_openat {
                program.push(jump(equal, nr, 0, 4));
                program.extend([load(argument(2)), jump(has, libc::O_CREAT as u32, 0, 1), stop, pass]);
            } else {
                program.push(jump(equal, nr, 0, 1));
                program.push(stop);
            }
        }
        program.push(pass);
        program
    }

    fn ask_to_be_traced(filter: &[libc::sock_filter]) -> io::Result<()> {
        let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
        // SAFETY: plain system calls; `program` and the filter it points to live until prctl returns, which copies them.
        let good = unsafe {
            ptrace(libc::PTRACE_TRACEME, 0, null_mut()) == 0
                && libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) == 0
        };
        if good { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// `ptrace` without an address, which no request here uses.
    ///
    /// # Safety
    ///
    /// `data` is what the request asks for: a pointer to a live value of its type, or a number.
    unsafe fn ptrace(request: libc::c_uint, tid: libc::pid_t, data: *mut libc::c_void) -> libc::c_long {
        // SAFETY: the caller keeps the contract.
        unsafe { libc::ptrace(request, tid, null_mut::<libc::c_void>(), data) }
    }

    struct Tracer {
        pid: libc::pid_t,
        below: PathBuf,
        list: &'static [Call],
        act: Act,
        calls: u64,
        hit: Option<String>,
    }

    impl Tracer {
        /// Follows the program to its end; returns its exit code.
        fn follow(&mut self) -> io::Result<Option<i32>> {
            let mut ready = false;
            let mut seen = BTreeSet::from([self.pid]);
            loop {
                let mut status = 0;
                // SAFETY: `status` is a live local. Only children of this thread are waited for.
                let tid = unsafe { libc::waitpid(-1, &mut status, libc::__WALL | libc::__WNOTHREAD) };
                if tid < 0 {
                    let error = io::Error::last_os_error();
                    if error.kind() == io::ErrorKind::Interrupted {
                        continue;
                    }
                    return Err(error);
                }
                if libc::WIFEXITED(status) || libc::WIFSIGNALED(status) {
                    if tid == self.pid {
                        return Ok(libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)));
                    }
                    continue;
                }
                let (signal, event) = (libc::WSTOPSIG(status), status >> 16);
                let pass_on = match (signal, event) {
                    (_, libc::PTRACE_EVENT_SECCOMP) => {
                        self.stopped(tid);
                        0
                    }
                    (libc::SIGTRAP, 0) if !ready => {
                        ready = true;
                        self.set_options()?;
                        0
                    }
                    (libc::SIGTRAP, _) => 0,
                    // A new thread begins with this.
                    (libc::SIGSTOP, _) if seen.insert(tid) => 0,
                    (signal, _) => signal,
                };
                // SAFETY: continues a stopped tracee; no memory is touched. One that was killed meanwhile is no error.
                unsafe { ptrace(libc::PTRACE_CONT, tid, pass_on as usize as *mut libc::c_void) };
            }
        }

        fn set_options(&self) -> io::Result<()> {
            let options = libc::PTRACE_O_TRACESECCOMP
                | libc::PTRACE_O_TRACECLONE
                | libc::PTRACE_O_TRACEFORK
                | libc::PTRACE_O_TRACEVFORK
                | libc::PTRACE_O_EXITKILL;
            // SAFETY: sets options of our stopped tracee; no memory is touched.
            match unsafe { ptrace(libc::PTRACE_SETOPTIONS, self.pid, options as usize as *mut libc::c_void) } {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        }

        /// A thread stands before a call of the list.
        fn stopped(&mut self, tid: libc::pid_t) {
            // SAFETY: an all-zero value of this plain C struct is valid.
            let mut regs: libc::user_regs_struct = unsafe { std::mem::zeroed() };
            // SAFETY: the tracee is stopped, and `regs` is a live local of the type that is filled in.
            if unsafe { ptrace(libc::PTRACE_GETREGS, tid, (&raw mut regs).cast()) } != 0 {
                return;
            }
            let Some(call) = self.list.iter().find(|call| call.number as u64 == regs.orig_rax) else { return };
            let Some(shown) = self.counts(tid, call, &regs) else { return };
            self.calls += 1;
            let writes = call.does == Does::Write && regs.rdx > 1;
            let changed = match self.act {
                Act::KillAt(n) if n == self.calls => {
                    os::signal_group(self.pid as u32, Signal::Kill);
                    false
                }
                Act::FailAt(n, error) if n == self.calls => fail(&mut regs, error),
                Act::FullFrom(n) if n <= self.calls && call.does != Does::Other => fail(&mut regs, libc::ENOSPC),
                Act::ShortAt(n) if n == self.calls && writes => shorten(&mut regs),
                Act::ShortAlways if writes => shorten(&mut regs),
                _ => return,
            };
            self.hit.get_or_insert(shown);
            if changed {
                // SAFETY: the tracee is stopped, and `regs` is a live local of the type that is read.
                unsafe { ptrace(libc::PTRACE_SETREGS, tid, (&raw mut regs).cast()) };
            }
        }

        /// The call in words, if it is about a file below the folder.
        fn counts(&self, tid: libc::pid_t, call: &Call, regs: &libc::user_regs_struct) -> Option<String> {
            let path = match call.fd {
                Some(argument) => {
                    let fd = if argument == 0 { regs.rdi } else { regs.rdx };
                    fs::read_link(format!("/proc/{tid}/fd/{fd}")).ok()?
                }
                None => {
                    let first =
                        matches!(call.number, libc::SYS_rename | libc::SYS_unlink | libc::SYS_mkdir | libc::SYS_link);
                    PathBuf::from(text_at(tid, if first { regs.rdi } else { regs.rsi })?)
                }
            };
            let inside = path.strip_prefix(&self.below).ok()?;
            Some(format!("{} {}", call.name, inside.display()))
        }
    }

    /// The call is not made; the program sees this error.
    fn fail(regs: &mut libc::user_regs_struct, error: i32) -> bool {
        regs.orig_rax = u64::MAX;
        regs.rax = i64::from(-error) as u64;
        true
    }

    /// Half of the bytes, in whole pages when there are several: direct writes ask for that.
    fn shorten(regs: &mut libc::user_regs_struct) -> bool {
        let half = regs.rdx / 2;
        regs.rdx = if half >= 4096 { half / 4096 * 4096 } else { half };
        true
    }

    /// A path in the program's memory.
    fn text_at(tid: libc::pid_t, address: u64) -> Option<String> {
        use std::os::unix::fs::FileExt;
        let memory = fs::File::open(format!("/proc/{tid}/mem")).ok()?;
        let mut bytes = vec![0; 4096];
        let got = memory.read_at(&mut bytes, address).ok()?;
        let end = bytes[..got].iter().position(|byte| *byte == 0)?;
        String::from_utf8(bytes[..end].to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{Act, Calls, run, usable};
    use crate::exec::Exec;
    use crate::paths::Scratch;

    #[test]
    fn each_act_does_what_it_says() {
        if usable().is_err() {
            return;
        }
        let scratch = Scratch::new("tracer").unwrap();
        let below = scratch.path();
        let file = below.join("file");
        let tee = Exec::new("tee").arg(file.display().to_string()).stdin("abcdefgh");
        let go = |act| {
            let _ = std::fs::remove_file(&file);
            let traced = run(&tee, below, Calls::Durable, act).unwrap();
            (traced, std::fs::read(&file).unwrap_or_default())
        };
        // The file is made and written to; what goes to standard output does not count.
        let (counted, bytes) = go(Act::Count);
        assert!(counted.success() && counted.calls == 2 && bytes == b"abcdefgh", "{counted:?}");
        let (killed, bytes) = go(Act::KillAt(2));
        assert_eq!((killed.code, killed.hit.as_deref(), bytes.len()), (None, Some("write file"), 0));
        let (failed, _) = go(Act::FailAt(2, libc::EIO));
        assert!(!failed.success() && failed.stderr.contains("Input/output error"), "{failed:?}");
        let (full, _) = go(Act::FullFrom(1));
        assert!(full.stderr.contains("No space left") && !file.exists(), "{full:?}");
        let (short, bytes) = go(Act::ShortAt(2));
        assert!(short.success() && short.calls == 3 && bytes == b"abcdefgh", "{short:?}");
        let (short, bytes) = go(Act::ShortAlways);
        assert!(short.success() && short.calls == 5 && bytes == b"abcdefgh", "{short:?}");
        let flush = Exec::new("sync").arg(file.display().to_string());
        let failed = run(&flush, below, Calls::Durable, Act::FailAt(1, libc::EIO)).unwrap();
        assert!(!failed.success() && failed.hit.as_deref() == Some("fsync file"), "{failed:?}");
        let reading = Exec::new("cat").arg(file.display().to_string());
        let failed = run(&reading, below, Calls::Reads, Act::FailAt(1, libc::EIO)).unwrap();
        assert!(!failed.success() && failed.stdout.is_empty(), "{failed:?}");
    }
}
