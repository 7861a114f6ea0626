//! Pins of a Kubo repository in the same directory, beside our own: listed, and not to be removed here.

use merkury_api::{ApiError, PinEntry, PinFilter, PinKind};
use merkury_core::{Cid, ErrorKind};
use merkury_kubo::KuboPin;

use crate::inner::{Inner, store_error};
use crate::kubo_view::KuboPinned;
use crate::stream::Groups;

fn entry_of(pin: KuboPin) -> PinEntry {
    let kind = if pin.recursive { PinKind::Recursive } else { PinKind::Direct };
    PinEntry { cid: pin.cid, kind, name: pin.name, expires_unix_secs: None }
}

impl Inner {
    /// Lists Kubo's pins that are not ours too.
    pub(super) fn list_kubo_pins(&self, filter: &PinFilter, items: &Groups<'_, PinEntry>) -> Result<(), ApiError> {
        let stores = self.stores()?;
        let Some(kubo) = &stores.kubo else { return Ok(()) };
        let all = !(filter.direct || filter.recursive || filter.indirect);
        let wanted = |name: &str| filter.name_contains.as_ref().is_none_or(|part| name.contains(part.as_str()));
        let mut failure = None;
        kubo.each_pin(&mut |pin| {
            let is_kind = all || if pin.recursive { filter.recursive } else { filter.direct };
            if !is_kind || !wanted(&pin.name) {
                return true;
            }
            match stores.main.pins().get(&pin.cid) {
                Ok(Some(_)) => true,
                Ok(None) => items.send(entry_of(pin)).is_ok(),
                Err(error) => {
                    failure = Some(store_error(error));
                    false
                }
            }
        })?;
        if let Some(error) = failure {
            return Err(error);
        }
        if (all || filter.indirect) && filter.name_contains.is_none() {
            kubo.each_indirect(&mut |cid, _root| {
                // Those with a pin of their own are listed as that.
                if kubo.pin(cid).ok().flatten().is_some() {
                    return true;
                }
                let kind = PinKind::Indirect { via: None };
                items.send(PinEntry { cid: cid.clone(), kind, name: String::new(), expires_unix_secs: None }).is_ok()
            })?;
        }
        Ok(())
    }

    /// How Kubo keeps a block that nothing of ours keeps.
    pub(super) fn kubo_pin(&self, cid: &Cid) -> Result<Option<PinEntry>, ApiError> {
        let stores = self.stores()?;
        let Some(kubo) = &stores.kubo else { return Ok(None) };
        Ok(kubo.how(cid)?.map(|how| match how {
            KuboPinned::Itself(pin) => entry_of(pin),
            KuboPinned::Below(root) => super::pins::indirect(cid, Some(root)),
        }))
    }

    /// An error when the pin is Kubo's: its repository is only read.
    pub(super) fn refuse_kubo_pin(&self, cid: &Cid) -> Result<(), ApiError> {
        let stores = self.stores()?;
        let Some(kubo) = &stores.kubo else { return Ok(()) };
        match kubo.pin(cid)? {
            None => Ok(()),
            Some(_) => Err(ApiError::new(
                ErrorKind::Denied,
                format!("{cid} is pinned in Kubo's own store in this repository, which is only read"),
            )
            .hint("merkury migrate --from the repository copies everything; then Kubo's directories can go")),
        }
    }
}
