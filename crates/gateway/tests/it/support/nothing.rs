//! The parts of the API that a gateway never calls.

use futures::StreamExt;
use merkury_api::*;
use merkury_core::keys::Keypair;
use merkury_core::{Cid, PeerId};
use serde_json::Value;

pub(crate) struct Nothing;

pub(crate) fn never<'a, T: Send + 'a>() -> Answer<'a, T> {
    Box::pin(async { Err(ApiError::internal("a gateway does not ask this")) })
}

pub(crate) fn nothing<T: Send + 'static>() -> ItemStream<T> {
    futures::stream::iter([Err(ApiError::internal("a gateway does not ask this"))]).boxed()
}

#[rustfmt::skip]
impl Mfs for Nothing {
    fn mkdir(&self, _: String, _: bool, _: MfsNodeOptions, _: bool) -> Answer<'_, ()> { never() }
    fn write(&self, _: String, _: ByteStream, _: MfsWriteOptions) -> Answer<'_, ()> { never() }
    fn read(&self, _: String, _: u64, _: Option<u64>) -> Answer<'_, ByteStream> { never() }
    fn list(&self, _: String, _: bool) -> Answer<'_, ItemStream<MfsEntry>> { never() }
    fn stat(&self, _: String, _: bool) -> Answer<'_, MfsStat> { never() }
    fn copy(&self, _: String, _: String, _: MfsCopyOptions) -> Answer<'_, ()> { never() }
    fn rename(&self, _: String, _: String, _: bool) -> Answer<'_, ()> { never() }
    fn remove(&self, _: String, _: bool, _: bool, _: bool) -> Answer<'_, ()> { never() }
    fn flush(&self, _: String) -> Answer<'_, Cid> { never() }
    fn change(&self, _: MfsChange, _: bool) -> Answer<'_, ()> { never() }
    fn batch(&self, _: Vec<MfsChange>) -> Answer<'_, Cid> { never() }
    fn replace_root(&self, _: Option<Cid>) -> Answer<'_, MfsRootChange> { never() }
}

#[rustfmt::skip]
impl History for Nothing {
    fn steps(&self) -> Answer<'_, Vec<UndoStep>> { never() }
    fn undo(&self, _: usize) -> Answer<'_, Undone> { never() }
    fn redo(&self) -> Answer<'_, Undone> { never() }
    fn forget(&self) -> Answer<'_, usize> { never() }
}

#[rustfmt::skip]
impl Pins for Nothing {
    fn add(&self, _: Cid, _: PinOptions) -> ItemStream<PinEvent> { nothing() }
    fn remove(&self, _: Cid, _: PinMode) -> Answer<'_, ()> { never() }
    fn list(&self, _: PinFilter) -> ItemStream<PinEntry> { nothing() }
    fn verify(&self) -> ItemStream<merkury_api::PinVerified> { nothing() }
    fn why(&self, _: Cid) -> Answer<'_, merkury_api::WhyKept> { never() }
    fn update(&self, _: Cid, _: Cid, _: bool) -> Answer<'_, ()> { never() }
}

#[rustfmt::skip]
impl Space for Nothing {
    fn usage(&self) -> Answer<'_, SpaceUsage> { never() }
    fn forget(&self, _: Cid, _: bool) -> Answer<'_, Forgotten> { never() }
    fn checkup(&self) -> Answer<'_, Vec<Finding>> { never() }
}

#[rustfmt::skip]
impl Keys for Nothing {
    fn generate(&self, _: String, _: KeyKind) -> Answer<'_, KeyInfo> { never() }
    fn list(&self) -> Answer<'_, Vec<KeyInfo>> { never() }
    fn remove(&self, _: String) -> Answer<'_, KeyInfo> { never() }
    fn rename(&self, _: String, _: String, _: bool) -> Answer<'_, (KeyInfo, bool)> { never() }
    fn import(&self, _: String, _: Keypair) -> Answer<'_, KeyInfo> { never() }
    fn export(&self, _: String) -> Answer<'_, Keypair> { never() }
    fn sign(&self, _: String, _: Vec<u8>) -> Answer<'_, (KeyInfo, Vec<u8>)> { never() }
    fn verify(&self, _: String, _: Vec<u8>, _: Vec<u8>) -> Answer<'_, (KeyInfo, bool)> { never() }
    fn rotate(&self, _: String, _: KeyKind) -> Answer<'_, KeyInfo> { never() }
}

