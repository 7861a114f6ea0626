//! `key rotate`: a new identity; the old one stays as a key.

use super::key_gen::{KeyOut, SIZE, TYPE, kind_of};
use super::prelude::*;
use merkury_api::KeyKind;

/// `key rotate`.
pub struct KeyRotate;

impl Op for KeyRotate {
    const SPEC: &'static Spec = &Spec {
        path: "key/rotate",
        about: "Give this node a new identity.",
        help: "Makes a new key pair for the node and keeps the old one in the key store, so that what was published under\n\
               it can still be changed. No daemon may be running.",
        examples: &["ipfs key rotate --oldkey=before-2026"],
        options: &[Opt::text(&["oldkey", "o"], "Name under which the old identity is kept."), TYPE, SIZE],
        place: Place::Local,
        tier: Tier::Common,
        ..Spec::ADMIN
    };
    type Item = KeyOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<KeyOut> {
        Box::pin(async move {
            let call = request.call;
            let Some(keep_as) = call.options.text("oldkey") else {
                return Err(ApiError::invalid("keystore name for backing up old key must be provided")
                    .hint("merkury key rotate --oldkey=NAME"));
            };
            let key = cx.api(&call)?.keys.rotate(keep_as, kind_of(&call)?).await?;
            Ok(Reply::One(KeyOut { name: key.name, id: key.id.to_string() }))
        })
    }

    fn text(item: KeyOut, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        let kind = match kind_of(call)? {
            KeyKind::Ed25519 => "ED25519".to_owned(),
            KeyKind::Secp256k1 => "secp256k1".to_owned(),
            KeyKind::Rsa(bits) => format!("{bits}-bit RSA"),
        };
        Ok(out.put(format_args!("generating {kind} keypair...done\npeer identity: {}\n", item.id))?)
    }
}
