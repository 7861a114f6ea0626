//! A folder with one file, `disk.img`, whose bytes are those of a [`Disk`]: a FUSE server, as much of it as a loop device asks
//! for. It speaks the kernel's protocol itself (linux/fuse.h), which for one file is less than binding a library.

#![allow(unsafe_code)]

use super::disk::Disk;
use crate::Res;
use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

/// Most bytes of one write; the kernel's default of 32 pages.
const WRITE_BYTES_MAX: u32 = 128 << 10;
const ROOT: u64 = 1;
const FILE: u64 = 2;
const NAME: &[u8] = b"disk.img\0";
/// Bytes before the arguments of a request, and before the data of a write.
const IN_HEADER_BYTES: usize = 40;
const WRITE_IN_BYTES: usize = 40;

/// A mounted folder; unmounted when dropped.
#[must_use = "the folder is unmounted when this is dropped"]
pub(super) struct Fuse {
    dir: PathBuf,
    disk: Arc<Mutex<Disk>>,
    server: Option<JoinHandle<()>>,
}

impl Fuse {
    /// Mounts the disk at `dir`, which must be an empty folder.
    pub(super) fn mount(disk: Disk, dir: &Path) -> Res<Self> {
        let open = OpenOptions::new().read(true).write(true).open("/dev/fuse");
        let device = open.map_err(|e| format!("/dev/fuse cannot be opened: {e}"))?;
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0", device.as_raw_fd());
        let text = |bytes: &[u8]| CString::new(bytes).map_err(|_| "a path with a zero byte".to_owned());
        let (source, kind) = (text(b"merkury-power-cut")?, text(b"fuse")?);
        let (target, options) = (text(dir.as_os_str().as_bytes())?, text(options.as_bytes())?);
        let flags = libc::MS_NOSUID | libc::MS_NODEV;
        // SAFETY: all four are zero-terminated strings that live until the call returns.
        let done =
            unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, options.as_ptr().cast()) };
        if done != 0 {
            return Err(format!("FUSE cannot be mounted: {}", std::io::Error::last_os_error()));
        }
        let disk = Arc::new(Mutex::new(disk));
        let served = disk.clone();
        let server = thread::spawn(move || serve(device, &served));
        Ok(Self { dir: dir.to_path_buf(), disk, server: Some(server) })
    }

    pub(super) fn file(&self) -> PathBuf {
        self.dir.join("disk.img")
    }

    /// The disk; nothing is written or flushed while the guard lives.
    pub(super) fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Fuse {
    fn drop(&mut self) {
        if let Ok(dir) = CString::new(self.dir.as_os_str().as_bytes()) {
            // SAFETY: a zero-terminated string that lives until the call returns.
            unsafe { libc::umount2(dir.as_ptr(), libc::MNT_DETACH) };
        }
        if let Some(server) = self.server.take() {
            // It ends when the kernel has closed the device, once nothing uses the folder.
            let _ = server.join();
        }
    }
}

/// A request: the fields of its header that matter, and its arguments.
struct Request<'a> {
    opcode: u32,
    node: u64,
    args: &'a [u8],
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}

