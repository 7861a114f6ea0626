//! Power cuts under real file systems: a [`disk::Disk`] with a volatile cache, seen by the kernel through FUSE and a loop
//! device, with ext4, xfs or btrfs on it.
//!
//! A writer runs; at random times the power fails: what the disk would then hold is kept as an image, together with what
//! had been acknowledged *before*. Each image is mounted and everything acknowledged is looked for. Half of the images are
//! first mounted on such a disk again, and the power fails once more while the file system and the store recover.
//!
//! It takes root, /dev/fuse, loop devices and the mkfs programs; what is missing is said, as "skipped".

mod disk;
mod fuse;

use super::{Context, inner};
use crate::Res;
use crate::exec::{self, Exec};
use crate::paths::{self, Scratch};
use crate::rng::Rng;
use crate::say::Tally;
use disk::{Disk, Image};
use fuse::Fuse;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

/// More than any of these file systems needs at least; most of it is a hole.
const DISK_BYTES: u64 = 384 << 20;
/// Cuts in one life of a file system.
const CUTS_PER_SESSION: u64 = 10;
/// Time between two cuts.
const PAUSE_MAX_MS: u64 = 120;
/// A second cut falls within this time after the image is mounted again.
const SECOND_CUT_MAX_MS: u64 = 60;

/// A file system, and the command that makes it.
const FILE_SYSTEMS: &[(&str, &[&str])] =
    &[("ext4", &["mkfs.ext4", "-q", "-F"]), ("xfs", &["mkfs.xfs", "-q", "-f"]), ("btrfs", &["mkfs.btrfs", "-q", "-f"])];

pub(super) fn run(context: &Context, tally: &mut Tally) -> Res<()> {
    let cuts = context.rounds(5, 30, 1_000);
    for (name, mkfs) in FILE_SYSTEMS {
        let scratch = Scratch::fast("powercut")?;
        match FileSystem::new(name, mkfs, &scratch) {
            Ok(fs) => fs.torture(context, cuts, tally)?,
            Err(why) => tally.note(format!("{name}: skipped: {why}")),
        }
    }
    Ok(())
}

struct FileSystem<'a> {
    name: &'static str,
    empty: Image,
    scratch: &'a Scratch,
}

/// The power failed once.
struct Cut {
    number: u64,
    image: Image,
    /// Lines that were acknowledged before.
    told: Vec<u8>,
}

impl<'a> FileSystem<'a> {
    /// Makes an empty one, and mounts it once to see whether that works here.
    fn new(name: &'static str, mkfs: &[&str], scratch: &'a Scratch) -> Res<Self> {
        let image = scratch.join("empty.img");
        let file = File::create(&image).map_err(|e| format!("cannot make {}: {e}", image.display()))?;
        file.set_len(DISK_BYTES).map_err(|e| e.to_string())?;
        Exec::new(mkfs[0]).args(&mkfs[1..]).arg(image.display().to_string()).run()?;
        for folder in ["fuse", "mounted"] {
            paths::make_dir(&scratch.join(folder))?;
        }
        let fs = Self { name, empty: Image::load(&image)?, scratch };
        fs::remove_file(&image).map_err(|e| e.to_string())?;
        let (_fuse, mounted) = fs.volatile(fs.empty.clone())?;
        drop(mounted);
        Ok(fs)
    }

    fn torture(&self, context: &Context, cuts: u64, tally: &mut Tally) -> Res<()> {
        let mut rng = Rng::new(context.seed ^ self.name.len() as u64);
        tally.check(&format!("{}: a disk that does not flush is found out", self.name), self.control(&mut rng)?);
        let (mut done, mut second, mut lines) = (0, 0, 0);
        while done < cuts {
            let count = CUTS_PER_SESSION.min(cuts - done);
            for cut in self.session(&mut rng, done, count, false)? {
                lines += cut.told.iter().filter(|byte| **byte == b'\n').count();
                let name = format!("{}, cut {}", self.name, cut.number);
                if !tally.check(&name, self.look(&cut.image, &cut.told)?) && std::env::var_os("MERKURY_KEEP").is_some()
                {
                    return Err(format!("the image is kept in {}", self.scratch.path().display()));
                }
                if cut.number % 2 == 0 {
                    let again = self.second_cut(&cut, &mut rng)?;
                    tally.check(&format!("{name}, and one during recovery"), self.look(&again, &cut.told)?);
                    second += 1;
                }
            }
            done += count;
        }
        tally.note(format!("{}: {done} cuts, {second} more during recovery, {lines} acknowledgements", self.name));
        Ok(())
    }

    /// A look that finds nothing missing on a disk that lies would prove nothing on one that does not.
    fn control(&self, rng: &mut Rng) -> Res<Res<()>> {
        for cut in self.session(rng, 0, CUTS_PER_SESSION, true)? {
            if self.look(&cut.image, &cut.told)?.is_err() {
                return Ok(Ok(()));
            }
        }
        Ok(Err("nothing was missing".to_owned()))
    }

