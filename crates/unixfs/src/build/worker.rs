//! The part of an import that runs on several threads: read files, hash leaves, hand blocks to the store.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use merkury_core::BlockPut;
use rustix::fs::{FileType, Mode, OFlags};

use super::AddError;
use super::file::FileLink;
use super::leaf::LeafForm;
use super::local::not_a_file;
use super::options::{ImportOptions, Layout};
use super::sink::SinkError;
use super::slab::{Slab, slab_bytes};
use crate::meta::{Metadata, Mtime};

/// A file to open.
pub(super) struct FileJob {
    /// The entry it is.
    pub(super) entry: u64,
    /// Its directory.
    pub(super) dir: Arc<OwnedFd>,
    /// Its name there.
    pub(super) name: CString,
    /// Whether a symbolic link is followed.
    pub(super) follow: bool,
}

/// Some leaves of a large file.
pub(super) struct SpanJob {
    pub(super) entry: u64,
    pub(super) file: Arc<File>,
    pub(super) offset: u64,
    pub(super) bytes: u64,
    pub(super) first_index: u64,
}

/// Work for any thread.
pub(super) enum Job {
    /// Open and read small files; large ones come back opened.
    Files(Vec<FileJob>),
    /// Read and hash a piece of a large file.
    Span(SpanJob),
    /// Hash what was read already.
    Filled(Slab),
}

/// What became of an entry, or of a leaf of it.
pub(super) enum Outcome {
    /// A leaf is stored.
    Leaf { entry: u64, index: u64, link: FileLink },
    /// The file is one leaf, which is stored.
    Whole { entry: u64, link: FileLink },
    /// The file has more than one leaf; nothing was read.
    Opened { entry: u64, file: File, size: Size, meta: Metadata },
}

/// How long an opened file is.
pub(super) enum Size {
    /// It has this many bytes and can be read in pieces.
    Bytes(u64),
    /// It has to be read to its end.
    Unknown,
}

/// What a job came to.
pub(super) struct Done {
    pub(super) outcome: Result<Vec<Outcome>, AddError>,
    /// The slab of [`Job::Filled`], empty again.
    pub(super) slab: Option<Slab>,
}

/// One thread's state.
pub(super) struct Worker<'a> {
    put: &'a dyn BlockPut,
    options: &'a ImportOptions,
    form: LeafForm,
    slab: Option<Slab>,
}

impl<'a> Worker<'a> {
    pub(super) fn new(put: &'a dyn BlockPut, options: &'a ImportOptions) -> Self {
        let form = match (options.raw_leaves, options.layout) {
            (true, _) => LeafForm::Raw,
            (false, Layout::Balanced) => LeafForm::File,
            (false, Layout::Trickle) => LeafForm::RawNode,
        };
        Self { put, options, form, slab: None }
    }

    pub(super) fn run(&mut self, job: Job) -> Done {
        match job {
            Job::Files(files) => Done { outcome: self.files(files), slab: None },
            Job::Span(span) => Done { outcome: self.span(&span), slab: None },
            Job::Filled(slab) => {
                let mut outcomes = Vec::with_capacity(slab.len());
                match self.store(slab, &mut |entry, index, link| outcomes.push(Outcome::Leaf { entry, index, link })) {
                    Ok(slab) => Done { outcome: Ok(outcomes), slab: Some(slab) },
                    Err(error) => Done { outcome: Err(error.into()), slab: None },
                }
            }
        }
    }

    /// Names the leaves of a slab, hands them to the store, and gives the slab back empty.
    fn store(&self, slab: Slab, leaf: &mut dyn FnMut(u64, u64, FileLink)) -> Result<Slab, SinkError> {
        let (slots, datas, memory) = slab.seal(self.form);
        let blocks = self.options.cid.blocks(self.form.codec(), datas)?;
        for (slot, block) in slots.iter().zip(&blocks) {
            let link = FileLink {
                cid: block.cid().clone(),
                tsize: block.data().len() as u64,
                file_bytes: slot.data.len() as u64,
            };
            leaf(slot.entry, slot.index, link);
        }
        if self.options.cid.inline_bytes_max.is_some() {
            let kept = blocks.into_iter().filter(|block| !block.cid().hash().is_identity()).collect();
            self.put.put_many(kept)?;
        } else {
            self.put.put_many(blocks)?;
        }
        Ok(Slab::reuse(memory, slots))
    }

    fn own_slab(&mut self) -> Slab {
        self.slab.take().unwrap_or_else(|| Slab::new(slab_bytes(self.options.chunker.bytes_max())))
    }

