//! How much memory a piece of work holds at most.

use merkury_testkit::allocation::{Counting, measure};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs `work` and returns its answer and by how many bytes memory grew at most on this thread.
pub(crate) fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let mut answer = None;
    let (peak, _) = measure(|| answer = Some(work()));
    (answer.expect("the work was done"), peak.max(0) as usize)
}

/// An archive of any length, made as it is read: a header and `sections` blocks of 256 KiB.
struct Archive {
    sections: u64,
    at: Vec<u8>,
    read: usize,
}

impl std::io::Read for Archive {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.read == self.at.len() {
            if self.sections == 0 {
                return Ok(0);
            }
            self.sections -= 1;
            let data = vec![self.sections as u8; 256 << 10];
            let hash = merkury_core::hash::digest(0x12, &data).expect("a known function");
            let cid = merkury_core::Cid::v1(0x55, hash);
            self.at = merkury_core::car::section_head(&cid, data.len());
            self.at.extend_from_slice(&data);
            self.read = 0;
        }
        let count = into.len().min(self.at.len() - self.read);
        into[..count].copy_from_slice(&self.at[self.read..self.read + count]);
        self.read += count;
        Ok(count)
    }
}

#[test]
fn memory_does_not_grow_with_an_archive() {
    let read = |sections: u64| {
        let root = merkury_core::Cid::parse("bafkqaaa").expect("a cid");
        let mut archive = Archive { sections, at: merkury_core::car::header(&[root]), read: 0 };
        let (blocks, peak) = peak_of(|| {
            let mut reader = merkury_core::car::CarReader::new(&mut archive, false).expect("a header");
            let mut blocks = 0;
            while let Some(section) = reader.next_section().expect("a section") {
                merkury_core::Block::verify(section.cid, section.data).expect("a good block");
                blocks += 1;
            }
            blocks
        });
        assert_eq!(blocks, sections);
        peak
    };
    let (small, large) = (read(20), read(400));
    assert!(large < small + (64 << 10), "{small} bytes for 20 blocks, {large} for 400");
    assert!(large < 4 << 20, "{large}");
}
