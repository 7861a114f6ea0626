//! Records of names: the ones that are kept here, the ones that were looked up lately, and how a new one comes to be.
//!
//! Kept records lie in a table of the store under the bytes of the peer id. It holds what this node published and what it
//! was given (`name put`); what was only looked up is remembered in memory, as long as its record allows.
//!
//! Invariants: numbers only grow (one publisher at a time reads the last number and writes the next); a record is durable
//! here before anybody hears of it; nothing is kept or answered that its owner did not sign.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use merkury_api::{ApiError, PublishOptions, Reach};
use merkury_core::ipns::{self, Record, RecordError, Statement};
use merkury_core::stamp::{Stamp, go_duration};
use merkury_core::{ErrorKind, PeerId};
use parking_lot::Mutex;

use crate::config::View;
use crate::inner::{Handle, Inner, blocking, store_error};

/// Where records are kept.
const TABLE: &str = "ipns";
/// Answers remembered; Kubo's `Ipns.ResolveCacheSize`.
const CACHED_MAX: usize = 128;

/// How long peers may take to name a newer record than the valid one that is kept here.
const KEPT_WAIT: Duration = Duration::from_secs(5);

/// `Ipns.RepublishPeriod` when nothing is said.
const REPUBLISH_PERIOD: Duration = Duration::from_secs(4 * 3600);

/// Refuses settings under which records would expire before they are published again, in Kubo's words.
pub(crate) fn check_settings(document: &serde_json::Value) -> Result<(), ApiError> {
    let view = View(document);
    let lifetime = view.duration("Ipns.RecordLifetime", ipns::LIFETIME)?;
    let period = view.duration("Ipns.RepublishPeriod", REPUBLISH_PERIOD)?;
    if lifetime >= period {
        return Ok(());
    }
    let (lifetime, period) = (go_duration(lifetime), go_duration(period));
    Err(ApiError::invalid(format!(
        "config setting IPNS.RecordLifetime ({lifetime}) must be >= IPNS.RepublishPeriod ({period}), otherwise records \
         expire before they are republished"
    ))
    .hint("merkury config Ipns.RecordLifetime 48h"))
}

/// What the node knows of names beside the table.
#[derive(Default)]
pub(crate) struct NameState {
    /// One publisher at a time.
    publishing: tokio::sync::Mutex<()>,
    cache: Mutex<HashMap<PeerId, Cached>>,
}

struct Cached {
    record: Record,
    until: Instant,
}

impl NameState {
    fn cached(&self, name: &PeerId) -> Option<Record> {
        let cache = self.cache.lock();
        let found = cache.get(name)?;
        (found.until > Instant::now()).then(|| found.record.clone())
    }

    fn remember(&self, name: &PeerId, record: &Record) {
        let ttl = Duration::from_nanos(u64::try_from(record.ttl_nanos().unwrap_or(0)).unwrap_or(0));
        let mut cache = self.cache.lock();
        if cache.len() >= CACHED_MAX && !cache.contains_key(name) {
            let first = cache.iter().min_by_key(|(_, cached)| cached.until).map(|(name, _)| name.clone());
            first.map(|name| cache.remove(&name));
        }
        if let Some(until) = Instant::now().checked_add(ttl) {
            cache.insert(name.clone(), Cached { record: record.clone(), until });
        }
    }
}

pub(crate) fn record_error(error: RecordError) -> ApiError {
    ApiError::invalid(error.to_string())
}

/// Words for a name that nobody knows, as Kubo has them.
fn unknown_name(name: &PeerId) -> ApiError {
    ApiError::not_found("could not resolve name")
        .hint(format!("nobody here knows a valid record of {name}; it may have expired"))
        .hint("its owner publishes it again with: merkury name publish")
        .hint("merkury explain E012")
}

fn now() -> Stamp {
    Stamp::of(SystemTime::now())
}

impl Inner {
    /// The record that is kept here, valid or not.
    fn kept_record(&self, name: &PeerId) -> Result<Option<Record>, ApiError> {
        let bytes = self.store()?.meta().get(TABLE, &name.to_bytes()).map_err(store_error)?;
        let damaged =
            |error| ApiError::new(ErrorKind::Corrupt, format!("the stored record of {name} is damaged: {error}"));
        bytes.map(|bytes| Record::decode(&bytes).map_err(damaged)).transpose()
    }