    /// Writes to a new file system and cuts the power again and again; `lies`: on a disk that does not flush.
    fn session(&self, rng: &mut Rng, first: u64, count: u64, lies: bool) -> Res<Vec<Cut>> {
        let (fuse, mounted) = self.volatile(self.empty.clone())?;
        let dir = mounted.dir.join("repo");
        paths::make_dir(&dir)?;
        let said = self.scratch.join("said");
        let out = File::create(&said).map_err(|e| format!("{}: {e}", said.display()))?;
        let writer = inner::start_writer(&dir, rng.next(), Stdio::from(out))?;
        if lies {
            fuse.disk().begin_to_lie();
        }
        let mut cuts = Vec::new();
        let opened = exec::wait_for("the writer opens its store", exec::DEADLINE, || {
            Ok((!paths::read(&said)?.is_empty()).then_some(()))
        });
        for number in first..first + if opened.is_ok() { count } else { 0 } {
            thread::sleep(Duration::from_millis(rng.below(PAUSE_MAX_MS)));
            let before = paths::read(&said)?.len();
            let image = fuse.disk().crash(rng);
            cuts.push(Cut { number, image, told: told(&paths::read(&said)?, before) });
        }
        inner::end_writer(&writer)?;
        opened.map(|()| cuts)
    }

    /// Mounts the image, lets file system and store recover, and cuts the power meanwhile.
    fn second_cut(&self, cut: &Cut, rng: &mut Rng) -> Res<Image> {
        let fuse = Fuse::mount(Disk::new(cut.image.clone(), DISK_BYTES), &self.scratch.join("fuse"))?;
        let after = Duration::from_millis(rng.below(SECOND_CUT_MAX_MS));
        let told = self.told_file(&cut.told)?;
        thread::scope(|scope| {
            let recovery = scope.spawn(|| -> Res<()> {
                // Whether it mounts, and what is found, was the business of the look that was taken already.
                let Ok(mounted) = Mounted::new(self.name, &fuse.file(), &self.scratch.join("mounted")) else {
                    return Ok(());
                };
                inner::verify(&mounted.dir.join("repo"), &told, exec::DEADLINE).map(drop)
            });
            thread::sleep(after);
            let image = fuse.disk().crash(rng);
            recovery.join().map_err(|_| "the recovery has ended early".to_owned())??;
            Ok(image)
        })
    }

    /// Everything told is there; the outer error is a failure of the driver.
    fn look(&self, image: &Image, told: &[u8]) -> Res<Res<()>> {
        let path = self.scratch.join("crashed.img");
        // A new file, not the old one with other bytes.
        let _ = fs::remove_file(&path);
        image.save(&path, DISK_BYTES)?;
        let mounted = match Mounted::new(self.name, &path, &self.scratch.join("mounted")) {
            Ok(mounted) => mounted,
            Err(reason) => return Ok(Err(format!("the file system does not mount: {reason}"))),
        };
        inner::verify(&mounted.dir.join("repo"), &self.told_file(told)?, exec::DEADLINE)
    }

    fn told_file(&self, told: &[u8]) -> Res<PathBuf> {
        let path = self.scratch.join("told");
        paths::write(&path, told)?;
        Ok(path)
    }

    /// The file system on a disk with a volatile cache. The mount goes first when both are dropped.
    fn volatile(&self, image: Image) -> Res<(Fuse, Mounted)> {
        let fuse = Fuse::mount(Disk::new(image, DISK_BYTES), &self.scratch.join("fuse"))?;
        let mounted = Mounted::new(self.name, &fuse.file(), &self.scratch.join("mounted"))?;
        Ok((fuse, mounted))
    }
}

/// Whole lines up to `before`; of those that came while the power failed only what takes a promise back.
fn told(said: &[u8], before: usize) -> Vec<u8> {
    let end = |of: &[u8]| of.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let first = end(&said[..before]);
    let mut told = said[..first].to_vec();
    for line in said[first..end(said).max(first)].split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b"gc") || line.starts_with(b"try-") {
            told.extend_from_slice(line);
        }
    }
    told
}

/// A mounted file system on a loop device of its own; both end when dropped.
///
/// Not `mount -o loop`: it takes a loop device over that still shows the file as it was, with what the kernel remembers of it.
#[must_use = "it is unmounted when this is dropped"]
struct Mounted {
    dir: PathBuf,
    device: String,
}

impl Mounted {
    fn new(kind: &str, file: &Path, dir: &Path) -> Res<Self> {
        let device = Exec::new("losetup").args(["--find", "--show", &file.display().to_string()]).text()?;
        let mounted = Self { dir: dir.to_path_buf(), device };
        // All images of a run have one UUID; xfs mounts only one at a time of those unless told.
        let options = if kind == "xfs" { "nouuid" } else { "defaults" };
        Exec::new("mount").args(["-t", kind, "-o", options, &mounted.device, &dir.display().to_string()]).run()?;
        Ok(mounted)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let dir = self.dir.display().to_string();
        if Exec::new("umount").arg(&dir).run().is_err() {
            let _ = Exec::new("umount").args(["-l", &dir]).run();
        }
        let _ = Exec::new("losetup").args(["--detach", &self.device]).run();
    }
}