    fn files(&mut self, files: Vec<FileJob>) -> Result<Vec<Outcome>, AddError> {
        let mut slab = self.own_slab();
        let mut outcomes = Vec::with_capacity(files.len());
        for job in files {
            slab = self.file(job, slab, &mut outcomes)?;
        }
        self.slab = Some(self.store_whole(slab, &mut outcomes)?);
        Ok(outcomes)
    }

    fn store_whole(&self, slab: Slab, outcomes: &mut Vec<Outcome>) -> Result<Slab, AddError> {
        if slab.is_empty() {
            return Ok(slab);
        }
        Ok(self.store(slab, &mut |entry, _, link| outcomes.push(Outcome::Whole { entry, link }))?)
    }

    /// Reads one file into the slab, or opens it when it is no single leaf.
    fn file(&mut self, job: FileJob, mut slab: Slab, outcomes: &mut Vec<Outcome>) -> Result<Slab, AddError> {
        let fail = |error: std::io::Error| AddError::Read { name: job.name.to_string_lossy().into_owned(), error };
        let nofollow = if job.follow { OFlags::empty() } else { OFlags::NOFOLLOW };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | nofollow;
        let fd = rustix::fs::openat(&*job.dir, &job.name, flags, Mode::empty()).map_err(|error| fail(error.into()))?;
        let stat = rustix::fs::fstat(&fd).map_err(|error| fail(error.into()))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(not_a_file(Path::new(OsStr::from_bytes(job.name.as_bytes())), stat.st_mode));
        }
        let meta = self.options.metadata.of(metadata_of(&stat));
        let file = File::from(fd);
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let fixed = self.options.chunker.fixed().filter(|_| self.options.layout == Layout::Balanced);
        let Some(chunk) = fixed else {
            outcomes.push(Outcome::Opened { entry: job.entry, file, size: Size::Unknown, meta });
            return Ok(slab);
        };
        if size > chunk as u64 {
            outcomes.push(Outcome::Opened { entry: job.entry, file, size: Size::Bytes(size), meta });
            return Ok(slab);
        }
        // One byte more than expected tells a file that grew; files of the kernel claim to have no bytes.
        let wanted = if size == 0 { 1 } else { size as usize + 1 };
        if slab.room(wanted).is_none() {
            slab = self.store_whole(slab, outcomes)?;
        }
        let room = slab.room(wanted).expect("an empty slab holds the largest leaf and a byte");
        match read_up_to(&file, room, 0).map_err(fail)? {
            read if read == wanted => {
                outcomes.push(Outcome::Opened { entry: job.entry, file, size: Size::Unknown, meta });
            }
            read => slab.take(job.entry, 0, read, meta),
        }
        Ok(slab)
    }

    fn span(&mut self, job: &SpanJob) -> Result<Vec<Outcome>, AddError> {
        let chunk = self.options.chunker.fixed().expect("only fixed chunks are read in spans") as u64;
        let mut slab = self.own_slab();
        let mut at = 0;
        let mut index = job.first_index;
        while at < job.bytes {
            let wanted = chunk.min(job.bytes - at) as usize;
            let room = slab.room(wanted).expect("a span fits a slab");
            let read = read_up_to(&job.file, room, job.offset + at)
                .map_err(|error| AddError::Read { name: String::new(), error })?;
            if read < wanted {
                return Err(AddError::Shrank);
            }
            slab.take(job.entry, index, read, Metadata::default());
            at += wanted as u64;
            index += 1;
        }
        let mut outcomes = Vec::with_capacity(slab.len());
        let slab = self.store(slab, &mut |entry, index, link| outcomes.push(Outcome::Leaf { entry, index, link }))?;
        self.slab = Some(slab);
        Ok(outcomes)
    }
}

/// Mode and time of a file.
pub(super) fn metadata_of(stat: &rustix::fs::Stat) -> Metadata {
    let mtime = Mtime { seconds: stat.st_mtime, nanos: stat.st_mtime_nsec as u32 };
    Metadata { mode: Some(stat.st_mode & 0o7777), mtime: Some(mtime) }
}

/// Reads until `room` is full or the file ends. A regular file answers short only at its end, so a file that is
/// smaller than the room costs one read.
fn read_up_to(file: &File, room: &mut [u8], offset: u64) -> std::io::Result<usize> {
    let mut read = 0;
    while read < room.len() {
        match file.read_at(&mut room[read..], offset + read as u64) {
            Ok(0) => break,
            Ok(count) if read == 0 && count + 1 == room.len() => return Ok(count),
            Ok(count) => read += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}
