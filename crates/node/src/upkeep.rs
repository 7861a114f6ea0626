//! What a daemon does for its store by itself, a little at a time.
//!
//! - Segments of which little lives are given back, within `Merkury.CompactionRate`.
//! - When blocks were last used is saved.
//! - With `--enable-gc`: every `Datastore.GCPeriod`, when the repository is larger than `Datastore.StorageGCWatermark` percent of
//!   `Datastore.StorageMax`, cached blocks leave, least recently used first, until it is [`TARGET_BELOW`] percent below that.
//!   Kubo removes all of them then.
//!
//! The limit itself holds without any of this: see [`Store::set_limit`].

use std::sync::{Arc, Weak};
use std::time::Duration;

use merkury_api::ApiError;
use merkury_store::{Pace, Store};
use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior};

use crate::config::{ConfigError, View};
use crate::inner::{Inner, blocking, store_error};

/// Time between two looks at what there is to do; a look costs microseconds.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// What of last use a crash may lose.
const SAVE_USE_EVERY: Duration = Duration::from_secs(600);
/// Kubo's `Datastore.GCPeriod` when there is none.
const PERIOD_DEFAULT: Duration = Duration::from_secs(3600);
/// `Merkury.CompactionRate` when there is none: far below what a disk does, far above what one node throws away.
const RATE_DEFAULT: u64 = 200_000_000;
/// Percent of the limit between where eviction begins and where it ends.
const TARGET_BELOW: u64 = 10;

/// How fast segments may be copied.
pub(crate) fn pace(config: &Value) -> Result<Pace, ConfigError> {
    Ok(Pace::bytes_per_second(View(config).size("Merkury.CompactionRate", RATE_DEFAULT)?))
}

/// Time between two looks at the size, with `--enable-gc`.
pub(crate) fn period(config: &Value) -> Result<Duration, ConfigError> {
    View(config).duration("Datastore.GCPeriod", PERIOD_DEFAULT)
}

/// Works until the node is gone. `collects` is `--enable-gc`.
pub(crate) async fn run(inner: Weak<Inner>, collects: bool) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut saved, mut collected) = (Instant::now(), Instant::now());
    // Kubo takes any text there until it is needed, and so do we.
    if let Some(Err(error)) = inner.upgrade().filter(|_| collects).map(|inner| period(&inner.config.read())) {
        tracing::warn!(%error, instead = ?PERIOD_DEFAULT, "the time between collections is not usable");
    }
    loop {
        let Some(period) = inner.upgrade().map(|inner| period(&inner.config.read())) else { return };
        let period = period.unwrap_or(PERIOD_DEFAULT).max(Duration::from_secs(1));
        tokio::select! {
            _ = looks.tick() => {}
            () = tokio::time::sleep_until(collected + period), if collects => {}
        }
        let Some(inner) = inner.upgrade() else { return };
        let now = Instant::now();
        let saves = now - saved >= SAVE_USE_EVERY;
        let collects = collects && now - collected >= period;
        (saved, collected) = (if saves { now } else { saved }, if collects { now } else { collected });
        if let Err(error) = blocking(move || work(&inner, saves, collects)).await {
            tracing::warn!(%error, "looking after the store");
        }
    }
}

fn work(inner: &Arc<Inner>, saves: bool, collects: bool) -> Result<(), ApiError> {
    let store = inner.store()?;
    let (pace, config) = {
        let config = inner.config.read();
        (pace(&config)?, config.clone())
    };
    if saves {
        store.save_use().map_err(store_error)?;
    }
    if collects {
        evict(&store, &config, &pace)?;
    }
    let stats = store.compact(&pace).map_err(store_error)?;
    if stats.reclaimed_bytes > 0 {
        tracing::info!(bytes = stats.reclaimed_bytes, "gave space back");
    }
    Ok(())
}

fn evict(store: &Store, config: &Value, pace: &Pace) -> Result<(), ApiError> {
    let view = View(config);
    let (limit, watermark) = (view.storage_max()?, view.number("Datastore.StorageGCWatermark", 90)?.min(100));
    let percent = |of: u64| limit / 100 * of;
    if limit == 0 || store.stat().disk_bytes <= percent(watermark) {
        return Ok(());
    }
    let stats = store.evict_down_to(percent(watermark.saturating_sub(TARGET_BELOW)), pace).map_err(store_error)?;
    tracing::info!(blocks = stats.removed_blocks, bytes = stats.reclaimed_bytes, "collected garbage");
    Ok(())
}
