//! `cid inspect`: what a CID is made of.

use merkury_core::bases::{self, Base};
use merkury_core::cid::codec_code;
use merkury_core::codec::name as codec_name;
use merkury_core::hash::name as hash_name;
use merkury_core::multihash::code::SHA2_256;
use merkury_core::{Cid, PeerId, Version};

use super::prelude::*;

/// `cid inspect`.
pub struct CidInspect;

/// The parts of a CID.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CidInspectOut {
    /// What was given.
    pub cid: String,
    /// 0 or 1.
    pub version: u8,
    /// The base of its text.
    pub multibase: BasePart,
    /// The codec.
    pub multicodec: CodecPart,
    /// The hash.
    pub multihash: HashPart,
    /// As version 0, if it can be one.
    #[serde(rename = "cidV0", skip_serializing_if = "is_zero")]
    pub cid_v0: String,
    /// As version 1.
    #[serde(rename = "cidV1")]
    pub cid_v1: String,
    /// Why it is no CID.
    #[serde(rename = "errorMsg", skip_serializing_if = "is_zero")]
    pub error_msg: String,
}

/// A base.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct BasePart {
    /// Its letter.
    pub prefix: String,
    /// Its name.
    pub name: String,
}

/// A codec.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct CodecPart {
    /// Its number.
    pub code: u64,
    /// Its name, or `unknown`.
    pub name: String,
}

/// A hash.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct HashPart {
    /// Number of the function.
    pub code: u64,
    /// Its name, or `unknown`.
    pub name: String,
    /// Bytes of the digest.
    pub length: usize,
    /// The digest in base 16.
    pub digest: String,
}

impl Op for CidInspect {
    const SPEC: &'static Spec = &Spec {
        path: "cid/inspect",
        about: "Show what a CID is made of.",
        help: "Prints version, base, codec and hash, and the same CID as version 0 and 1.",
        examples: &["ipfs cid inspect bafkqaaa"],
        args: &[Arg::text("cid", "The CID.").or_stdin()],
        tier: Tier::Common,
        place: Place::Anywhere,
        ..Spec::READ
    };
    type Item = CidInspectOut;
    type Text = ();

    fn run(_: Cx, request: Request) -> Running<CidInspectOut> {
        Box::pin(async move { Ok(Reply::One(inspect(request.call.arg(0)?))) })
    }

    fn text(item: CidInspectOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        if !item.error_msg.is_empty() {
            return Err(ApiError::invalid(item.error_msg).into());
        }
        let (base, codec, hash) = (&item.multibase, &item.multicodec, &item.multihash);
        let implicit = if item.version == 0 { ", implicit" } else { "" };
        out.line(format_args!("CID:        {}", item.cid))?;
        out.line(format_args!("Version:    {}", item.version))?;
        let prefix = if item.version == 0 { "implicit" } else { &base.prefix };
        out.line(format_args!("Multibase:  {} ({prefix})", base.name))?;
        out.line(format_args!("Multicodec: {} (0x{:x}{implicit})", codec.name, codec.code))?;
        out.line(format_args!("Multihash:  {} (0x{:x}{implicit})", hash.name, hash.code))?;
        out.line(format_args!("  Length:   {} bytes", hash.length))?;
        out.line(format_args!("  Digest:   {}", hash.digest))?;
        out.line(format_args!("CIDv0:      {}", version_0_text(&item)))?;
        Ok(out.line(format_args!("CIDv1:      {}", item.cid_v1))?)
    }
}

/// The version 0 form, or what stands against it.
fn version_0_text(item: &CidInspectOut) -> String {
    let (codec, hash) = (&item.multicodec, &item.multihash);
    if !item.cid_v0.is_empty() {
        return item.cid_v0.clone();
    }
    if codec.code != codec_code::DAG_PB {
        return format!("not possible, requires dag-pb (0x70), got {} (0x{:x})", codec.name, codec.code);
    }
    if hash.code != SHA2_256 {
        return format!("not possible, requires sha2-256 (0x12), got {} (0x{:x})", hash.name, hash.code);
    }
    format!("not possible, requires 32-byte digest, got {}", hash.length)
}

fn inspect(text: &str) -> CidInspectOut {
    let cid = match Cid::parse(text) {
        Ok(cid) => cid,
        Err(error) => {
            let mut error_msg = format!("invalid CID: invalid cid: {error}");
            if let Ok(peer) = PeerId::parse(text) {
                let name = merkury_core::keys::ipns_name(&peer, Base::Base36Lower);
                let note = "Note: the value is a PeerID; inspect its CID representation instead";
                error_msg.push_str(&format!("\n{note}:\n  {name}"));
            }
            return CidInspectOut { cid: text.into(), error_msg, ..CidInspectOut::default() };
        }
    };
    let hash = cid.hash();
    let codec = cid.codec();
    let v1_base = if codec == codec_code::LIBP2P_KEY { Base::Base36Lower } else { Base::Base32Lower };
    let is_v0_possible = codec == codec_code::DAG_PB;
    let cid_v0 = is_v0_possible.then(|| Cid::v0(hash.clone()).ok()).flatten().map(|cid| cid.to_string());
    CidInspectOut {
        cid: text.into(),
        version: u8::from(cid.version() == Version::V1),
        multibase: base_part(&cid, text),
        multicodec: CodecPart { code: codec, name: codec_name::name_of(codec).unwrap_or("unknown").into() },
        multihash: HashPart {
            code: hash.code(),
            name: hash_name::any_name_of(hash.code()).map_or_else(|| "unknown".into(), |name| name.into_owned()),
            length: hash.digest().len(),
            digest: data_encoding::HEXLOWER.encode(hash.digest()),
        },
        cid_v0: cid_v0.unwrap_or_default(),
        cid_v1: cid.to_v1().to_string_of_base(v1_base),
        error_msg: String::new(),
    }
}

fn base_part(cid: &Cid, text: &str) -> BasePart {
    if cid.version() == Version::V0 {
        return BasePart { prefix: "z".into(), name: "base58btc".into() };
    }
    let code = text.chars().next().unwrap_or_default();
    let name = Base::from_code(code).ok().and_then(bases::name_of).unwrap_or_default();
    BasePart { prefix: code.into(), name: name.into() }
}
