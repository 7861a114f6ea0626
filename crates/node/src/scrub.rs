//! A daemon reads its stored blocks back, slowly, all of them about once a month, so that damage is found while peers still
//! have the blocks.
//!
//! How far it came is kept in the store: a restart goes on there. What cannot be mended is fetched from peers when there is
//! a network. A crash may read a minute's worth again.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::Duration;

use merkury_api::{ApiError, Reach};
use merkury_core::Cid;
use merkury_store::{VerifyEvent, VerifyOptions, VerifyPlace};
use serde_json::Value;

use crate::api::{decode_place, encode_place};
use crate::config::{ConfigError, View};
use crate::expiry::unix_now;
use crate::inner::{Handle, Inner, blocking, store_error};

/// `Merkury.ScrubDelay` when there is none: after a start the reading waits so long, for a start is busy enough.
const AFTER_START: Duration = Duration::from_secs(300);
/// From the start of one reading of everything to the start of the next.
const EVERY: Duration = Duration::from_secs(30 * 24 * 3600);
/// `Merkury.ScrubRate` when there is none, in bytes a second: a terabyte in three days.
const RATE_DEFAULT: u64 = 4_000_000;
/// The place is saved this often.
const SLICE: Duration = Duration::from_secs(60);
/// How long a damaged block is asked for.
const HEAL_TIMEOUT: Duration = Duration::from_secs(120);
/// Table of the store with the state of the reading.
const TABLE: &str = "scrub";
const STARTED_KEY: &[u8] = b"started";
const PLACE_KEY: &[u8] = b"place";

/// Works until the node is gone.
pub(crate) async fn run(node: Weak<Inner>) {
    let Some(wait) = node.upgrade().map(|inner| delay(&inner.config.read())) else { return };
    tokio::time::sleep(wait.unwrap_or(AFTER_START)).await;
    loop {
        let Some(inner) = node.upgrade() else { return };
        let rate = rate(&inner.config.read()).unwrap_or(RATE_DEFAULT);
        let lost = match rate {
            0 => Ok(None),
            rate => read_slice(&inner, rate).await,
        };
        let wait = match lost {
            Ok(Some(lost)) => {
                heal(&inner, lost).await;
                Duration::ZERO
            }
            Ok(None) => SLICE,
            Err(error) => {
                tracing::warn!(%error, "stored blocks could not be read back");
                SLICE
            }
        };
        drop(inner);
        tokio::time::sleep(wait).await;
    }
}

/// Bytes read back in a second at most; 0 is never.
pub(crate) fn rate(config: &Value) -> Result<u64, ConfigError> {
    View(config).size("Merkury.ScrubRate", RATE_DEFAULT)
}

/// How long the reading waits after a start.
pub(crate) fn delay(config: &Value) -> Result<Duration, ConfigError> {
    View(config).duration("Merkury.ScrubDelay", AFTER_START)
}

/// Reads for a while where the last slice ended; what it lost. `None` when no reading is due.
async fn read_slice(inner: &Arc<Inner>, rate: u64) -> Result<Option<Vec<Cid>>, ApiError> {
    let inner = inner.clone();
    blocking(move || {
        let store = inner.store()?;
        let meta = store.meta();
        let number = |key| -> Result<Option<u64>, ApiError> {
            let bytes = meta.get(TABLE, key).map_err(store_error)?;
            Ok(bytes.and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes))
        };
        let place = meta.get(TABLE, PLACE_KEY).map_err(store_error)?.and_then(|bytes| decode_place(&bytes));
        let due = number(STARTED_KEY)?.unwrap_or(0).saturating_add(EVERY.as_secs()) <= unix_now();
        let from = match place {
            Some(place) => {
                tracing::debug!(?place, "reading stored blocks back goes on");
                place
            }
            None if due => {
                tracing::info!("reading all stored blocks back, to find damage");
                meta.set(TABLE, STARTED_KEY, &unix_now().to_be_bytes()).map_err(store_error)?;
                VerifyPlace::default()
            }
            None => return Ok(None),
        };
        let options = VerifyOptions {
            from,
            for_at_most: Some(SLICE),
            bytes_per_second: Some(rate),
            stop: Some(&inner.closing),
            ..VerifyOptions::default()
        };
        let mut lost = Vec::new();
        let mut each = |event| {
            if let VerifyEvent::Bad { cid: Some(cid), .. } = event {
                lost.push(cid);
            }
        };
        let verified = store.verify_some(&options, &mut each).map_err(store_error)?;
        if inner.closing.load(Relaxed) {
            // The repository may be another's by now.
            return Ok(None);
        }
        match verified.next {
            Some(next) => meta.set(TABLE, PLACE_KEY, &encode_place(next)),
            None => meta.remove(TABLE, PLACE_KEY),
        }
        .map_err(store_error)?;
        if verified.next.is_none() {
            tracing::info!("all stored blocks were read back");
        }
        Ok(Some(lost))
    })
    .await
}

async fn heal(inner: &Arc<Inner>, lost: Vec<Cid>) {
    if inner.net.get().is_none() {
        return;
    }
    let handle = Handle { inner: inner.clone(), reach: Reach::Network };
    for cid in lost {
        match handle.fetch_again(&cid, HEAL_TIMEOUT).await {
            Ok(()) => tracing::info!(%cid, "a damaged block was fetched again"),
            Err(why) => tracing::error!(%cid, why, "a damaged block could not be fetched again"),
        }
    }
}

#[cfg(test)]
mod tests {
    use merkury_core::BlockPut;
    use merkury_core::block::CidFormat;

    use super::*;

    fn block(n: u8) -> merkury_core::Block {
        let data = vec![n; 300_000].into();
        merkury_core::Block::build(CidFormat::V1, 0x55, 0x12, data).expect("a block")
    }

    #[tokio::test]
    async fn everything_is_read_once_a_period_and_what_is_lost_is_named() {
        let dir = tempfile::tempdir().expect("a directory");
        crate::init(dir.path(), &crate::InitOptions::default()).expect("made");
        let inner = Inner::open(dir.path()).expect("opened");
        let store = inner.store().expect("a store");
        store.put_many((0..4).map(block).collect()).expect("put");
        store.commit().expect("durable");
        let segment = dir.path().join("merkury/segments/00000001.car");
        let mut bytes = std::fs::read(&segment).expect("a segment");
        let at = bytes.windows(8).position(|window| window == [2; 8]).expect("its bytes");
        bytes[at..at + 8].fill(0x77);
        std::fs::write(&segment, bytes).expect("written");

        let read = read_slice(&inner, u64::MAX).await.expect("read");
        assert_eq!(read, Some(vec![block(2).cid().clone()]));
        assert_eq!(read_slice(&inner, u64::MAX).await.expect("read"), None, "not due before a month");
        assert_eq!(store.quarantine().expect("a list").len(), 1);

        // A reading that was cut goes on where it was.
        store.meta().set(TABLE, PLACE_KEY, &encode_place(VerifyPlace::default())).expect("set");
        assert_eq!(read_slice(&inner, u64::MAX).await.expect("read"), Some(Vec::new()));
        inner.closing.store(true, Relaxed);
        store.meta().set(TABLE, PLACE_KEY, &encode_place(VerifyPlace::default())).expect("set");
        assert_eq!(read_slice(&inner, u64::MAX).await.expect("read"), None, "the node is closing");
    }
}
