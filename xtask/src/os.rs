//! The two things the standard library cannot ask the system for: what a child process used, and the end of a whole
//! process group. The only module of the tool with unsafe code.

#![allow(unsafe_code)]

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

/// What one process (with the children it waited for) used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// User and system time together.
    pub(crate) cpu: Duration,
    /// The most memory it held at once, in KiB.
    pub(crate) rss_max_kib: u64,
}

/// Waits for a child of this process to end.
///
/// The child must not be waited for elsewhere: the system hands out its end only once.
pub(crate) fn wait(pid: u32) -> io::Result<(ExitStatus, Usage)> {
    let id = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    loop {
        let mut status: libc::c_int = 0;
        // SAFETY: an all-zero `rusage` is a valid value of that plain C struct.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: both pointers are to live, writable locals of the types that wait4 fills in.
        let reaped = unsafe { libc::wait4(id, &mut status, 0, &mut usage) };
        if reaped == id {
            let cpu = duration(usage.ru_utime) + duration(usage.ru_stime);
            let rss_max_kib = u64::try_from(usage.ru_maxrss).unwrap_or(0);
            return Ok((ExitStatus::from_raw(status), Usage { cpu, rss_max_kib }));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

fn duration(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let micros = u64::try_from(time.tv_usec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}

/// The signals the tool sends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signal {
    /// Asks to end.
    Term,
    /// Ends at once.
    Kill,
}

/// Sends a signal to a process group that this tool made; a group that is gone already is no error.
pub(crate) fn signal_group(leader: u32, signal: Signal) {
    let Ok(id) = libc::pid_t::try_from(leader) else { return };
    if id <= 1 {
        return;
    }
    let number = match signal {
        Signal::Term => libc::SIGTERM,
        Signal::Kill => libc::SIGKILL,
    };
    // SAFETY: kill takes two integers and touches no memory of ours; `id` names a group that the tool started itself.
    unsafe { libc::kill(-id, number) };
}
