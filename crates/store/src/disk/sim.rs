//! A disk in memory that crashes and fails on purpose, the same way for the same seed.
//!
//! A crash keeps what was flushed. Of the rest it keeps, by seed, each write whole, torn at any byte, or not at all,
//! independently of order; and of unflushed names a prefix per directory. That is harsher than any file system.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Disk, DiskFile, Open};

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

/// What goes wrong from some operation on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The power fails just before the N-th changing operation: it and all later ones fail, whatever they are.
    PowerCutAt(u64),
    /// The N-th changing operation fails with an I/O error, once.
    ErrorAt(u64),
    /// From the N-th changing operation on, writes find the disk full.
    FullAt(u64),
    /// The N-th changing operation, if it writes, writes half of its bytes and finds the disk full then, once.
    HalfAt(u64),
    /// The N-th read fails with an I/O error, once.
    ReadErrorAt(u64),
}

#[derive(Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    pending_names: Vec<(PathBuf, NameOp)>,
    dirs: std::collections::BTreeSet<PathBuf>,
    changes: u64,
    reads: u64,
    fault: Option<Fault>,
}

#[derive(Clone, Default)]
struct Inode {
    now: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write(u64, Vec<u8>),
    SetLen(u64),
}

#[derive(Clone)]
enum NameOp {
    Set(PathBuf, usize),
    Move(PathBuf, PathBuf),
    Remove(PathBuf),
}

impl SimDisk {
    /// An empty disk on which nothing fails.
    pub fn new() -> Self {
        Self::default()
    }

    /// What will go wrong; counts changing operations from now on.
    pub fn set_fault(&self, fault: Fault) {
        let mut state = self.state.lock();
        (state.changes, state.reads) = (0, 0);
        state.fault = Some(fault);
    }

    /// Changing operations (writes, flushes, names) since the last [`SimDisk::set_fault`].
    pub fn changes(&self) -> u64 {
        self.state.lock().changes
    }

    /// The disk as a machine finds it that starts again after the power failed now.
    pub fn after_crash(&self, seed: u64) -> Self {
        let state = self.state.lock();
        let mut random = Random(seed);
        let mut after = State { dirs: state.dirs.clone(), ..State::default() };
        after.inodes = state.inodes.iter().map(|inode| inode.after_crash(&mut random)).collect();
        after.names = state.durable_names.clone();
        let mut keep: BTreeMap<&Path, u64> = BTreeMap::new();
        for (dir, op) in &state.pending_names {
            let pending = state.pending_names.iter().filter(|(d, _)| d == dir).count() as u64;
            let left = keep.entry(dir).or_insert_with(|| random.below(pending + 1));
            if *left > 0 {
                *left -= 1;
                op.apply(&mut after.names);
            }
        }
        after.durable_names = after.names.clone();
        Self { state: Arc::new(Mutex::new(after)) }
    }

    /// The same disk as the process left it: a killed process loses nothing it handed to the system.
    pub fn after_kill(&self) -> Self {
        let state = self.state.lock();
        let after = State {
            inodes: state.inodes.clone(),
            names: state.names.clone(),
            durable_names: state.durable_names.clone(),
            pending_names: state.pending_names.clone(),
            dirs: state.dirs.clone(),
            ..State::default()
        };
        Self { state: Arc::new(Mutex::new(after)) }
    }

    /// The bytes of a file, if it exists.
    pub fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state.lock();
        state.names.get(path).map(|&inode| state.inodes[inode].now.clone())
    }

    /// Replaces the bytes of a file behind the store's back.
    pub fn set_contents(&self, path: &Path, bytes: Vec<u8>) {
        let mut state = self.state.lock();
        let inode = Inode { now: bytes.clone(), durable: bytes, pending: Vec::new() };
        state.inodes.push(inode);
        let id = state.inodes.len() - 1;
        state.names.insert(path.to_owned(), id);
        state.durable_names.insert(path.to_owned(), id);
    }

    /// All files.
    pub fn files(&self) -> Vec<PathBuf> {
        self.state.lock().names.keys().cloned().collect()
    }
}

