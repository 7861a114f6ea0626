//! Pins that end by themselves: a daemon looks when the next one is due, and whoever lists or collects looks first.

use std::sync::Weak;
use std::time::{Duration, SystemTime};

use merkury_api::ApiError;
use merkury_store::Store;

use crate::inner::{Inner, blocking, store_error};

/// Longest wait before looking again: the clock may have been set, or a pin made.
const LOOK_EVERY: Duration = Duration::from_secs(60);

impl Inner {
    /// Ends pins that have expired by the system's clock. Costs nothing when there are none.
    pub(crate) fn expire_pins(&self, store: &Store) -> Result<(), ApiError> {
        for pin in store.pins().expire(unix_now()).map_err(store_error)? {
            tracing::info!(cid = %pin.cid, name = pin.name, "a pin has expired");
        }
        Ok(())
    }
}

/// Works until the node is gone.
pub(crate) async fn run(node: Weak<Inner>) {
    loop {
        let wait = {
            let Some(inner) = node.upgrade() else { return };
            let work = blocking(move || {
                let store = inner.store()?;
                inner.expire_pins(&store)?;
                store.pins().next_expiry().map_err(store_error)
            });
            match work.await {
                Ok(Some(next)) => Duration::from_secs(next.saturating_sub(unix_now()).max(1)).min(LOOK_EVERY),
                Ok(None) => LOOK_EVERY,
                Err(error) => {
                    tracing::warn!(%error, "expired pins could not be ended");
                    LOOK_EVERY
                }
            }
        };
        tokio::time::sleep(wait).await;
    }
}

/// Seconds since 1970 by the system's clock.
pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
