//! `dag export`: a DAG as a CAR file.

use merkury_api::{ExportRequest, Reach};

use super::common::PROGRESS;
use super::prelude::*;

/// `dag export`.
pub struct DagExport;

impl Op for DagExport {
    const SPEC: &'static Spec = &Spec {
        path: "dag/export",
        about: "Print a DAG as a CAR file.",
        help: "Writes CAR version 1: every block below the root once, depth first. --local-only leaves out what is not\n\
               stored here.",
        examples: &["ipfs dag export CID > backup.car"],
        args: &[Arg::text("root", "Path of a DAG.").or_stdin()],
        options: &[PROGRESS, Opt::flag(&["local-only"], "Leave out what is not stored here; implies --offline.")],
        ..Spec::READ
    };
    type Item = NoItem;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<NoItem> {
        Box::pin(async move {
            let call = request.call;
            let local_only = call.options.flag("local-only");
            if local_only && call.options.flag_given("offline") == Some(false) {
                let message = "--local-only implies --offline and cannot be combined with --offline=false; \
                               please drop one of them";
                return Err(ApiError::invalid(message));
            }
            let api = if local_only { cx.node()?.api(Reach::Local) } else { cx.api(&call)? };
            let root = resolve_cid(&api, call.arg(0)?).await?;
            // What a partial archive leaves out as not stored are, in Kubo, identity blocks too.
            let identities = !local_only;
            let stream = api.dag.export(ExportRequest { local_only, identities, ..ExportRequest::whole(root) }).await?;
            Ok(Reply::Bytes(BytesReply { content_type: "application/vnd.ipld.car", length: None, stream }))
        })
    }

    fn text(item: NoItem, _: &Call, (): &mut (), _: &mut Out<'_>) -> TextResult {
        match item {}
    }
}
