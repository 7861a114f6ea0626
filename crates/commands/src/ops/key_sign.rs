//! `key sign` and `key verify`: proof that somebody owns a key.

use super::common::whole_file;
use super::id::PeerText;
use super::key_gen::{IPNS_BASE, KeyOut, out_of};
use super::prelude::*;
use crate::json;

/// `key sign`.
pub struct KeySign;
/// `key verify`.
pub struct KeyVerify;

/// Largest message: it is signed in memory.
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A signature.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct KeySignOut {
    /// The key.
    pub key: KeyOut,
    /// The signature in multibase.
    pub signature: String,
}

/// A verdict.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct KeyVerifyOut {
    /// The key.
    pub key: KeyOut,
    /// Whether it made the signature.
    pub signature_valid: bool,
}

const HELP: &str = "The bytes that are signed are \"libp2p-key signed message:\" and the data, so that no signature can\n\
                    serve for anything else.";

impl Op for KeySign {
    const SPEC: &'static Spec = &Spec {
        path: "key/sign",
        about: "Sign data with a key.",
        help: HELP,
        examples: &["ipfs key sign --key=blog statement.txt"],
        args: &[Arg::file("data", "The data.").or_stdin()],
        options: &[Opt::text(&["key", "k"], "Name of the key; the node's identity without it."), IPNS_BASE],
        tier: Tier::Niche,
        ..Spec::ADMIN
    };
    type Item = KeySignOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<KeySignOut> {
        Box::pin(async move {
            let Request { call, body } = request;
            let form = PeerText::of(&call, "ipns-base")?;
            let data = whole_file(body, MESSAGE_BYTES_MAX).await?;
            let name = call.options.text("key").unwrap_or_default();
            let (key, signature) = cx.api(&call)?.keys.sign(name, data.to_vec()).await?;
            let signature = multibase::encode(multibase::Base::Base64Url, signature);
            Ok(Reply::One(KeySignOut { key: out_of(&key, form), signature }))
        })
    }

    /// Kubo has no text form of this answer.
    fn text(item: KeySignOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        Ok(out.raw(&json::line(&item)?)?)
    }
}

impl Op for KeyVerify {
    const SPEC: &'static Spec = &Spec {
        path: "key/verify",
        about: "Check a signature of key sign.",
        help: HELP,
        examples: &["ipfs key verify --key=k51… --signature=u8Zk… statement.txt"],
        args: &[Arg::file("data", "The data.").or_stdin()],
        options: &[
            Opt::text(&["key", "k"], "Name of a key here, an IPNS name or a peer id; the node's identity without it."),
            Opt::text(&["signature", "s"], "The signature in multibase."),
            IPNS_BASE,
        ],
        tier: Tier::Niche,
        ..Spec::ADMIN
    };
    type Item = KeyVerifyOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<KeyVerifyOut> {
        Box::pin(async move {
            let Request { call, body } = request;
            let form = PeerText::of(&call, "ipns-base")?;
            let text = call.options.text("signature").unwrap_or_default();
            if text.is_empty() {
                return Err(ApiError::invalid("cannot decode multibase for zero length string")
                    .hint("give --signature=… as key sign printed it"));
            }
            let (_, signature) = multibase::decode(&text)
                .map_err(|error| ApiError::invalid(format!("the signature is no multibase: {error}")))?;
            let data = whole_file(body, MESSAGE_BYTES_MAX).await?;
            let key = call.options.text("key").unwrap_or_default();
            let (key, signature_valid) = cx.api(&call)?.keys.verify(key, data.to_vec(), signature).await?;
            Ok(Reply::One(KeyVerifyOut { key: out_of(&key, form), signature_valid }))
        })
    }

    /// Kubo has no text form of this answer.
    fn text(item: KeyVerifyOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        Ok(out.raw(&json::line(&item)?)?)
    }
}
