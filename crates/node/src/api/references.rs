//! [`References`]: parts of the user's files that are blocks.

use merkury_api::{Answer, ApiError, FilePart, ItemStream, PartState, Referenced, References};
use merkury_core::Cid;
use merkury_core::cid::codec_code;
use merkury_store::wrap::{NoCopy, RefState, Reference};

use crate::inner::{Handle, blocking, store_error};
use crate::stream;

/// References taken from the store at a time.
const PAGE: usize = 1024;

impl References for Handle {
    fn list(&self, by_file: bool, verify: bool) -> ItemStream<Referenced> {
        let inner = self.inner.clone();
        stream::from_blocking(move |items| {
            let no_copy = inner.no_copy()?;
            let mut sorted = Vec::new();
            each(&no_copy, |cid, reference| {
                if by_file {
                    sorted.push((cid, reference));
                    return true;
                }
                items.send(referenced(&no_copy, cid, &reference, verify)).is_ok()
            })?;
            sorted.sort_by_key(|(_, a)| (a.origin.to_string(), a.offset));
            for (cid, reference) in sorted {
                if items.send(referenced(&no_copy, cid, &reference, verify)).is_err() {
                    break;
                }
            }
            Ok(())
        })
    }

    fn look_up(&self, cid: Cid) -> Answer<'_, Referenced> {
        let inner = self.inner.clone();
        Box::pin(blocking(move || {
            let no_copy = inner.no_copy()?;
            let cid = Cid::v1(codec_code::RAW, cid.hash().clone());
            Ok(match no_copy.reference(&cid).map_err(store_error)? {
                Some(reference) => referenced(&no_copy, cid, &reference, true),
                None => Referenced { cid, part: None, state: PartState::Missing },
            })
        }))
    }

    fn forget(&self, cid: Cid) -> Answer<'_, ()> {
        let inner = self.inner.clone();
        Box::pin(blocking(move || inner.no_copy()?.forget(&[cid]).map_err(store_error)))
    }

    fn duplicates(&self) -> ItemStream<Cid> {
        let inner = self.inner.clone();
        stream::from_blocking(move |items| {
            let no_copy = inner.no_copy()?;
            each(&no_copy, |cid, _| !no_copy.is_duplicate(&cid) || items.send(cid).is_ok())
        })
    }
}

/// Calls `act` with every reference until it says to stop.
fn each(no_copy: &NoCopy, mut act: impl FnMut(Cid, Reference) -> bool) -> Result<(), ApiError> {
    let mut last: Option<Cid> = None;
    loop {
        let page = no_copy.list(last.as_ref(), PAGE).map_err(store_error)?;
        let Some((cid, _)) = page.last() else { return Ok(()) };
        last = Some(cid.clone());
        for (cid, reference) in page {
            if !act(cid, reference) {
                return Ok(());
            }
        }
    }
}

fn referenced(no_copy: &NoCopy, cid: Cid, reference: &Reference, verify: bool) -> Referenced {
    let path = reference.origin.to_string();
    let state = if verify { no_copy.check(&cid, reference) } else { RefState::Good };
    let state = match state {
        RefState::Good => PartState::Good,
        RefState::Changed => {
            PartState::Changed(format!("data in file did not match. {path} offset {}", reference.offset))
        }
        RefState::Gone => {
            let whole = no_copy.root().join(&path);
            PartState::Gone(format!("open {}: no such file or directory", whole.display()))
        }
        RefState::Failed(why) => PartState::Failed(why),
    };
    Referenced { cid, part: Some(FilePart { path, offset: reference.offset, size: reference.len }), state }
}
