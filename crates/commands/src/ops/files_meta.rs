//! `files chmod`, `touch`, `chcid`: what a node says about itself, and how it is named.

use merkury_api::MfsChange;

use super::common::{CID_VERSION, FLUSH, HASH, mfs_node_options, mfs_path, permissions_of_go_mode};
use super::prelude::*;
use crate::stamp::Stamp;

/// `files chmod`.
pub struct FilesChmod;
/// `files touch`.
pub struct FilesTouch;
/// `files chcid`.
pub struct FilesChcid;

/// The change that `files chmod` asks for.
pub(crate) fn chmod(call: &Call) -> Result<MfsChange, ApiError> {
    let path = mfs_path(call.arg(1)?)?;
    let mode = parse_mode(call.arg(0)?)?;
    Ok(MfsChange::SetMode { path, mode: permissions_of_go_mode(mode) })
}

/// Octal digits of a 32-bit number with a sign, in Go's words when they are not.
fn parse_mode(text: &str) -> Result<u32, ApiError> {
    let failed = |why: &str| ApiError::invalid(format!("strconv.ParseInt: parsing {text:?}: {why}"));
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|digit| (b'0'..=b'7').contains(&digit)) {
        return Err(failed("invalid syntax").hint("a mode is three or four octal digits, such as 0644"));
    }
    let mode = i64::from_str_radix(text, 8).ok().and_then(|mode| i32::try_from(mode).ok());
    // A negative number is the bits it has.
    mode.map(i32::cast_unsigned).ok_or_else(|| failed("value out of range"))
}

/// The change that `files touch` asks for.
pub(crate) fn touch(call: &Call) -> Result<MfsChange, ApiError> {
    let path = mfs_path(call.arg(0)?)?;
    let seconds = call.options.int("mtime").unwrap_or(0);
    let nanoseconds = call.options.int("mtime-nsecs").unwrap_or(0);
    let stamp = if seconds == 0 {
        Stamp::of(std::time::SystemTime::now())
    } else {
        const SECOND: i64 = 1_000_000_000;
        Stamp {
            seconds: seconds.saturating_add(nanoseconds.div_euclid(SECOND)),
            nanoseconds: u32::try_from(nanoseconds.rem_euclid(SECOND)).unwrap_or(0),
        }
    };
    Ok(MfsChange::Touch { path, mtime: (stamp.seconds, stamp.nanoseconds) })
}

/// The change that `files chcid` asks for.
pub(crate) fn chcid(call: &Call) -> Result<MfsChange, ApiError> {
    let path = call.arg(0)?.to_owned();
    if path == "/" {
        return Err(ApiError::invalid(
            "cannot change CID format of the MFS root; use 'ipfs config Import.CidVersion' and 'ipfs config \
             Import.HashFunction' instead",
        ));
    }
    let path = if path.starts_with('/') { path } else { format!("/{path}") };
    Ok(MfsChange::ChangeCid { path, node: mfs_node_options(call)? })
}

impl Op for FilesChmod {
    const SPEC: &'static Spec = &Spec {
        path: "files/chmod",
        about: "Set the permissions of a path.",
        help: "They are stored with the file or directory and become part of its CID. Mode 0 takes them away.",
        examples: &["ipfs files chmod 0644 /notes/today"],
        args: &[Arg::text("mode", "Octal digits, such as 0644."), Arg::text("path", "Of what.")],
        options: &[FLUSH],
        tier: Tier::Niche,
        ..Spec::ADMIN
    };
    type Item = NoItem;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<NoItem> {
        Box::pin(async move {
            let change = chmod(&request.call)?;
            cx.api(&request.call)?.mfs.change(change, true).await?;
            Ok(Reply::Empty)
        })
    }

    fn text(item: NoItem, _: &Call, (): &mut (), _: &mut Out<'_>) -> TextResult {
        match item {}
    }
}

impl Op for FilesTouch {
    const SPEC: &'static Spec = &Spec {
        path: "files/touch",
        about: "Set the modification time of a path.",
        help: "It is stored with the file or directory and becomes part of its CID. Without --mtime it is now.",
        examples: &["ipfs files touch --mtime=1630937926 /notes/today"],
        args: &[Arg::text("path", "Of what.")],
        options: &[
            Opt::int64(&["mtime"], "Seconds since the start of 1970; negative ones lie before."),
            Opt::uint(&["mtime-nsecs"], "Nanoseconds beside --mtime."),
            FLUSH,
        ],
        tier: Tier::Niche,
        ..Spec::ADMIN
    };
    type Item = NoItem;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<NoItem> {
        Box::pin(async move {
            let change = touch(&request.call)?;
            cx.api(&request.call)?.mfs.change(change, true).await?;
            Ok(Reply::Empty)
        })
    }

    fn text(item: NoItem, _: &Call, (): &mut (), _: &mut Out<'_>) -> TextResult {
        match item {}
    }
}

impl Op for FilesChcid {
    const SPEC: &'static Spec = &Spec {
        path: "files/chcid",
        about: "Name a directory by another CID version or hash function.",
        help: "Works on the directory alone, not on what is in it. For / set Import.CidVersion and Import.HashFunction.",
        examples: &["ipfs files chcid --cid-version=1 /photos"],
        args: &[Arg::text("path", "The directory; not /.")],
        options: &[CID_VERSION, HASH, FLUSH],
        tier: Tier::Niche,
        ..Spec::ADMIN
    };
    type Item = NoItem;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<NoItem> {
        Box::pin(async move {
            let change = chcid(&request.call)?;
            cx.api(&request.call)?.mfs.change(change, request.call.options.flag("flush")).await?;
            Ok(Reply::Empty)
        })
    }

    fn text(item: NoItem, _: &Call, (): &mut (), _: &mut Out<'_>) -> TextResult {
        match item {}
    }
}

#[cfg(test)]
mod tests {
    use super::parse_mode;

    #[test]
    fn modes_are_octal_and_fail_in_gos_words() {
        assert_eq!(parse_mode("0644").ok(), Some(0o644));
        assert_eq!(parse_mode("-1").ok(), Some(u32::MAX));
        for (text, why) in [
            ("", "parsing \"\": invalid syntax"),
            ("u+x", "parsing \"u+x\": invalid syntax"),
            ("888", "parsing \"888\": invalid syntax"),
            ("77777777777", "parsing \"77777777777\": value out of range"),
        ] {
            let error = parse_mode(text).expect_err(text);
            assert_eq!(error.message, format!("strconv.ParseInt: {why}"));
        }
    }
}