    /// Keeps a record; durable when it returns.
    fn keep_record(&self, name: &PeerId, record: &Record) -> Result<(), ApiError> {
        self.store()?.meta().set(TABLE, &name.to_bytes(), record.bytes()).map_err(store_error)?;
        self.names.remember(name, record);
        Ok(())
    }
}

impl Handle {
    /// Whether peers can be asked.
    pub(crate) fn is_connected(&self) -> bool {
        self.reach == Reach::Network && self.inner.net.get().is_some()
    }

    /// The best valid record of a name: of here, and with a network of there.
    pub(crate) async fn best_record(&self, name: &PeerId, cached: bool) -> Result<Record, ApiError> {
        if cached && let Some(record) = self.inner.names.cached(name) {
            return Ok(record);
        }
        let (inner, asked) = (self.inner.clone(), name.clone());
        let kept = blocking(move || inner.kept_record(&asked)).await?;
        let kept = kept.filter(|record| record.verify(name, now()).is_ok());
        let found = match &kept {
            Some(_) => tokio::time::timeout(KEPT_WAIT, self.fetch_record(name)).await.unwrap_or_default(),
            None => self.fetch_record(name).await,
        };
        let best = [kept, found].into_iter().flatten().max_by_key(|record| record.rank().ok());
        let best = best.ok_or_else(|| unknown_name(name))?;
        self.inner.names.remember(name, &best);
        Ok(best)
    }

    /// The record that peers have, if there is a network and they have a valid one.
    async fn fetch_record(&self, name: &PeerId) -> Option<Record> {
        if !self.is_connected() {
            return None;
        }
        let found = self.inner.net.get()?.routing().get_value(value_key(name)).await;
        match found {
            Ok(bytes) => Record::decode(&bytes).ok().filter(|record| record.verify(name, now()).is_ok()),
            Err(error) => {
                tracing::debug!(%name, %error, "no record from peers");
                None
            }
        }
    }

    /// Gives a record to the network. That nobody is there to take it is no failure: it is kept here.
    async fn spread_record(&self, name: &PeerId, record: &Record) {
        if !self.is_connected() {
            return;
        }
        let Some(net) = self.inner.net.get() else { return };
        if let Err(error) = net.routing().put_value(value_key(name), record.bytes().to_vec()).await {
            tracing::info!(%name, %error, "the record is kept here; no peer took it");
        }
    }

    /// Makes, keeps and spreads a record.
    pub(crate) async fn publish_record(&self, options: PublishOptions) -> Result<PeerId, ApiError> {
        let (inner, key) = (self.inner.clone(), options.key.clone());
        let pair = blocking(move || inner.pair_by_name_or_id(&key)).await?;
        let name = pair.peer_id();
        let _turn = self.inner.names.publishing.lock().await;
        let (inner, asked) = (self.inner.clone(), name.clone());
        let last = match blocking(move || inner.kept_record(&asked)).await? {
            Some(record) => Some(record),
            None => self.fetch_record(&name).await,
        };
        let sequence = next_sequence(last.as_ref(), &options)?;
        let (inner, owner) = (self.inner.clone(), name.clone());
        let record = blocking(move || {
            let says = Statement {
                value: &options.value,
                sequence,
                ends: now().after(options.lifetime),
                ttl: options.ttl,
                for_old_readers: options.for_old_readers,
            };
            let record = Record::sign(&pair, &says).map_err(|error| ApiError::invalid(error.to_string()))?;
            inner.keep_record(&owner, &record)?;
            Ok(record)
        })
        .await?;
        self.spread_record(&name, &record).await;
        Ok(name)
    }

    /// Keeps and spreads a record that somebody signed.
    pub(crate) async fn keep_foreign_record(&self, name: PeerId, bytes: Vec<u8>) -> Result<(), ApiError> {
        let record = Record::decode(&bytes).map_err(record_error)?;
        record.verify(&name, now()).map_err(record_error)?;
        let _turn = self.inner.names.publishing.lock().await;
        let (inner, owner, new) = (self.inner.clone(), name.clone(), record.clone());
        blocking(move || {
            let is_newer = match inner.kept_record(&owner)? {
                Some(kept) => kept.rank().ok() <= new.rank().ok(),
                None => true,
            };
            if is_newer { inner.keep_record(&owner, &new) } else { Ok(()) }
        })
        .await?;
        self.spread_record(&name, &record).await;
        Ok(())
    }
}

