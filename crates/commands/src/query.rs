//! Calls as the query string of the RPC carries them: `arg` repeated, options by any of their names, unknown keys
//! ignored. Limits come first: a query is at most [`QUERY_BYTES_MAX`].

use std::collections::BTreeMap;

use crate::options::Options;
use crate::spec::{Kind, Opt, Spec};
use crate::value::Value;

/// Longest query string: room for a thousand CIDs; longer lists travel in the body.
pub const QUERY_BYTES_MAX: usize = 64 * 1024;
/// Most `key=value` pairs in a query.
const PAIRS_MAX: usize = 4096;

/// A query string, taken apart.
#[derive(Debug)]
pub struct Query {
    /// Text arguments, in order.
    pub args: Vec<String>,
    /// Options.
    pub options: Options,
}

/// Takes a query string apart. The error is for a 400 answer in plain text.
pub fn parse(spec: &'static Spec, known: &[&'static Opt], query: &str) -> Result<Query, String> {
    if query.len() > QUERY_BYTES_MAX {
        return Err(format!("query string over {QUERY_BYTES_MAX} bytes; send arguments in the body"));
    }
    let mut args = Vec::new();
    let mut given: BTreeMap<&'static str, Value> = BTreeMap::new();
    for (index, pair) in query.split('&').filter(|pair| !pair.is_empty()).enumerate() {
        if index >= PAIRS_MAX {
            return Err(format!("more than {PAIRS_MAX} parameters"));
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name)?, decode(value)?);
        if name == "arg" {
            args.push(value);
            continue;
        }
        let Some(option) = known.iter().find(|option| option.names.contains(&name.as_str())) else { continue };
        let parsed = Value::parse(option.kind, &value).map_err(|_| {
            format!("could not convert value {value:?} to type {:?} (for option \"-{name}\")", option.kind.name())
        })?;
        match (given.get_mut(option.name()), parsed) {
            (Some(Value::List(have)), Value::List(more)) => have.extend(more),
            (Some(_), _) if option.kind != Kind::List => {
                return Err(format!("expected key {} to have only a single value", option.name()));
            }
            (_, parsed) => {
                given.insert(option.name(), parsed);
            }
        }
    }
    Ok(Query { args, options: Options::from_given(spec, given) })
}

/// Decodes a form value: `+` is a space, `%xx` a byte; the whole must be UTF-8.
pub fn decode(text: &str) -> Result<String, String> {
    let spaced = text.replace('+', " ");
    match percent_encoding::percent_decode_str(&spaced).decode_utf8() {
        Ok(decoded) => Ok(decoded.into_owned()),
        Err(_) => Err(format!("invalid URL escape in {text:?}: not UTF-8")),
    }
}

/// Decodes a segment of a path: `%xx` is a byte, and the whole must be UTF-8.
pub(crate) fn decode_path(text: &str) -> Result<String, String> {
    decode(&text.replace('+', "%2B"))
}

/// What a form value may hold as it is.
const PLAIN: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Encodes a form value.
pub fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, PLAIN).to_string()
}

/// The query string of a call. Options that only matter on this side are left out.
pub fn write(args: &[String], options: &Options) -> String {
    const LOCAL: &[&str] = &[
        "api",
        "api-auth",
        "repo-dir",
        "config-file",
        "config",
        "debug",
        "help",
        "h",
        // The client always asks for JSON, streamed.
        "encoding",
        "stream-channels",
    ];
    let mut pairs: Vec<String> = args.iter().map(|arg| format!("arg={}", encode(arg))).collect();
    for (name, value) in options.given().iter().filter(|(name, _)| !LOCAL.contains(name)) {
        pairs.extend(value.to_query().into_iter().map(|text| format!("{}={}", encode(name), encode(&text))));
    }
    pairs.join("&")
}

/// Checks that required text arguments are there; more than declared are ignored, as Kubo does.
pub fn check_args(spec: &Spec, args: &[String]) -> Result<(), String> {
    let texts: Vec<_> = spec.args.iter().filter(|arg| !arg.is_file()).collect();
    let required = texts.iter().filter(|arg| arg.required).count();
    if args.len() < required {
        let missing = texts.iter().filter(|arg| arg.required).nth(args.len()).map_or("", |arg| arg.name);
        return Err(format!("argument {missing:?} is required"));
    }
    Ok(())
}