impl Inode {
    fn after_crash(&self, random: &mut Random) -> Self {
        let mut bytes = self.durable.clone();
        for change in &self.pending {
            match (random.below(3), change) {
                (0, _) => {}
                (1, Change::Write(offset, data)) => {
                    let torn = random.below(data.len() as u64 + 1) as usize;
                    write_into(&mut bytes, *offset, &data[..torn]);
                }
                (_, Change::Write(offset, data)) => write_into(&mut bytes, *offset, data),
                (_, Change::SetLen(len)) => bytes.resize(*len as usize, 0),
            }
        }
        Self { now: bytes.clone(), durable: bytes, pending: Vec::new() }
    }
}

impl NameOp {
    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Set(path, inode) => {
                names.insert(path.clone(), *inode);
            }
            Self::Move(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
            Self::Remove(path) => {
                names.remove(path);
            }
        }
    }
}

impl State {
    /// Counts a changing operation and answers with the error it must fail with.
    fn change(&mut self, writes: bool) -> io::Result<()> {
        self.changes += 1;
        match self.fault {
            Some(Fault::PowerCutAt(n)) if self.changes >= n => Err(io::Error::other("the power is off")),
            Some(Fault::ErrorAt(n)) if self.changes == n => Err(io::Error::other("simulated I/O error")),
            Some(Fault::FullAt(n)) if writes && self.changes >= n => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    /// Counts a read and answers with the error it must fail with.
    fn read(&mut self) -> io::Result<()> {
        self.reads += 1;
        match self.fault {
            Some(Fault::ReadErrorAt(n)) if self.reads == n => Err(io::Error::other("simulated read error")),
            _ => Ok(()),
        }
    }

    fn name_op(&mut self, path: &Path, op: NameOp) {
        op.apply(&mut self.names);
        self.pending_names.push((parent(path), op));
    }
}

fn parent(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).to_owned()
}

fn write_into(bytes: &mut Vec<u8>, offset: u64, data: &[u8]) {
    let (start, end) = (offset as usize, offset as usize + data.len());
    if !data.is_empty() && bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes.get_mut(start..end).into_iter().for_each(|place| place.copy_from_slice(data));
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state.lock();
        let inode = match (state.names.get(path), how) {
            (Some(_), Open::Create) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(&inode), _) => inode,
            (None, Open::Create) => {
                if !state.dirs.contains(&parent(path)) {
                    return Err(io::ErrorKind::NotFound.into());
                }
                state.change(true)?;
                state.inodes.push(Inode::default());
                let inode = state.inodes.len() - 1;
                state.name_op(path, NameOp::Set(path.to_owned(), inode));
                inode
            }
            (None, _) => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(Arc::new(SimFile { disk: self.clone(), inode }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.dirs.extend(path.ancestors().map(Path::to_owned));
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state.lock();
        if !state.dirs.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let names = state.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(names.filter_map(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned()).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.change(false)?;
        if !state.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.name_op(to, NameOp::Move(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.change(false)?;
        if !state.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.name_op(path, NameOp::Remove(path.to_owned()));
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.change(false)?;
        let pending = std::mem::take(&mut state.pending_names);
        for (of, op) in pending {
            if of == dir {
                op.apply(&mut state.durable_names);
            } else {
                state.pending_names.push((of, op));
            }
        }
        Ok(())
    }
}

struct SimFile {
    disk: SimDisk,
    inode: usize,
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state.lock().inodes[self.inode].now.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.state.lock();
        state.read()?;
        let rest = state.inodes[self.inode].now.get(offset as usize..).unwrap_or_default();
        let got = rest.len().min(buffer.len());
        buffer[..got].copy_from_slice(&rest[..got]);
        Ok(got)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        state.change(true)?;
        let half = state.fault == Some(Fault::HalfAt(state.changes));
        let bytes = if half { &bytes[..bytes.len() / 2] } else { bytes };
        let inode = &mut state.inodes[self.inode];
        write_into(&mut inode.now, offset, bytes);
        inode.pending.push(Change::Write(offset, bytes.to_vec()));
        if half { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        state.change(false)?;
        let inode = &mut state.inodes[self.inode];
        inode.now.resize(len as usize, 0);
        inode.pending.push(Change::SetLen(len));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        state.change(false)?;
        let inode = &mut state.inodes[self.inode];
        inode.durable = inode.now.clone();
        inode.pending.clear();
        Ok(())
    }
}

/// A small seeded generator (splitmix64); nothing here needs a better one.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, or 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next_u64().checked_rem(bound).unwrap_or(0)
    }
}
