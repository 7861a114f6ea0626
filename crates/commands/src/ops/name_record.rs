//! `name get` and `name put`: signed records as they are.

use merkury_core::PeerId;
use merkury_core::ipns::{RECORD_BYTES_MAX, Record};
use merkury_core::stamp::Stamp;

use super::common::{whole, whole_file};
use super::name_publish::{NameOut, refuse_delegated};
use super::prelude::*;

/// `name get`.
pub struct NameGet;
/// `name put`.
pub struct NamePut;

/// Most that is read of a record file: enough to say that it is too large.
const FILE_BYTES_MAX: usize = 1024 * 1024;
/// MIME type of records.
pub(crate) const RECORD_TYPE: &str = "application/vnd.ipfs.ipns-record";

/// A name by its text, with or without `/ipns/`.
pub(crate) fn name_of(text: &str) -> Result<PeerId, ApiError> {
    PeerId::parse(text.strip_prefix("/ipns/").unwrap_or(text))
        .map_err(|error| ApiError::invalid(format!("failed to parse peer ID: {error}")))
}

impl Op for NameGet {
    const SPEC: &'static Spec = &Spec {
        path: "name/get",
        about: "Print the signed record of a name.",
        help: "The record is the protobuf message of the IPNS specification; name inspect shows what is in it. Without a\n\
               network it is the one that is kept here.",
        examples: &["ipfs name get k51… > record.bin", "ipfs name get k51… | ipfs name inspect"],
        args: &[Arg::text("name", "The name.")],
        tier: Tier::Common,
        ..Spec::READ
    };
    type Item = NoItem;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<NoItem> {
        Box::pin(async move {
            let name = name_of(request.call.arg(0)?)?;
            let record = cx.api(&request.call)?.names.record(name).await?;
            let mut reply = whole(RECORD_TYPE, record.into());
            // Kubo announces no length here.
            reply.length = None;
            Ok(Reply::Bytes(reply))
        })
    }

    fn text(item: NoItem, _: &Call, (): &mut (), _: &mut Out<'_>) -> TextResult {
        match item {}
    }
}

/// What Kubo checks before it hands a record on: form, signature, and that no newer one is here.
async fn check(api: &merkury_api::Api, name: &PeerId, data: &[u8]) -> Result<(), ApiError> {
    if data.len() > RECORD_BYTES_MAX {
        return Err(ApiError::invalid(format!(
            "record exceeds maximum size of {RECORD_BYTES_MAX} bytes, use --force to skip size check"
        )));
    }
    let record = Record::decode(data).map_err(|error| ApiError::invalid(format!("invalid IPNS record: {error}")))?;
    record
        .verify(name, Stamp::of(std::time::SystemTime::now()))
        .map_err(|error| ApiError::invalid(format!("record validation failed: {error}")))?;
    // That there is none yet is fine.
    let Ok(known) = api.names.record(name.clone()).await else { return Ok(()) };
    let Ok(old) = Record::decode(&known) else { return Ok(()) };
    match (old.sequence(), record.sequence()) {
        (Ok(old), Ok(new)) if known != data && old >= new => Err(ApiError::new(
            merkury_core::ErrorKind::Conflict,
            format!(
                "existing IPNS record has sequence {old} >= new record sequence {new}, use 'ipfs name put --force' to \
                 skip this check"
            ),
        )),
        _ => Ok(()),
    }
}

impl Op for NamePut {
    const SPEC: &'static Spec = &Spec {
        path: "name/put",
        about: "Keep and publish a record that somebody signed.",
        help: "The record must be valid for the name and newer than the one that is known; the same one again is fine.\n\
               --force leaves the comparison out: an older record then changes nothing, as everywhere in the network.",
        examples: &["ipfs name put k51… record.bin", "ipfs name put --allow-offline k51… record.bin"],
        args: &[Arg::text("name", "The name."), Arg::file("record", "File of the record.").or_stdin()],
        options: &[
            Opt::flag(&["force", "f"], "Do not compare with the record that is known."),
            Opt::flag(&["allow-offline"], "Without a network, keep the record here alone."),
            Opt::flag(&["allow-delegated"], "Publish over HTTP alone."),
            Opt::flag(&["quiet", "q"], "Print nothing."),
        ],
        tier: Tier::Common,
        ..Spec::ADMIN
    };
    type Item = NameOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<NameOut> {
        Box::pin(async move {
            let Request { call, body } = request;
            refuse_delegated(&call)?;
            let text = call.arg(0)?;
            let name = PeerId::parse(text.strip_prefix("/ipns/").unwrap_or(text))
                .map_err(|error| ApiError::invalid(format!("invalid IPNS name: {error}")))?;
            let data = whole_file(body, FILE_BYTES_MAX).await?;
            if data.is_empty() {
                return Err(ApiError::invalid("record is empty"));
            }
            let api = cx.api(&call)?;
            if !call.options.flag("force") {
                check(&api, &name, &data).await?;
            }
            api.names.put_record(name.clone(), data.to_vec(), call.options.flag("allow-offline")).await?;
            let value = Record::decode(&data).and_then(|record| record.value()).unwrap_or_default();
            let name = merkury_core::keys::ipns_name(&name, multibase::Base::Base36Lower);
            Ok(Reply::One(NameOut { name, value }))
        })
    }

    fn text(item: NameOut, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        if call.options.flag("quiet") {
            return Ok(());
        }
        Ok(out.line(escape_name(&item.name))?)
    }
}
