//! `config`: reads and sets values of the configuration.

use serde_json::Value as Json;

use super::prelude::*;
use crate::{autoconf, json};

/// `config`.
pub struct Config;

/// A key and its value.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ConfigOut {
    /// The dotted key.
    pub key: String,
    /// Its value.
    pub value: Json,
}

impl Op for Config {
    const SPEC: &'static Spec = &Spec {
        path: "config",
        about: "Read and set values of the configuration.",
        help: "Keys are dotted (Addresses.API). A value is text unless --bool or --json says otherwise. A running daemon\n\
               takes most changes at its next start.",
        examples: &[
            "ipfs config Addresses.Gateway",
            "ipfs config Datastore.StorageMax 50GB",
            "ipfs config --json Bootstrap '[]'",
        ],
        args: &[Arg::text("key", "The dotted key."), Arg::text("value", "Its new value.").optional()],
        options: &[
            Opt::flag(&["bool"], "The value is true or false."),
            Opt::flag(&["json"], "The value is JSON."),
            Opt::flag(&["expand-auto"], "Replace \"auto\" by what it stands for."),
        ],
        ..Spec::ADMIN
    };
    type Item = ConfigOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<ConfigOut> {
        Box::pin(async move {
            let call = request.call;
            let key = call.arg(0)?.to_owned();
            check_key(&key)?;
            if call.args.len() == 2 && call.options.flag("expand-auto") {
                return Err(ApiError::invalid(
                    "--expand-auto can only be used for reading config values, not for setting them",
                ));
            }
            let api = cx.api(&call)?;
            let Some(text) = call.args.get(1) else {
                let mut value = api.config.get(&key).await.map_err(not_readable)?;
                if call.options.flag("expand-auto") {
                    value = autoconf::expand(&api, &key, value).await?;
                }
                let value = super::config_show::sorted(value);
                return Ok(Reply::One(ConfigOut { key, value }));
            };
            let value = if call.options.flag("json") {
                serde_json::from_str(text).map_err(|error| not_json(text, &error))?
            } else if call.options.flag("bool") {
                Json::Bool(text == "true")
            } else {
                Json::String(text.clone())
            };
            let value = api.config.set(&key, value).await.map_err(not_settable)?;
            Ok(Reply::One(ConfigOut { key, value }))
        })
    }

    fn text(item: ConfigOut, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        if call.args.len() == 2 {
            return Ok(());
        }
        show(&item.value, out)
    }
}

/// A value for people: text without quotes, everything else as indented JSON.
pub(crate) fn show(value: &Json, out: &mut Out<'_>) -> TextResult {
    if let Json::String(text) = value {
        return Ok(out.line(text)?);
    }
    let text = String::from_utf8_lossy(&json::pretty(value, "  ")?).into_owned();
    Ok(out.line(text)?)
}

/// In Go's words, which scripts know.
fn not_json(text: &str, error: &serde_json::Error) -> ApiError {
    let at =
        text.lines().nth(error.line().saturating_sub(1)).and_then(|line| line.chars().nth(error.column().max(1) - 1));
    let why = match at {
        Some(character) if !error.is_eof() => format!("invalid character '{character}' looking for beginning of value"),
        _ => "unexpected end of JSON input".to_owned(),
    };
    ApiError::invalid(format!("failed to unmarshal json. {why}")).hint(error.to_string())
}

fn not_settable(mut error: ApiError) -> ApiError {
    if !error.message.starts_with("cannot set ") {
        error.message = format!("failed to set config value: {} (maybe use --json?)", error.message);
    }
    error
}

fn not_readable(mut error: ApiError) -> ApiError {
    const WHAT: &str = "failed to get config value: ";
    if !error.message.starts_with(WHAT) {
        error.message = format!("{WHAT}{:?}", error.message);
    }
    error
}

/// Secrets are neither shown nor set.
fn check_key(key: &str) -> Result<(), ApiError> {
    let lower = key.to_ascii_lowercase();
    if lower == "identity" || lower == "identity.privkey" {
        return Err(ApiError::invalid("cannot show or change private key through API"));
    }
    let words: Vec<&str> = lower.split('.').collect();
    let hides = |pattern: &[&str]| words.iter().zip(pattern).all(|(word, wanted)| *wanted == "*" || word == wanted);
    if hides(&["pinning", "remoteservices", "*", "api", "key"]) {
        return Err(ApiError::invalid("cannot show or change pinning services credentials"));
    }
    Ok(())
}
