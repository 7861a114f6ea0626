//! `routing get` and `routing put`: values of the DHT by key. Only `/ipns/` keys have values here.

use data_encoding::BASE64;
use merkury_core::{ErrorKind, PeerId};

use super::common::whole_file;
use super::prelude::*;
use super::routing::QueryEvent;

/// `routing get`.
pub struct RoutingGet;
/// `routing put`.
pub struct RoutingPut;

/// The number of an event that carries a value.
const VALUE: u8 = 5;
/// Most that is read of a value.
const VALUE_BYTES_MAX: usize = 1024 * 1024;

/// Kubo's words for a node without a network.
const OFFLINE: &str = "can't put while offline: pass `--allow-offline` to override";

/// The name in a key.
fn name_of_key(key: &str) -> Result<PeerId, ApiError> {
    let invalid = || ApiError::invalid("invalid key").hint("keys look like /ipns/NAME");
    let name = key.strip_prefix("/ipns/").filter(|name| !name.contains('/')).ok_or_else(invalid)?;
    PeerId::parse(name).map_err(|error| ApiError::invalid(format!("failed to parse peer ID: {error}")))
}

impl Op for RoutingGet {
    const SPEC: &'static Spec = &Spec {
        path: "routing/get",
        about: "Print the best value of a key.",
        help: "For /ipns/NAME that is the valid record with the highest number; name get does the same.",
        examples: &["ipfs routing get /ipns/k51… > record.bin"],
        args: &[Arg::text("key", "The key.").many()],
        tier: Tier::Niche,
        ..Spec::READ
    };
    type Item = QueryEvent;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<QueryEvent> {
        Box::pin(async move {
            let name = name_of_key(request.call.arg(0)?)?;
            let record = cx.api(&request.call)?.names.record(name).await?;
            Ok(Reply::One(QueryEvent { extra: BASE64.encode(&record), r#type: VALUE, ..QueryEvent::default() }))
        })
    }

    fn text(item: QueryEvent, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        let value = BASE64.decode(item.extra.as_bytes());
        let value = value.map_err(|error| ApiError::internal(format!("the value is no base64: {error}")))?;
        Ok(out.raw(&value)?)
    }
}

impl Op for RoutingPut {
    const SPEC: &'static Spec = &Spec {
        path: "routing/put",
        about: "Keep and publish a value under a key.",
        help: "The value of /ipns/NAME is a record that its owner signed; name put says more when it is refused.",
        examples: &["ipfs routing put --allow-offline /ipns/k51… record.bin"],
        args: &[Arg::text("key", "The key."), Arg::file("value-file", "File of the value.").or_stdin()],
        options: &[Opt::flag(&["allow-offline"], "Without a network, keep the record here alone.")],
        tier: Tier::Niche,
        ..Spec::ADMIN
    };
    type Item = QueryEvent;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<QueryEvent> {
        Box::pin(async move {
            let Request { call, body } = request;
            let name = name_of_key(call.arg(0)?)?;
            let value = whole_file(body, VALUE_BYTES_MAX).await?;
            let put = cx.api(&call)?.names;
            let put = put.put_record(name.clone(), value.to_vec(), call.options.flag("allow-offline")).await;
            put.map_err(|error| match error.kind {
                ErrorKind::Unavailable => ApiError { message: OFFLINE.into(), ..error },
                _ => error,
            })?;
            Ok(Reply::One(QueryEvent { id: name.to_string(), r#type: VALUE, ..QueryEvent::default() }))
        })
    }

    fn text(item: QueryEvent, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        Ok(out.line(&item.id)?)
    }
}