#[rustfmt::skip]
impl Routing for Nothing {
    fn find_providers(&self, _: Cid, _: usize) -> ItemStream<RoutingEvent> { nothing() }
    fn find_peer(&self, _: PeerId) -> ItemStream<RoutingEvent> { nothing() }
    fn provide(&self, _: Vec<Cid>, _: bool) -> ItemStream<RoutingEvent> { nothing() }
    fn fast_provide(&self, _: Vec<Cid>, _: merkury_api::FastProvide) -> Answer<'_, ()> { never() }
    fn provide_once(&self, _: Vec<Cid>, _: bool) -> ItemStream<Cid> { nothing() }
    fn reprovide(&self) -> Answer<'_, ()> { never() }
    fn clear_provide_queue(&self) -> Answer<'_, u64> { never() }
    fn provide_stat(&self) -> Answer<'_, merkury_api::ProvideStat> { never() }
}

#[rustfmt::skip]
impl Peers for Nothing {
    fn identity(&self) -> Answer<'_, Identity> { never() }
    fn identify<'a>(&'a self, _: &'a PeerId) -> Answer<'a, Identity> { never() }
    fn connect<'a>(&'a self, _: &'a str) -> Answer<'a, PeerId> { never() }
    fn disconnect<'a>(&'a self, _: &'a str) -> Answer<'a, ()> { never() }
    fn connections(&self) -> Answer<'_, Vec<ConnectionInfo>> { never() }
    fn known(&self) -> Answer<'_, Vec<KnownPeer>> { never() }
    fn listening(&self) -> Answer<'_, Vec<String>> { never() }
    fn announced(&self) -> Answer<'_, Vec<String>> { never() }
    fn bitswap_stat(&self) -> Answer<'_, BitswapStat> { never() }
    fn wantlist<'a>(&'a self, _: Option<&'a PeerId>) -> Answer<'a, Vec<Cid>> { never() }
    fn ledger<'a>(&'a self, _: &'a PeerId) -> Answer<'a, Ledger> { never() }
}

#[rustfmt::skip]
impl Repo for Nothing {
    fn stat(&self) -> Answer<'_, RepoStat> { never() }
    fn gc(&self, _: GcRequest) -> ItemStream<GcEvent> { nothing() }
    fn version(&self) -> Answer<'_, RepoVersion> { never() }
    fn verify(&self, _: merkury_api::VerifyOptions) -> ItemStream<merkury_api::VerifyEvent> { nothing() }
    fn check_up(&self, _: bool) -> ItemStream<merkury_api::Checkup> { nothing() }
}

#[rustfmt::skip]
impl References for Nothing {
    fn list(&self, _: bool, _: bool) -> ItemStream<Referenced> { nothing() }
    fn look_up(&self, _: Cid) -> Answer<'_, Referenced> { never() }
    fn forget(&self, _: Cid) -> Answer<'_, ()> { never() }
    fn duplicates(&self) -> ItemStream<Cid> { nothing() }
}

#[rustfmt::skip]
impl Migrate for Nothing {
    fn migrate(&self, _: MigrateRequest) -> ItemStream<MigrateEvent> { nothing() }
}

#[rustfmt::skip]
impl Config for Nothing {
    fn get<'a>(&'a self, _: &'a str) -> Answer<'a, Value> { never() }
    fn set<'a>(&'a self, _: &'a str, _: Value) -> Answer<'a, Value> { never() }
    fn show(&self) -> Answer<'_, Value> { never() }
    fn replace(&self, _: Value) -> Answer<'_, ()> { never() }
    fn apply_profile<'a>(&'a self, _: &'a str, _: bool) -> Answer<'a, ConfigChange> { never() }
}

#[rustfmt::skip]
impl Records for Nothing {
    fn get<'a>(&'a self, _: &'a str) -> Answer<'a, Option<Vec<u8>>> { never() }
    fn put<'a>(&'a self, _: &'a str, _: Vec<u8>) -> Answer<'a, ()> { never() }
    fn count<'a>(&'a self, _: &'a str) -> Answer<'a, u64> { never() }
}
