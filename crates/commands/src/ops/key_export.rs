//! `key export`: a private key as a file, for another node or another program.

use merkury_core::keys::pkcs8;

use super::common::whole;
use super::prelude::*;

/// `key export`.
pub struct KeyExport;

/// The libp2p message, as the key store holds it.
pub const FORMAT_LIBP2P: &str = "libp2p-protobuf-cleartext";
/// PKCS#8 in PEM.
pub const FORMAT_PEM: &str = "pem-pkcs8-cleartext";

/// The option of import and export.
pub(crate) const FORMAT: Opt =
    Opt::text(&["format", "f"], "libp2p-protobuf-cleartext, or pem-pkcs8-cleartext for other programs.")
        .or(FORMAT_LIBP2P);

impl Op for KeyExport {
    const SPEC: &'static Spec = &Spec {
        path: "key/export",
        about: "Write a private key to a file.",
        help: "The file holds the key in clear: whoever has it can publish under its name. It is readable by its owner\n\
               alone. Without --output it is ./NAME.key, or ./NAME.pem.",
        examples: &["ipfs key export blog", "ipfs key export blog --format=pem-pkcs8-cleartext --output=blog.pem"],
        args: &[Arg::text("name", "Name of the key.").or_stdin()],
        options: &[Opt::text(&["output", "o"], "Where to write it."), FORMAT],
        place: Place::Beside,
        tier: Tier::Common,
        ..Spec::ADMIN
    };
    type Item = NoItem;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<NoItem> {
        Box::pin(async move {
            let call = request.call;
            let name = call.arg(0)?.to_owned();
            if name == "self" {
                return Err(ApiError::invalid("cannot export key with name 'self'"));
            }
            let pair = cx.api(&call)?.keys.export(name).await?;
            let bytes = match call.options.text("format").as_deref() {
                Some(FORMAT_PEM) => {
                    let inside = pair.to_pkcs8().map_err(|error| ApiError::internal(error.to_string()))?;
                    pkcs8::to_pem(&inside).into_bytes()
                }
                Some(FORMAT_LIBP2P) | None => pair.to_protobuf(),
                Some(other) => {
                    return Err(ApiError::invalid(format!("unrecognized export format: {other}"))
                        .hint(format!("formats: {FORMAT_LIBP2P}, {FORMAT_PEM}")));
                }
            };
            Ok(Reply::Bytes(whole("application/octet-stream", bytes.into())))
        })
    }

    fn text(item: NoItem, _: &Call, (): &mut (), _: &mut Out<'_>) -> TextResult {
        match item {}
    }
}
