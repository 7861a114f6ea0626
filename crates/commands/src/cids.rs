//! CIDs and paths as callers write and read them.

use merkury_api::{Api, ApiError, Resolved};
use merkury_core::bases::{self, Base};
use merkury_core::path::Root;
use merkury_core::{Cid, ContentPath, Version, hash};
use serde::{Deserialize, Serialize};

use crate::op::Call;

/// Writes CIDs as the call asks: `--cid-base`, or as they are.
#[derive(Clone, Copy, Debug)]
pub struct CidText {
    /// The base of version 1 CIDs; `None` is base 32.
    base: Option<Base>,
    /// Write version 0 CIDs as version 1.
    upgrades: bool,
}

impl CidText {
    /// By the options of a call.
    pub fn of(call: &Call) -> Result<Self, ApiError> {
        let base = call.options.text("cid-base").filter(|name| !name.is_empty());
        let base = base.map(|name| base_by_name(&name)).transpose()?;
        // The old flag wins over what the base implies.
        let upgrades = call
            .options
            .flag_given("upgrade-cidv0-in-output")
            .unwrap_or(base.is_some_and(|base| base.code() != Base::Base58Btc.code()));
        Ok(Self { base, upgrades })
    }

    /// By the options of a call, else in the base that the path's own CID is written in.
    pub fn of_or_like(call: &Call, path: &str) -> Result<Self, ApiError> {
        if call.options.is_given("cid-base") || call.options.is_given("upgrade-cidv0-in-output") {
            return Self::of(call);
        }
        let mut components = path.splitn(4, '/');
        let text = match components.next() {
            Some("") => components.nth(1).unwrap_or_default(),
            first => first.unwrap_or_default(),
        };
        let is_v1 = Cid::parse(text).is_ok_and(|cid| cid.version() == Version::V1);
        let base = text.chars().next().filter(|_| is_v1).and_then(|code| Base::from_code(code).ok());
        Ok(Self { base, upgrades: base.is_some() })
    }

    /// A CID as text.
    pub fn text(&self, cid: &Cid) -> String {
        let base = self.base.unwrap_or(Base::Base32Lower);
        match cid.version() {
            Version::V0 if !self.upgrades => cid.to_string(),
            _ => bases::encode(base, &cid.to_v1().to_bytes()),
        }
    }
}

pub(crate) fn base_by_name(name: &str) -> Result<Base, ApiError> {
    if name.is_empty() {
        return Err(ApiError::invalid("empty multibase encoding"));
    }
    bases::by_name(name).ok_or_else(|| {
        ApiError::invalid(format!("unsupported multibase encoding: {name}")).hint("merkury cid bases lists them")
    })
}

/// A CID as DAG-JSON writes a link: `{"/":"Qm…"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CidLink {
    /// The CID.
    #[serde(rename = "/")]
    pub cid: Cid,
}

impl From<Cid> for CidLink {
    fn from(cid: Cid) -> Self {
        Self { cid }
    }
}

/// Reads a path or CID as every command takes it.
pub fn parse_path(text: &str) -> Result<ContentPath, ApiError> {
    ContentPath::parse(text).map_err(|error| {
        ApiError::invalid(error.to_string()).hint("give a CID, or a path such as /ipfs/CID/name or /ipns/NAME")
    })
}

/// Reads a CID as the commands on single CIDs take it: alone, or as a path or URI of nothing but a root.
pub(crate) fn parse_cid(text: &str) -> Result<Cid, ApiError> {
    if let Ok(cid) = Cid::parse(text) {
        return Ok(cid);
    }
    let path = parse_path(text)?;
    match path.root() {
        Root::Ipns(_) => {
            Err(ApiError::invalid(format!("invalid path {:?}: path was expected to be immutable", path.to_string())))
        }
        Root::Ipfs(_) | Root::Ipld(_) if !path.segments().is_empty() => {
            Err(ApiError::invalid(format!("{text:?} points below a root CID, expected a single CID")))
        }
        Root::Ipfs(cid) | Root::Ipld(cid) => Ok(cid.clone()),
    }
}

/// Walks a path to its node.
pub async fn resolve(api: &Api, text: &str) -> Result<Resolved, ApiError> {
    let path = parse_path(text)?;
    api.names.resolve(&path).await
}

/// Walks a path to its node, which must not lie inside a block.
pub async fn resolve_cid(api: &Api, text: &str) -> Result<Cid, ApiError> {
    Ok(resolve(api, text).await?.cid)
}

/// Multicodec number of a hash function, by Kubo's name. `unknown` is the error for names that nobody knows; a name that is
/// known but may not name blocks is told apart.
pub fn hash_code(name: &str, unknown: impl FnOnce() -> ApiError) -> Result<u64, ApiError> {
    match (hash::name::code_of(name), hash::name::any_code_of(name)) {
        (Some(code), _) => Ok(code),
        (None, Some(code)) if hash::is_allowed(code) => Ok(code),
        (None, Some(_)) => Err(ApiError::invalid("potentially insecure hash functions not allowed")
            .hint("merkury cid hashes lists those that are")),
        (None, None) => Err(unknown()),
    }
}

/// As [`hash_code`], of functions that may not name blocks too: for commands that, as Kubo, refuse those last.
pub fn known_hash_code(name: &str, unknown: impl FnOnce() -> ApiError) -> Result<u64, ApiError> {
    hash::name::any_code_of(name).or_else(|| hash::name::code_of(name)).ok_or_else(unknown)
}

/// Multicodec number of a codec, by name.
pub fn codec_code(name: &str) -> Option<u64> {
    merkury_core::codec::name::codec_of(name)
}
