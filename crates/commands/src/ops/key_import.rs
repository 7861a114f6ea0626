//! `key import`: a key that was made elsewhere.

use merkury_core::keys::{Keypair, pkcs8};

use super::common::whole_file;
use super::id::PeerText;
use super::key_export::{FORMAT, FORMAT_LIBP2P, FORMAT_PEM};
use super::key_gen::{IPNS_BASE, KeyOut, out_of};
use super::prelude::*;

/// `key import`.
pub struct KeyImport;

/// Largest file: an RSA key of 8192 bits takes 7 KiB in PEM.
const FILE_BYTES_MAX: usize = 1024 * 1024;

fn read(format: Option<&str>, bytes: &[u8]) -> Result<Keypair, ApiError> {
    let invalid = |words: &str, error: &dyn std::fmt::Display| ApiError::invalid(format!("{words}: {error}"));
    match format {
        Some(FORMAT_PEM) => {
            let inside = pkcs8::from_pem(bytes).map_err(|error| ApiError::invalid(error.to_string()))?;
            Keypair::from_pkcs8(&inside).map_err(|error| invalid("parsing PKCS8 format", &error))
        }
        Some(FORMAT_LIBP2P) | None => Keypair::from_protobuf(bytes).map_err(|error| {
            if pkcs8::is_pem(bytes) {
                return ApiError::invalid(format!(
                    "unexpected PEM block for format={FORMAT_LIBP2P}: try again with format={FORMAT_PEM}"
                ));
            }
            invalid(&format!("unable to unmarshall format={FORMAT_LIBP2P}"), &error)
        }),
        Some(other) => Err(ApiError::invalid(format!("unrecognized import format: {other}"))
            .hint(format!("formats: {FORMAT_LIBP2P}, {FORMAT_PEM}"))),
    }
}

impl Op for KeyImport {
    const SPEC: &'static Spec = &Spec {
        path: "key/import",
        about: "Keep a key that was made elsewhere.",
        help: "Reads what key export writes, or a PKCS#8 key of OpenSSL (--format=pem-pkcs8-cleartext). Prints the IPNS\n\
               name of the key.",
        examples: &[
            "ipfs key import blog blog.key",
            "openssl genpkey -algorithm ED25519 > k.pem && ipfs key import k -f pem-pkcs8-cleartext k.pem",
        ],
        args: &[Arg::text("name", "Name of the key here."), Arg::file("key", "File of the key.")],
        options: &[
            IPNS_BASE,
            FORMAT,
            Opt::flag(&["allow-any-key-type"], "Keep keys of kinds that are not used here, too.").or("false"),
        ],
        tier: Tier::Common,
        ..Spec::ADMIN
    };
    type Item = KeyOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<KeyOut> {
        Box::pin(async move {
            let Request { call, body } = request;
            let name = call.arg(0)?.to_owned();
            if name == "self" {
                return Err(ApiError::invalid("cannot import key with name 'self'"));
            }
            let form = PeerText::of(&call, "ipns-base")?;
            let bytes = whole_file(body, FILE_BYTES_MAX).await?;
            let pair = read(call.options.text("format").as_deref(), &bytes)?;
            if !pair.is_usable() && !call.options.flag("allow-any-key-type") {
                return Err(ApiError::invalid(
                    "key type *crypto.ECDSAPrivateKey is not allowed to be imported, only RSA, Ed25519, or Secp256k1; \
                     use flag --allow-any-key-type if you are sure of what you're doing",
                ));
            }
            let key = cx.api(&call)?.keys.import(name, pair).await?;
            Ok(Reply::One(out_of(&key, form)))
        })
    }

    fn text(item: KeyOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        Ok(out.line(&item.id)?)
    }
}
