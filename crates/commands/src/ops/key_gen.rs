//! `key gen`: a new key.

use merkury_api::{KeyInfo, KeyKind};

use super::id::PeerText;
use super::prelude::*;

/// `key gen`.
pub struct KeyGen;

/// A key, of the other key commands too.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct KeyOut {
    /// Its name here.
    pub name: String,
    /// Its IPNS name.
    pub id: String,
}

/// Keys.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct KeysOut {
    /// The keys.
    pub keys: Vec<KeyOut>,
}

/// The option of all key commands.
pub(crate) const IPNS_BASE: Opt = Opt::text(&["ipns-base"], "Form of IPNS names: a multibase, or b58mh.").or("base36");

pub(crate) fn out_of(key: &KeyInfo, form: PeerText) -> KeyOut {
    KeyOut { name: key.name.clone(), id: form.text(&key.id) }
}

/// Keys as a table with `-l`, as names without.
pub(crate) fn show(keys: &KeysOut, call: &Call, out: &mut Out<'_>) -> TextResult {
    if !call.options.flag("l") {
        return Ok(keys.keys.iter().try_for_each(|key| out.line(escape_name(&key.name)))?);
    }
    // Three columns, the last one empty: Kubo pads the names.
    let mut table = crate::text::Table::new(1);
    for key in &keys.keys {
        table.row([key.id.clone(), escape_name(&key.name).into_owned(), String::new()]);
    }
    Ok(out.put(table.render())?)
}

impl Op for KeyGen {
    const SPEC: &'static Spec = &Spec {
        path: "key/gen",
        about: "Make a key.",
        help: "Prints the IPNS name of the key. The private key never leaves the repository.",
        args: &[Arg::text("name", "Name of the key.")],
        options: &[
            Opt::text(&["type", "t"], "ed25519, rsa or secp256k1.").or("ed25519"),
            Opt::int(&["size", "s"], "Bits of an RSA key."),
            IPNS_BASE,
        ],
        ..Spec::ADMIN
    };
    type Item = KeyOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<KeyOut> {
        Box::pin(async move {
            let call = request.call;
            let name = call.arg(0)?.to_owned();
            if name == "self" {
                return Err(ApiError::invalid("cannot create key with name 'self'"));
            }
            let form = PeerText::of(&call, "ipns-base")?;
            let bits = call.options.int("size").and_then(|bits| u32::try_from(bits).ok());
            let kind = match call.options.text("type").as_deref() {
                Some("ed25519") | None => KeyKind::Ed25519,
                Some("rsa") => KeyKind::Rsa(bits.unwrap_or(2048)),
                Some("secp256k1") => KeyKind::Secp256k1,
                Some(other) => return Err(ApiError::invalid(format!("unrecognized key type: {other}"))),
            };
            let key = cx.api(&call)?.keys.generate(name, kind).await?;
            Ok(Reply::One(out_of(&key, form)))
        })
    }

    fn text(item: KeyOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        Ok(out.line(&item.id)?)
    }
}
