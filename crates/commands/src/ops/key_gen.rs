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

/// Bits of every key that is no RSA key.
const KEY_BITS: i64 = 256;
/// Bits of an RSA key when nothing is said.
const RSA_BITS: u32 = 2048;

/// `--type` of a new key.
pub(crate) const TYPE: Opt = Opt::text(&["type", "t"], "ed25519, rsa or secp256k1.").or("ed25519");
/// `--size` of a new key.
pub(crate) const SIZE: Opt = Opt::int(&["size", "s"], "Bits of an RSA key.");
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

/// The kind of a new key, by `--type` and `--size`.
pub(crate) fn kind_of(call: &Call) -> Result<KeyKind, ApiError> {
    // Kubo's own client says -1 for the usual size.
    let bits = call.options.int("size").filter(|bits| *bits != -1);
    let fixed = |name: &str, kind: KeyKind| match bits {
        Some(bits) if bits != KEY_BITS => {
            Err(ApiError::invalid(format!("invalid key size {bits}: {name} keys are always {KEY_BITS} bits"))
                .hint("leave --size out"))
        }
        _ => Ok(kind),
    };
    match call.options.text("type").as_deref() {
        Some("ed25519") | None => fixed("ed25519", KeyKind::Ed25519),
        Some("secp256k1") => fixed("secp256k1", KeyKind::Secp256k1),
        Some("rsa") => Ok(KeyKind::Rsa(bits.map_or(RSA_BITS, |bits| u32::try_from(bits).unwrap_or(0)))),
        Some(other) => {
            Err(ApiError::invalid(format!("unrecognized key type: {other}")).hint("key types: ed25519, rsa, secp256k1"))
        }
    }
}

impl Op for KeyGen {
    const SPEC: &'static Spec = &Spec {
        path: "key/gen",
        about: "Make a key.",
        help: "Prints the IPNS name of the key. The private key never leaves the repository.",
        examples: &["ipfs key gen blog", "ipfs key gen --type=rsa --size=4096 archive"],
        args: &[Arg::text("name", "Name of the key.")],
        options: &[TYPE, SIZE, IPNS_BASE],
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
            let kind = kind_of(&call)?;
            let key = cx.api(&call)?.keys.generate(name, kind).await?;
            Ok(Reply::One(out_of(&key, form)))
        })
    }

    fn text(item: KeyOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        Ok(out.line(&item.id)?)
    }
}
