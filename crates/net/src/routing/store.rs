//! Records other peers leave here: providers and values, bounded in count and bytes, in memory. A value is kept only
//! when `values` finds it valid and no better one of its key is here.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant, SystemTime};

use libp2p::PeerId;
use libp2p::kad::store::{Error, RecordStore, Result};
use libp2p::kad::{ProviderRecord, Record, RecordKey};

use super::values::{Rank, validate};

/// Records in all. A DHT server on the public network holds some ten thousand.
const RECORDS_MAX: usize = 64 * 1024;
/// Bytes in all, keys and addresses with an allowance for the tables.
const BYTES_MAX: usize = 32 * 1024 * 1024;
/// Providers of one key; the newest stay.
const PER_KEY_MAX: usize = 64;
/// Addresses of one record.
const ADDRESSES_MAX: usize = 8;
/// Longest address kept.
const ADDRESS_BYTES_MAX: usize = 256;
/// Longest key: a multihash has up to 128 bytes of digest.
const KEY_BYTES_MAX: usize = 160;
/// What a record costs beside its key and addresses.
const RECORD_BYTES: usize = 200;
/// Values in all, of at most ten KiB each.
const VALUES_MAX: usize = 1024;
/// How long a record lives that comes without a time.
pub(crate) const PROVIDER_TTL: Duration = Duration::from_secs(48 * 3600);

#[derive(Debug)]
pub(crate) struct Providers {
    local: PeerId,
    keys: HashMap<RecordKey, Vec<Held>>,
    /// By arrival; the oldest leaves first when there is no room.
    arrivals: BTreeMap<u64, (RecordKey, PeerId)>,
    clock: u64,
    bytes: usize,
    values: HashMap<RecordKey, Value>,
    values_refused: u64,
}

#[derive(Debug)]
struct Value {
    arrival: u64,
    rank: Rank,
    record: Record,
}

#[derive(Debug)]
struct Held {
    arrival: u64,
    record: ProviderRecord,
}

impl Providers {
    pub(crate) fn new(local: PeerId) -> Self {
        Self {
            local,
            keys: HashMap::new(),
            arrivals: BTreeMap::new(),
            clock: 0,
            bytes: 0,
            values: HashMap::new(),
            values_refused: 0,
        }
    }

    /// How many values were refused so far.
    pub(crate) fn values_refused(&self) -> u64 {
        self.values_refused
    }

    fn drop_oldest(&mut self) -> bool {
        let Some((_, (key, provider))) = self.arrivals.pop_first() else { return false };
        self.take(&key, &provider);
        true
    }

    fn take(&mut self, key: &RecordKey, provider: &PeerId) {
        let Some(held) = self.keys.get_mut(key) else { return };
        if let Some(at) = held.iter().position(|held| held.record.provider == *provider) {
            let gone = held.remove(at);
            self.arrivals.remove(&gone.arrival);
            self.bytes = self.bytes.saturating_sub(cost(&gone.record));
        }
        if held.is_empty() {
            self.keys.remove(key);
        }
    }

    fn make_room_for_key(&mut self, key: &RecordKey) {
        let Some(held) = self.keys.get(key) else { return };
        if held.len() < PER_KEY_MAX {
            return;
        }
        // Our own record stays: others must not be able to push us out of our own answers.
        let oldest = held.iter().filter(|held| held.record.provider != self.local).min_by_key(|held| held.arrival);
        if let Some(provider) = oldest.map(|held| held.record.provider) {
            self.take(key, &provider);
        }
    }
}

fn cost(record: &ProviderRecord) -> usize {
    let addresses: usize = record.addresses.iter().map(|address| address.len() + 16).sum();
    RECORD_BYTES + 2 * record.key.as_ref().len() + addresses
}

impl RecordStore for Providers {
    type RecordsIter<'a> = std::iter::Empty<Cow<'a, Record>>;
    type ProvidedIter<'a> = std::iter::Empty<Cow<'a, ProviderRecord>>;

