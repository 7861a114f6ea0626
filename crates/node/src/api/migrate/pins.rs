//! Copying pins with their names, many in one step.

use merkury_api::ApiError;
use merkury_kubo::KuboPin;
use merkury_store::{Pin, PinKind, Store};

use super::Run;
use crate::inner::store_error;
use crate::kubo_view::kubo_error;

/// Pins made in one step.
const GROUP_PINS: usize = 512;

impl Run<'_> {
    /// Makes the pins that are not here. Each is made only when everything below it is here.
    pub(super) fn pins(&mut self) -> Result<(), ApiError> {
        let store = self.handle.inner.store()?;
        let (mut group, mut failure) = (Vec::new(), None);
        let source = self.source;
        source
            .each_pin(&mut |pin| {
                let added = self.collect(&store, pin, &mut group).and_then(|()| {
                    if group.len() >= GROUP_PINS { self.make(&store, std::mem::take(&mut group)) } else { Ok(()) }
                });
                failure = added.err();
                failure.is_none()
            })
            .map_err(kubo_error)?;
        match failure {
            Some(error) => Err(error),
            None => self.make(&store, group),
        }
    }

    fn collect(&mut self, store: &Store, pin: KuboPin, group: &mut Vec<Pin>) -> Result<(), ApiError> {
        let kind = if pin.recursive { PinKind::Recursive } else { PinKind::Direct };
        let ours = store.pins().get(&pin.cid).map_err(store_error)?;
        // A recursive pin of ours keeps all that a direct one would; a name of ours stays.
        let covers = |ours: &Pin| {
            (ours.kind == kind || ours.kind == PinKind::Recursive) && (pin.name.is_empty() || !ours.name.is_empty())
        };
        if ours.as_ref().is_some_and(covers) {
            self.done.pins_known += 1;
            return Ok(());
        }
        let stronger =
            ours.as_ref().map_or(kind, |ours| if ours.kind == PinKind::Recursive { ours.kind } else { kind });
        group.push(Pin { cid: pin.cid, kind: stronger, name: pin.name, expires_unix_secs: None });
        Ok(())
    }

    fn make(&mut self, store: &Store, group: Vec<Pin>) -> Result<(), ApiError> {
        if group.is_empty() || store.pins().add_many(&group).is_ok() {
            self.done.pins_made += group.len() as u64;
            return Ok(());
        }
        // One of them cannot be made, and then none was.
        for pin in group {
            match store.pins().add_many(std::slice::from_ref(&pin)) {
                Ok(()) => self.done.pins_made += 1,
                Err(error) => self.problem(format!("pin {}", pin.cid), error)?,
            }
        }
        Ok(())
    }
}