fn serve(mut device: File, disk: &Mutex<Disk>) {
    let mut buffer = vec![0; WRITE_BYTES_MAX as usize + 64 * 1024];
    loop {
        let got = match device.read(&mut buffer) {
            Ok(got) if got >= IN_HEADER_BYTES => got,
            Ok(_) => return,
            // The request was interrupted before it was read.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINTR | libc::EAGAIN)) => continue,
            // The folder was unmounted.
            Err(_) => return,
        };
        let unique = u64_at(&buffer, 8);
        let request =
            Request { opcode: u32_at(&buffer, 4), node: u64_at(&buffer, 16), args: &buffer[IN_HEADER_BYTES..got] };
        let answered = answer(&request, &mut disk.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
        let (error, body) = match answered {
            None => continue,
            Some(Ok(body)) => (0, body),
            Some(Err(error)) => (-error, Vec::new()),
        };
        let mut reply = Vec::with_capacity(16 + body.len());
        reply.extend_from_slice(&(16 + body.len() as u32).to_le_bytes());
        reply.extend_from_slice(&i32::to_le_bytes(error));
        reply.extend_from_slice(&unique.to_le_bytes());
        reply.extend_from_slice(&body);
        // A request that was interrupted meanwhile takes no answer.
        let _ = device.write(&reply);
    }
}

/// Numbers of requests in linux/fuse.h.
mod op {
    pub(super) const LOOKUP: u32 = 1;
    pub(super) const FORGET: u32 = 2;
    pub(super) const GETATTR: u32 = 3;
    pub(super) const SETATTR: u32 = 4;
    pub(super) const OPEN: u32 = 14;
    pub(super) const READ: u32 = 15;
    pub(super) const WRITE: u32 = 16;
    pub(super) const STATFS: u32 = 17;
    pub(super) const RELEASE: u32 = 18;
    pub(super) const FSYNC: u32 = 20;
    pub(super) const FLUSH: u32 = 25;
    pub(super) const INIT: u32 = 26;
    pub(super) const OPENDIR: u32 = 27;
    pub(super) const READDIR: u32 = 28;
    pub(super) const RELEASEDIR: u32 = 29;
    pub(super) const INTERRUPT: u32 = 36;
    pub(super) const DESTROY: u32 = 38;
    pub(super) const BATCH_FORGET: u32 = 42;
    pub(super) const FALLOCATE: u32 = 43;
}

/// The answer's body, or an error number; `None` where no answer is wanted.
fn answer(request: &Request<'_>, disk: &mut Disk) -> Option<Result<Vec<u8>, i32>> {
    let args = request.args;
    Some(match request.opcode {
        op::FORGET | op::BATCH_FORGET | op::INTERRUPT => return None,
        op::INIT => Ok(init()),
        op::LOOKUP if request.node == ROOT && args == NAME => Ok(entry(disk.bytes)),
        op::LOOKUP => Err(libc::ENOENT),
        op::GETATTR | op::SETATTR => Ok([&[0; 16][..], &attributes(request.node, disk.bytes)].concat()),
        op::OPEN => Ok(opened(true)),
        op::OPENDIR => Ok(opened(false)),
        op::READ => Ok(disk.read(u64_at(args, 8), u32_at(args, 16) as usize)),
        op::WRITE => {
            let bytes = args.get(WRITE_IN_BYTES..).unwrap_or_default();
            disk.write(u64_at(args, 8), bytes);
            Ok([(bytes.len() as u32).to_le_bytes(), [0; 4]].concat())
        }
        op::FSYNC => {
            disk.flush();
            Ok(Vec::new())
        }
        op::STATFS => Ok(vec![0; 80]),
        op::FLUSH | op::RELEASE | op::RELEASEDIR | op::READDIR | op::DESTROY => Ok(Vec::new()),
        op::FALLOCATE => Err(libc::EOPNOTSUPP),
        _ => Err(libc::ENOSYS),
    })
}

/// `fuse_init_out`: the protocol as of 7.31, large writes, nothing else.
fn init() -> Vec<u8> {
    const BIG_WRITES: u32 = 1 << 5;
    let mut out = Vec::with_capacity(64);
    for field in [7, 31, WRITE_BYTES_MAX, BIG_WRITES] {
        out.extend_from_slice(&u32::to_le_bytes(field));
    }
    // Requests in the background, and from how many on it is called congested.
    out.extend_from_slice(&u16::to_le_bytes(16));
    out.extend_from_slice(&u16::to_le_bytes(12));
    out.extend_from_slice(&WRITE_BYTES_MAX.to_le_bytes());
    // Times in nanoseconds.
    out.extend_from_slice(&u32::to_le_bytes(1));
    out.resize(64, 0);
    out
}

/// `fuse_attr`.
fn attributes(node: u64, disk_bytes: u64) -> Vec<u8> {
    let (mode, size) = match node {
        FILE => (libc::S_IFREG | 0o600, disk_bytes),
        _ => (libc::S_IFDIR | 0o700, 0),
    };
    let mut out = Vec::with_capacity(88);
    for field in [node, size, size / 512, 0, 0, 0] {
        out.extend_from_slice(&u64::to_le_bytes(field));
    }
    // Three parts of nanoseconds, mode, links, user, group, device, block size, flags.
    for field in [0, 0, 0, mode, 1, 0, 0, 0, 4096, 0] {
        out.extend_from_slice(&u32::to_le_bytes(field));
    }
    out
}

/// `fuse_entry_out` of the file: node, generation, how long both are valid (not at all), attributes.
fn entry(disk_bytes: u64) -> Vec<u8> {
    let mut out = FILE.to_le_bytes().to_vec();
    out.resize(40, 0);
    out.extend(attributes(FILE, disk_bytes));
    out
}

/// `fuse_open_out`: the file is read and written past the page cache, so that we see every write and flush.
fn opened(direct: bool) -> Vec<u8> {
    let mut out = vec![0; 16];
    out[8] = u8::from(direct);
    out
}