    fn get(&self, key: &RecordKey) -> Option<Cow<'_, Record>> {
        self.values.get(key).map(|value| Cow::Borrowed(&value.record))
    }

    fn put(&mut self, record: Record) -> Result<()> {
        let rank = match validate(record.key.as_ref(), &record.value, SystemTime::now()) {
            Ok(rank) => rank,
            Err(error) => {
                tracing::debug!(%error, "a value was refused");
                self.values_refused += 1;
                return Err(Error::ValueTooLarge);
            }
        };
        if self.values.get(&record.key).is_some_and(|value| value.rank > rank) {
            // The better one stays, which is all that its owner can want.
            return Ok(());
        }
        self.clock += 1;
        let key = record.key.clone();
        self.values.insert(key, Value { arrival: self.clock, rank, record });
        if self.values.len() > VALUES_MAX {
            let oldest = self.values.iter().min_by_key(|(_, value)| value.arrival).map(|(key, _)| key.clone());
            oldest.map(|key| self.values.remove(&key));
        }
        Ok(())
    }

    fn remove(&mut self, key: &RecordKey) {
        self.values.remove(key);
    }

    fn records(&self) -> Self::RecordsIter<'_> {
        std::iter::empty()
    }

    fn add_provider(&mut self, mut record: ProviderRecord) -> Result<()> {
        if record.key.as_ref().len() > KEY_BYTES_MAX {
            return Err(Error::ValueTooLarge);
        }
        record.addresses.retain(|address| address.len() <= ADDRESS_BYTES_MAX);
        record.addresses.truncate(ADDRESSES_MAX);
        record.addresses.shrink_to_fit();
        record.expires.get_or_insert_with(|| Instant::now() + PROVIDER_TTL);
        let key = record.key.clone();
        self.take(&key, &record.provider);
        self.make_room_for_key(&key);
        self.clock += 1;
        self.bytes += cost(&record);
        self.arrivals.insert(self.clock, (key.clone(), record.provider));
        self.keys.entry(key).or_default().push(Held { arrival: self.clock, record });
        while (self.arrivals.len() > RECORDS_MAX || self.bytes > BYTES_MAX) && self.drop_oldest() {}
        Ok(())
    }

    fn providers(&self, key: &RecordKey) -> Vec<ProviderRecord> {
        // Newest first: they are the likeliest to be there.
        self.keys.get(key).map(|held| held.iter().rev().map(|held| held.record.clone()).collect()).unwrap_or_default()
    }

    /// Empty: our own announcements are repeated by the provide schedule, not by the store.
    fn provided(&self) -> Self::ProvidedIter<'_> {
        std::iter::empty()
    }

    fn remove_provider(&mut self, key: &RecordKey, provider: &PeerId) {
        self.take(key, provider);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: u32, provider: PeerId, addresses: usize) -> ProviderRecord {
        let addresses = (0..addresses).map(|port| format!("/ip4/1.2.3.4/tcp/{}", port + 1).parse().unwrap()).collect();
        ProviderRecord::new(RecordKey::new(&key.to_be_bytes()), provider, addresses)
    }

    #[test]
    fn a_flood_of_addresses_providers_and_keys_stays_within_bounds() {
        let local = PeerId::random();
        let mut store = Providers::new(local);
        store.add_provider(record(0, local, 0)).unwrap();
        for _ in 0..2 * PER_KEY_MAX {
            store.add_provider(record(0, PeerId::random(), 1000)).unwrap();
        }
        let held = store.providers(&RecordKey::new(&0u32.to_be_bytes()));
        assert_eq!(held.len(), PER_KEY_MAX);
        assert!(held.iter().any(|record| record.provider == local), "our own record was pushed out");
        assert!(held.iter().all(|record| record.addresses.len() <= ADDRESSES_MAX && record.expires.is_some()));
        let provider = PeerId::random();
        for key in 1..=(RECORDS_MAX as u32 + 100) {
            store.add_provider(record(key, provider, 1)).unwrap();
        }
        assert!(store.arrivals.len() <= RECORDS_MAX && store.bytes <= BYTES_MAX);
        assert_eq!(store.arrivals.len(), store.keys.values().map(Vec::len).sum::<usize>());
        assert!(store.providers(&RecordKey::new(&1u32.to_be_bytes())).is_empty(), "the oldest should have left");
        let long = ProviderRecord::new(RecordKey::new(&[0u8; 1000]), provider, vec![]);
        assert!(store.add_provider(long).is_err());
    }

    #[test]
    fn a_repeated_record_is_one_record() {
        let mut store = Providers::new(PeerId::random());
        let provider = PeerId::random();
        for addresses in [1, 3, 2] {
            store.add_provider(record(7, provider, addresses)).unwrap();
        }
        let held = store.providers(&RecordKey::new(&7u32.to_be_bytes()));
        assert_eq!((held.len(), held[0].addresses.len()), (1, 2));
        store.remove_provider(&held[0].key, &provider);
        assert_eq!((store.bytes, store.arrivals.len(), store.keys.len()), (0, 0, 0));
    }

    #[test]
    fn values_without_a_validator_are_refused_and_valid_ones_are_bounded() {
        let mut store = Providers::new(PeerId::random());
        assert!(store.put(Record::new(b"k".to_vec(), vec![1])).is_err());
        assert_eq!(store.values_refused(), 1);
        let mut first = None;
        for _ in 0..VALUES_MAX + 10 {
            let public = libp2p::identity::Keypair::generate_ed25519().public();
            let key = [b"/pk/", &public.to_peer_id().to_bytes()[..]].concat();
            first.get_or_insert_with(|| key.clone());
            store.put(Record::new(key, public.encode_protobuf())).unwrap();
        }
        assert_eq!(store.values.len(), VALUES_MAX);
        assert!(store.get(&first.unwrap().into()).is_none(), "the oldest should have left");
    }
}