/// Under what the DHT keeps the record of a name.
fn value_key(name: &PeerId) -> Vec<u8> {
    [b"/ipns/", name.to_bytes().as_slice()].concat()
}

/// The number of the next record: as given, when it is higher; the same for the same path; else one more.
fn next_sequence(last: Option<&Record>, options: &PublishOptions) -> Result<u64, ApiError> {
    let too_low = || ApiError::invalid("sequence number must be greater than the current record sequence");
    let last_number = last.map(Record::sequence).transpose().map_err(record_error)?;
    match (last, last_number, options.sequence) {
        (_, number, Some(wanted)) if wanted > number.unwrap_or(0) => Ok(wanted),
        (_, number, Some(_)) => {
            Err(too_low().hint(format!("the current one is {}; leave --sequence out to count on", number.unwrap_or(0))))
        }
        (Some(record), Some(number), None) => {
            if record.value().is_ok_and(|value| value == options.value) {
                return Ok(number);
            }
            number.checked_add(1).ok_or_else(too_low)
        }
        _ => Ok(0),
    }
}

#[cfg(test)]
mod tests {
    use merkury_core::keys::{KeyType, Keypair};

    use super::*;

    fn options(value: &str, sequence: Option<u64>) -> PublishOptions {
        PublishOptions {
            key: "self".into(),
            value: value.into(),
            lifetime: Duration::from_secs(60),
            ttl: Duration::from_secs(1),
            sequence,
            for_old_readers: true,
            allow_offline: true,
        }
    }

    #[test]
    fn numbers_only_grow() {
        let pair = Keypair::generate(KeyType::Ed25519).unwrap();
        let last = |sequence| {
            let ends = now().after(Duration::from_secs(60));
            let ttl = Duration::from_secs(1);
            let says = Statement { value: "/ipfs/a", sequence, ends, ttl, for_old_readers: false };
            Record::sign(&pair, &says).unwrap()
        };
        let next = |last: Option<&Record>, value, sequence| next_sequence(last, &options(value, sequence)).ok();
        assert_eq!(next(None, "/ipfs/a", None), Some(0));
        assert_eq!(next(None, "/ipfs/a", Some(0)), None, "a number that is given is one that others may not have");
        assert_eq!(next(None, "/ipfs/a", Some(7)), Some(7));
        assert_eq!(next(Some(&last(5)), "/ipfs/a", None), Some(5), "the same path again is the same record");
        assert_eq!(next(Some(&last(5)), "/ipfs/b", None), Some(6));
        assert_eq!(next(Some(&last(5)), "/ipfs/b", Some(5)), None);
        assert_eq!(next(Some(&last(5)), "/ipfs/b", Some(6)), Some(6));
        assert_eq!(next(Some(&last(u64::MAX)), "/ipfs/b", None), None, "there is no higher one");
    }

    #[test]
    fn records_must_outlive_the_time_between_two_publishings() {
        let with = |lifetime: &str, period: &str| {
            check_settings(&serde_json::json!({ "Ipns": { "RecordLifetime": lifetime, "RepublishPeriod": period } }))
        };
        assert!(with("", "").is_ok() && with("8h", "4h").is_ok() && with("4h", "4h").is_ok());
        let refused = with("1h", "4h").unwrap_err().message;
        assert!(refused.contains("IPNS.RecordLifetime (1h0m0s) must be >= IPNS.RepublishPeriod (4h0m0s)"), "{refused}");
        assert!(with("soon", "").is_err());
    }

    #[test]
    fn the_cache_is_bounded_and_forgets() {
        let state = NameState::default();
        let record = |ttl| {
            let pair = Keypair::generate(KeyType::Ed25519).unwrap();
            let ends = now().after(Duration::from_secs(60));
            let says = Statement { value: "/ipfs/a", sequence: 1, ends, ttl, for_old_readers: false };
            (pair.peer_id(), Record::sign(&pair, &says).unwrap())
        };
        let (gone, short) = record(Duration::ZERO);
        state.remember(&gone, &short);
        assert!(state.cached(&gone).is_none());
        for _ in 0..CACHED_MAX + 10 {
            let (name, record) = record(Duration::from_secs(60));
            state.remember(&name, &record);
            assert!(state.cached(&name).is_some());
        }
        assert_eq!(state.cache.lock().len(), CACHED_MAX);
    }
}
