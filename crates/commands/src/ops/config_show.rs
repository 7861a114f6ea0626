//! `config show`: the configuration without its secrets.

use serde_json::Value as Json;

use super::prelude::*;

/// `config show`.
pub struct ConfigShow;

impl Op for ConfigShow {
    const SPEC: &'static Spec = &Spec {
        path: "config/show",
        about: "Print the configuration.",
        examples: &["ipfs config show > config.json"],
        help: "Private key and credentials are left out.",
        ..Spec::ADMIN
    };
    type Item = Json;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<Json> {
        Box::pin(async move {
            request.call.options.refuse(&["config-file"])?;
            Ok(Reply::One(sorted(cx.api(&request.call)?.config.show().await?)))
        })
    }

    fn text(item: Json, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        super::config::show(&item, out)
    }
}

/// Go writes maps sorted by key.
pub(crate) fn sorted(value: Json) -> Json {
    match value {
        Json::Object(map) => {
            let mut pairs: Vec<(String, Json)> = map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            pairs.sort_by(|left, right| left.0.cmp(&right.0));
            Json::Object(pairs.into_iter().collect())
        }
        Json::Array(values) => Json::Array(values.into_iter().map(sorted).collect()),
        other => other,
    }
}
