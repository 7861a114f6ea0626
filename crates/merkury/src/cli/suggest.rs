//! What somebody may have meant: looked up after a command failed, in what this node knows. Courtesies: whatever goes wrong
//! here, the first error stands.

use std::path::Path;
use std::time::Duration;

use merkury_api::ApiError;
use merkury_commands::options::Options;
use merkury_commands::value::Value;
use merkury_commands::{codes, near};

use super::{Failure, Session, execute};

/// How long a look-up may take.
const WAIT: Duration = Duration::from_secs(2);

/// Adds what was probably meant to a failure.
pub(super) fn enrich(session: &Session<'_>, failure: &mut Failure, repo: &Path, options: &Options, words: &[String]) {
    let Some(error) = failure.error_mut() else { return };
    match codes::code_of(error).id {
        "E008" => cids(session, error, repo, options, words),
        "E014" => keys(session, error, repo, options, words),
        "E015" => names(session, error, repo, options),
        _ => {}
    }
}

/// The texts under a key of the items that a command answers.
fn texts(session: &Session<'_>, repo: &Path, options: &Options, path: &str, args: &[&str], key: &str) -> Vec<String> {
    let items = execute::ask(session, repo, options, path, args, &[("stream", Value::Bool(true))], WAIT);
    let mut found = Vec::new();
    items.iter().for_each(|item| collect(item, key, &mut found));
    found
}

fn collect(value: &serde_json::Value, key: &str, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map) => map.iter().for_each(|(name, value)| match value.as_str() {
            Some(text) if name == key => found.push(text.to_owned()),
            _ => collect(value, key, found),
        }),
        serde_json::Value::Array(list) => list.iter().for_each(|value| collect(value, key, found)),
        _ => {}
    }
}

/// A text that should be a CID: what is wrong with it, and pins that look like it.
fn cids(session: &Session<'_>, error: &mut ApiError, repo: &Path, options: &Options, words: &[String]) {
    for word in words {
        let Some(complaint) = near::cid_complaint(word) else { continue };
        let text = word.trim_start_matches("/ipfs/").trim_start_matches("ipfs://");
        let cid = text.split('/').next().unwrap_or_default();
        let pins = texts(session, repo, options, "pin/ls", &[], "Cid");
        let meant = near::meant(cid, pins.iter().map(String::as_str));
        error.hints = meant.iter().map(|cid| format!("a pin of this node looks like that: {cid}")).collect();
        if meant.is_empty() {
            error.hints.push("merkury pin ls --names lists what this node keeps".into());
        }
        error.message = format!("invalid cid: {complaint}");
        return;
    }
    let keys = texts(session, repo, options, "key/list", &[], "Id");
    for word in words {
        let meant = near::meant(word.trim_start_matches("/ipns/"), keys.iter().map(String::as_str));
        error.hints.extend(meant.iter().map(|id| format!("a key of this node looks like that: {id}")));
    }
}

fn keys(session: &Session<'_>, error: &mut ApiError, repo: &Path, options: &Options, words: &[String]) {
    let names = texts(session, repo, options, "key/list", &[], "Name");
    let given = options.text_of("key");
    for word in words.iter().chain(given.iter()) {
        let near = near::nearest(word, names.iter().map(String::as_str));
        error.hints.splice(0..0, near.iter().map(|name| format!("a key is named {name:?}")));
    }
}

/// `no link named "x" under CID`: names of that directory which are near.
fn names(session: &Session<'_>, error: &mut ApiError, repo: &Path, options: &Options) {
    let Some((_, rest)) = error.message.split_once("no link named \"") else { return };
    let Some((name, cid)) = rest.split_once("\" under ") else { return };
    let cid = cid.split_whitespace().next().unwrap_or_default();
    let names = texts(session, repo, options, "ls", &[cid], "Name");
    let near = near::nearest(name, names.iter().map(String::as_str));
    let near: Vec<String> = near.iter().map(|name| format!("a name there that is near: {name:?}")).collect();
    error.hints.splice(0..0, near);
}
