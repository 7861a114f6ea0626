//! CIDs and paths as callers write and read them.

use merkury_api::{Api, ApiError, Resolved};
use merkury_core::{Cid, ContentPath, Version};
use multibase::Base;
use serde::{Deserialize, Serialize};

use crate::op::Call;

/// Writes CIDs as the call asks: `--cid-base`, or as they are.
#[derive(Clone, Copy, Debug)]
pub struct CidText {
    base: Option<Base>,
}

impl CidText {
    /// By the options of a call.
    pub fn of(call: &Call) -> Result<Self, ApiError> {
        let Some(name) = call.options.text("cid-base").filter(|name| !name.is_empty()) else {
            let upgrade = call.options.flag("upgrade-cidv0-in-output");
            return Ok(Self { base: upgrade.then_some(Base::Base32Lower) });
        };
        Ok(Self { base: Some(base_by_name(&name)?) })
    }

    /// By the options of a call, else in the base that the path's own CID is written in.
    pub fn of_or_like(call: &Call, path: &str) -> Result<Self, ApiError> {
        if call.options.is_given("cid-base") || call.options.is_given("upgrade-cidv0-in-output") {
            return Self::of(call);
        }
        let text = path.trim_start_matches("/ipfs/").split('/').next().unwrap_or_default();
        let is_v1 = Cid::parse(text).is_ok_and(|cid| cid.version() == Version::V1);
        let base = text.chars().next().filter(|_| is_v1).and_then(|code| Base::from_code(code).ok());
        Ok(Self { base })
    }

    /// A CID as text.
    pub fn text(&self, cid: &Cid) -> String {
        match self.base {
            None => cid.to_string(),
            Some(Base::Base58Btc) if cid.version() == Version::V0 => cid.to_string(),
            Some(base) => cid.to_v1().to_string_of_base(base),
        }
    }
}

pub(crate) fn base_by_name(name: &str) -> Result<Base, ApiError> {
    const NAMES: &[(&str, Base)] = &[
        ("base2", Base::Base2),
        ("base8", Base::Base8),
        ("base10", Base::Base10),
        ("base16", Base::Base16Lower),
        ("base16upper", Base::Base16Upper),
        ("base32hex", Base::Base32HexLower),
        ("base32hexupper", Base::Base32HexUpper),
        ("base32hexpad", Base::Base32HexPadLower),
        ("base32hexpadupper", Base::Base32HexPadUpper),
        ("base32", Base::Base32Lower),
        ("base32upper", Base::Base32Upper),
        ("base32pad", Base::Base32PadLower),
        ("base32padupper", Base::Base32PadUpper),
        ("base32z", Base::Base32Z),
        ("base36", Base::Base36Lower),
        ("base36upper", Base::Base36Upper),
        ("base58flickr", Base::Base58Flickr),
        ("base58btc", Base::Base58Btc),
        ("base64", Base::Base64),
        ("base64pad", Base::Base64Pad),
        ("base64url", Base::Base64Url),
        ("base64urlpad", Base::Base64UrlPad),
        ("base256emoji", Base::Base256Emoji),
    ];
    let mut letters = name.chars();
    if let (Some(code), None) = (letters.next(), letters.next()) {
        return Base::from_code(code).map_err(|_| ApiError::invalid(format!("unsupported multibase encoding: {name}")));
    }
    let wanted = name.to_ascii_lowercase();
    let found = NAMES.iter().find(|(known, _)| *known == wanted).map(|(_, base)| *base);
    found.ok_or_else(|| ApiError::invalid(format!("unsupported multibase encoding: {name}")))
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
        // A lone word is read as a path before it is read as a CID, so Kubo complains of the path.
        let why = if text.contains(['/', ':']) { error.why } else { "path does not have enough components".into() };
        ApiError::invalid(format!("invalid path {text:?}: {why}"))
            .hint("give a CID, or a path such as /ipfs/CID/name or /ipns/NAME")
    })
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

/// Multicodec number of a hash function, by Kubo's name.
pub fn hash_code(name: &str) -> Option<u64> {
    merkury_core::hash::name::code_of(name)
}

/// Multicodec number of a codec, by name.
pub fn codec_code(name: &str) -> Option<u64> {
    merkury_core::codec::name::codec_of(name)
}
