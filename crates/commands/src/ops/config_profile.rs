//! `config profile apply`: named sets of values.

use serde_json::Value as Json;

use super::prelude::*;
use crate::json;

/// `config profile apply`.
pub struct ConfigProfileApply;

/// The configuration before and after, without secrets.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ConfigChangeOut {
    /// As it was.
    pub old_cfg: Json,
    /// As it is, or would be with `--dry-run`.
    pub new_cfg: Json,
}

impl Op for ConfigProfileApply {
    const SPEC: &'static Spec = &Spec {
        path: "config/profile/apply",
        about: "Apply a profile to the configuration.",
        help: "Prints what changes: '<>' before a value that goes and '**' before the one that comes, '<<' before\n\
               what is added, '>>' before what is removed. The file as it was stays beside it as config-pre-….\n\
               A running daemon takes the change at its next start.",
        examples: &["ipfs config profile apply server --dry-run"],
        args: &[Arg::text("profile", "Name of the profile.")],
        options: &[Opt::flag(&["dry-run"], "Print what would change, and change nothing.")],
        tier: Tier::Common,
        ..Spec::ADMIN
    };
    type Item = ConfigChangeOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<ConfigChangeOut> {
        Box::pin(async move {
            let call = request.call;
            let dry_run = call.options.flag("dry-run");
            let change = cx.api(&call)?.config.apply_profile(call.arg(0)?, dry_run).await?;
            let sorted = super::config_show::sorted;
            Ok(Reply::One(ConfigChangeOut { old_cfg: sorted(change.old), new_cfg: sorted(change.new) }))
        })
    }

    fn text(item: ConfigChangeOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        let mut text = String::new();
        items(&item.old_cfg, &item.new_cfg, "", &mut text)?;
        Ok(out.put(text)?)
    }
}

/// How two values differ.
enum Difference<'a> {
    Equal(&'a Json),
    Changed(&'a Json, &'a Json),
    Inside(&'a Json, &'a Json),
    Added(&'a Json),
    Removed(&'a Json),
}

fn difference<'a>(old: Option<&'a Json>, new: Option<&'a Json>) -> Difference<'a> {
    match (old, new) {
        (Some(old), Some(new)) if old == new => Difference::Equal(old),
        (Some(old @ Json::Object(_)), Some(new @ Json::Object(_)))
        | (Some(old @ Json::Array(_)), Some(new @ Json::Array(_))) => Difference::Inside(old, new),
        (Some(old), Some(new)) => Difference::Changed(old, new),
        (Some(old), None) => Difference::Removed(old),
        (None, Some(new)) => Difference::Added(new),
        (None, None) => Difference::Equal(&Json::Null),
    }
}

/// The members of two objects, or of two lists, by key.
fn pairs<'a>(old: &'a Json, new: &'a Json) -> Vec<(String, Difference<'a>)> {
    if let (Json::Array(old), Json::Array(new)) = (old, new) {
        let longest = old.len().max(new.len());
        return (0..longest).map(|at| (String::new(), difference(old.get(at), new.get(at)))).collect();
    }
    let keys = |value: &'a Json| value.as_object().into_iter().flat_map(|map| map.keys());
    let all: std::collections::BTreeSet<&String> = keys(old).chain(keys(new)).collect();
    all.into_iter().map(|key| (key.clone(), difference(old.get(key), new.get(key)))).collect()
}

fn items(old: &Json, new: &Json, indent: &str, text: &mut String) -> Result<(), ApiError> {
    text.push('{');
    let pairs = pairs(old, new);
    let last = pairs.len().saturating_sub(1);
    for (at, (key, difference)) in pairs.iter().enumerate() {
        let comma = if at < last { "," } else { "" };
        let mut line = |mark: &str, value: &Json| -> Result<(), ApiError> {
            let bytes = json::line(value)?;
            let value = String::from_utf8_lossy(&bytes);
            text.push_str(&format!("\n{indent}{mark}{key:?}: {}{comma}", value.trim_end()));
            Ok(())
        };
        match difference {
            Difference::Equal(value) => line("", value)?,
            Difference::Changed(old, new) => {
                line("<> ", old)?;
                line("** ", new)?;
            }
            Difference::Added(value) => line("<< ", value)?,
            Difference::Removed(value) => line(">> ", value)?,
            Difference::Inside(old, new) => {
                text.push_str(&format!("\n{indent}{key:?}: "));
                items(old, new, &format!("{indent}    "), text)?;
                text.push_str(comma);
            }
        }
    }
    text.push_str(&format!("\n{indent}}}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_are_marked() {
        let old = json!({"A": 1, "B": {"C": [1, 2], "D": null}, "E": "gone"});
        let new = json!({"A": 2, "B": {"C": [1], "D": null}, "F": "new"});
        let mut text = String::new();
        items(&old, &new, "", &mut text).expect("JSON");
        let wanted = "{\n<> \"A\": 1,\n** \"A\": 2,\n\"B\": {\n    \"C\": {\n        \"\": 1,\n        >> \"\": 2\n        \
                      },\n    \"D\": null\n    },\n>> \"E\": \"gone\",\n<< \"F\": \"new\"\n}";
        assert_eq!(text, wanted);
    }
}
