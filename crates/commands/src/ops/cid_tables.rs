//! `cid bases`, `cid codecs`, `cid hashes`, `multibase list`: what CIDs can be made of.

use merkury_core::bases;
use merkury_core::codec::name::{CODECS, SUPPORTED};
use merkury_core::hash::name::hashes;

use super::prelude::*;

/// `cid bases`.
pub struct CidBases;
/// `multibase list`.
pub struct MultibaseList;
/// `cid codecs`.
pub struct CidCodecs;
/// `cid hashes`.
pub struct CidHashes;

/// A number and its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CodeAndName {
    /// Its number; of bases the prefix.
    pub code: u64,
    /// Its name.
    pub name: String,
}

const BASE_OPTIONS: &[Opt] = &[
    Opt::flag(&["prefix"], "Print the prefixes too."),
    Opt::flag(&["numeric"], "Print the numbers of the prefixes too."),
];
const TABLE_OPTIONS: &[Opt] = &[
    Opt::flag(&["numeric", "n"], "Print the numbers too."),
    Opt::flag(&["supported", "s"], "Only what this program works with."),
];

impl Op for CidBases {
    const SPEC: &'static Spec = &Spec {
        path: "cid/bases",
        about: "List the multibases.",
        help: "These are the bases that CIDs are read and written in.",
        examples: &["ipfs cid bases --prefix"],
        options: BASE_OPTIONS,
        tier: Tier::Common,
        place: Place::Anywhere,
        ..Spec::READ
    };
    type Item = Vec<CodeAndName>;
    type Text = ();

    fn run(_: Cx, _: Request) -> Running<Self::Item> {
        Box::pin(async { Ok(Reply::One(base_table())) })
    }

    fn text(item: Self::Item, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        show_bases(item, call, out)
    }
}

impl Op for MultibaseList {
    const SPEC: &'static Spec = &Spec {
        path: "multibase/list",
        examples: &["ipfs multibase list --prefix"],
        tier: Tier::Niche,
        ..*CidBases::SPEC
    };
    type Item = Vec<CodeAndName>;
    type Text = ();

    fn run(_: Cx, _: Request) -> Running<Self::Item> {
        Box::pin(async { Ok(Reply::One(base_table())) })
    }

    fn text(item: Self::Item, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        show_bases(item, call, out)
    }
}

impl Op for CidCodecs {
    const SPEC: &'static Spec = &Spec {
        path: "cid/codecs",
        about: "List the codecs of CIDs.",
        help: "With --supported only those whose blocks can be read here.",
        examples: &["ipfs cid codecs --numeric"],
        options: TABLE_OPTIONS,
        tier: Tier::Common,
        place: Place::Anywhere,
        ..Spec::READ
    };
    type Item = Vec<CodeAndName>;
    type Text = ();

    fn run(_: Cx, request: Request) -> Running<Self::Item> {
        let supported = request.call.options.flag("supported");
        let table = CODECS.iter().filter(|(code, _)| !supported || SUPPORTED.contains(code));
        let table = table.map(|&(code, name)| CodeAndName { code, name: name.into() }).collect();
        Box::pin(async { Ok(Reply::One(table)) })
    }

    fn text(item: Self::Item, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        show_table(item, call, out)
    }
}

impl Op for CidHashes {
    const SPEC: &'static Spec = &Spec {
        path: "cid/hashes",
        about: "List the hash functions of CIDs.",
        help: "Only those that may name blocks here: others are not safe enough.",
        examples: &["ipfs cid hashes --numeric"],
        options: TABLE_OPTIONS,
        tier: Tier::Common,
        place: Place::Anywhere,
        ..Spec::READ
    };
    type Item = Vec<CodeAndName>;
    type Text = ();

    fn run(_: Cx, _: Request) -> Running<Self::Item> {
        let table = hashes().map(|(code, name)| CodeAndName { code, name: name.into_owned() }).collect();
        Box::pin(async { Ok(Reply::One(table)) })
    }

    fn text(item: Self::Item, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        show_table(item, call, out)
    }
}

/// Kubo's bases; the few that only we know stay unlisted, because scripts compare this list.
fn base_table() -> Vec<CodeAndName> {
    bases::BASES
        .iter()
        .map(|&(name, base)| CodeAndName { code: u32::from(base.code()).into(), name: name.into() })
        .collect()
}

/// By letter without regard to case, small letters first.
fn show_bases(mut table: Vec<CodeAndName>, call: &Call, out: &mut Out<'_>) -> TextResult {
    let letter = |entry: &CodeAndName| u32::try_from(entry.code).ok().and_then(char::from_u32).unwrap_or('\0');
    table.sort_by_key(|entry| (letter(entry).to_ascii_lowercase(), std::cmp::Reverse(entry.code)));
    for entry in &table {
        let shown = if letter(entry).is_control() { ' ' } else { letter(entry) };
        let CodeAndName { code, name } = entry;
        match (call.options.flag("prefix"), call.options.flag("numeric")) {
            (true, true) => out.line(format_args!("{shown} {code:>7}  {name}"))?,
            (true, false) => out.line(format_args!("{shown}  {name}"))?,
            (false, true) => out.line(format_args!("{code:>7}  {name}"))?,
            (false, false) => out.line(name)?,
        }
    }
    Ok(())
}

fn show_table(mut table: Vec<CodeAndName>, call: &Call, out: &mut Out<'_>) -> TextResult {
    table.sort_by_key(|entry| entry.code);
    let numeric = call.options.flag("numeric");
    Ok(table.iter().try_for_each(
        |CodeAndName { code, name }| {
            if numeric { out.line(format_args!("{code:>5}  {name}")) } else { out.line(name) }
        },
    )?)
}
