//! A private DHT on loopback: six hosts, each knowing one other.

use std::sync::Arc;
use std::time::Duration;

use merkury_core::{Cid, Multihash};
use merkury_net::config::DhtMode;
use merkury_net::routing::RoutingError;
use merkury_net::routing::provide::{ProvideBatch, ProvideProgress, ProvideSource};
use merkury_net::{Net, NetConfig, NetDeps};

use super::common::{DEADLINE, address, config, start, until};

fn cid(number: u8) -> Cid {
    Cid::v1(0x55, Multihash::sha2_256([number; 32]))
}

/// Hosts in a row, each started from the one before it.
async fn network(count: usize) -> Vec<Net> {
    let mut hosts: Vec<Net> = Vec::new();
    for _ in 0..count {
        let mut settings = config();
        if let Some(last) = hosts.last() {
            settings.bootstrap = vec![address(last).await];
        }
        hosts.push(start(settings).await);
    }
    for host in &hosts {
        until("everybody is in every table", || async {
            host.routing().status().await.unwrap().lan.unwrap().peers == count - 1
        })
        .await;
    }
    hosts
}

async fn provider_ids(net: &Net, cid: &Cid, count: usize) -> Vec<String> {
    let (mut providers, mut ids) = (net.routing().find_providers(cid, count), Vec::new());
    tokio::time::timeout(DEADLINE, async {
        while let Some(provider) = providers.next().await {
            let provider = provider.unwrap();
            assert!(!provider.addresses.is_empty(), "{} came without an address", provider.peer);
            ids.push(provider.peer.to_string());
        }
    })
    .await
    .expect("the look-up took too long");
    ids.sort();
    ids
}

async fn id(net: &Net) -> String {
    net.peers().identity().await.unwrap().id.to_string()
}

#[tokio::test]
async fn what_one_announces_every_other_finds() {
    let hosts = network(6).await;
    assert!(hosts[1].routing().provide(&cid(1)).await.unwrap() > 0);
    assert!(hosts[4].routing().provide(&cid(1)).await.unwrap() > 0);
    let mut both = vec![id(&hosts[1]).await, id(&hosts[4]).await];
    both.sort();
    for host in [&hosts[0], &hosts[2], &hosts[3], &hosts[5]] {
        assert_eq!(provider_ids(host, &cid(1), 20).await, both);
        assert_eq!(provider_ids(host, &cid(1), 1).await.len(), 1);
        assert!(provider_ids(host, &cid(2), 20).await.is_empty());
    }
    let wanted = hosts[5].peers().identity().await.unwrap().id;
    let found = hosts[0].routing().find_peer(&wanted).await.unwrap();
    assert!(!found.addresses.is_empty());
    assert_eq!(hosts[0].routing().closest_peers(wanted.to_bytes()).await.unwrap().len(), 5);
    let stranger = start(config()).await.peers().identity().await.unwrap().id;
    assert_eq!(hosts[0].routing().find_peer(&stranger).await.unwrap_err(), RoutingError::NotFound);
}

#[tokio::test]
async fn an_answer_nobody_reads_ends_its_look_up() {
    let hosts = network(3).await;
    let mut many: Vec<_> = (0..100).map(|_| hosts[0].routing().find_providers(&cid(9), 1)).collect();
    for providers in &mut many {
        let _ = tokio::time::timeout(Duration::from_millis(1), providers.next()).await;
    }
    drop(many);
    until("no look-up is left", || async { hosts[0].routing().status().await.unwrap().lookups == 0 }).await;
}

#[tokio::test]
async fn alone_or_without_a_dht_nothing_waits() {
    let alone = start(config()).await;
    assert_eq!(alone.routing().provide(&cid(1)).await.unwrap_err(), RoutingError::NoPeers);
    assert!(provider_ids(&alone, &cid(1), 20).await.is_empty());
    let off = start(NetConfig { dht: DhtMode::Off, ..config() }).await;
    assert_eq!(off.routing().provide(&cid(1)).await.unwrap_err(), RoutingError::Off);
    assert_eq!(off.routing().find_providers(&cid(1), 1).next().await, Some(Err(RoutingError::Off)));
}

#[tokio::test]
async fn loopback_addresses_stay_out_of_a_lan_dht_that_is_not_for_tests() {
    let strict = || NetConfig { dht_loopback_on_lan: false, ..config() };
    let (one, two) = (start(strict()).await, start(strict()).await);
    let peer = one.peers().connect(&address(&two).await).await.unwrap();
    one.peers().identify(&peer).await.unwrap();
    let status = one.routing().status().await.unwrap();
    assert_eq!((status.lan.unwrap().peers, status.wan.unwrap().peers), (0, 0));
}

#[tokio::test]
async fn the_public_dht_takes_private_addresses_only_in_test_networks() {
    for (private_too, expected) in [(true, 1), (false, 0)] {
        let settings = || NetConfig { dht: DhtMode::Server, dht_private_on_wan: private_too, ..config() };
        let (one, two) = (start(settings()).await, start(settings()).await);
        let peer = one.peers().connect(&address(&two).await).await.unwrap();
        one.peers().identify(&peer).await.unwrap();
        let wan = one.routing().status().await.unwrap().wan.unwrap();
        assert_eq!((wan.server, wan.peers), (true, expected));
    }
}

#[derive(Default)]
struct Source {
    progress: std::sync::Mutex<ProvideProgress>,
}

const SOURCE_CIDS: u8 = 40;

impl ProvideSource for Source {
    fn batch(&self, after: Option<&[u8]>, max: usize) -> Result<ProvideBatch, String> {
        let start = after.map_or(0, |place| place[0]);
        let end = SOURCE_CIDS.min(start + max.min(16) as u8);
        let next = (end < SOURCE_CIDS).then(|| vec![end]);
        Ok(ProvideBatch { cids: (start..end).map(cid).collect(), next })
    }

    fn progress(&self) -> ProvideProgress {
        self.progress.lock().unwrap().clone()
    }

    fn save_progress(&self, progress: &ProvideProgress) -> Result<(), String> {
        *self.progress.lock().unwrap() = progress.clone();
        Ok(())
    }
}

#[tokio::test]
async fn everything_is_announced_in_a_cycle_that_resumes() {
    let hub = start(config()).await;
    let source = Arc::new(Source::default());
    // An earlier run came as far as 16.
    let earlier =
        ProvideProgress { started: Some(std::time::SystemTime::now()), place: Some(vec![16]), complete: false };
    source.save_progress(&earlier).unwrap();
    let settings = NetConfig { bootstrap: vec![address(&hub).await], ..config() };
    let deps = NetDeps { provide: Some(source.clone()), ..NetDeps::default() };
    let net = Net::start(settings, deps).await.unwrap();
    net.providing().announce(cid(200));
    until("the cycle is complete", || async {
        source.progress().complete && net.providing().stat().made == u64::from(SOURCE_CIDS) - 16 + 1
    })
    .await;
    let me = [id(&net).await];
    for number in [16, 30, 39, 200] {
        assert_eq!(provider_ids(&hub, &cid(number), 5).await, me, "{number}");
    }
    assert!(provider_ids(&hub, &cid(3), 5).await.is_empty(), "the part before the place was announced again");
}
