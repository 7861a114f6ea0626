//! `refs`: the links of DAGs.

use merkury_api::{Api, RefItem, RefsOptions};

use super::prelude::*;

/// `refs`.
pub struct Refs;

/// A reference, or why one path has none.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RefOut {
    /// The reference in the asked form.
    pub r#ref: String,
    /// What failed.
    pub err: String,
}

impl RefOut {
    /// Shows it; a failure ends the listing.
    pub fn show(&self, out: &mut Out<'_>) -> TextResult {
        if !self.err.is_empty() {
            return Err(ApiError::internal(self.err.clone()).into());
        }
        Ok(out.line(&self.r#ref)?)
    }
}

impl Op for Refs {
    const SPEC: &'static Spec = &Spec {
        path: "refs",
        about: "List the links of DAGs.",
        help: "--format takes the words <src>, <dst> and <linkname>; --edges is short for '<src> -> <dst>'.",
        examples: &["ipfs refs -r -u CID      every block below CID once"],
        args: &[Arg::text("ipfs-path", "Path of a DAG.").many().or_stdin()],
        options: &[
            Opt::text(&["format"], "Form of a line.").or("<dst>"),
            Opt::flag(&["edges", "e"], "Print edges."),
            Opt::flag(&["unique", "u"], "Print each reference once."),
            Opt::flag(&["recursive", "r"], "Follow links of links."),
            Opt::int(&["max-depth"], "With --recursive: how deep; -1 is all the way.").or("-1"),
        ],
        ..Spec::READ
    };
    type Item = RefOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<RefOut> {
        Box::pin(async move {
            let call = request.call;
            let mut format = call.options.text("format").unwrap_or_default();
            if call.options.flag("edges") {
                if format != "<dst>" {
                    return Err(ApiError::invalid("using format argument with edges is not allowed"));
                }
                format = "<src> -> <dst>".into();
            }
            let api = cx.api(&call)?;
            let cids = CidText::of(&call)?;
            let options = RefsOptions {
                recursive: call.options.flag("recursive"),
                unique: call.options.flag("unique"),
                max_depth: call.options.int("max-depth").and_then(|depth| u32::try_from(depth).ok()),
            };
            let mut roots = Vec::with_capacity(call.args.len());
            for path in &call.args {
                roots.push(resolve_cid(&api, path).await?);
            }
            Ok(Reply::Stream(all(api, roots, options, format, cids)))
        })
    }

    fn text(item: RefOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        item.show(out)
    }
}

fn all(
    api: Api,
    roots: Vec<merkury_core::Cid>,
    options: RefsOptions,
    format: String,
    cids: CidText,
) -> merkury_api::ItemStream<RefOut> {
    let mut seen = std::collections::HashSet::new();
    let unique = options.unique && roots.len() > 1;
    async_stream::stream! {
        for root in roots {
            let mut refs = api.dag.refs(root, options.clone());
            while let Some(item) = refs.next().await {
                match item {
                    // Each root is walked by itself; what an earlier one has shown is not shown again.
                    Ok(item) if unique && !seen.insert(item.target.clone()) => {}
                    Ok(item) => yield Ok(RefOut { r#ref: edge(&item, &format, cids), err: String::new() }),
                    Err(error) => {
                        yield Ok(RefOut { r#ref: String::new(), err: error.message });
                        break;
                    }
                }
            }
        }
    }
    .boxed()
}

fn edge(item: &RefItem, format: &str, cids: CidText) -> String {
    if format == "<dst>" {
        return cids.text(&item.target);
    }
    format
        .replace("<src>", &cids.text(&item.source))
        .replace("<dst>", &cids.text(&item.target))
        .replace("<linkname>", &item.name)
}
