//! `version`: what this program is.

use crate::op::{Call, Cx, Op, Reply, Request, Running, TextResult};
use crate::spec::{Opt, Place, Spec};
use crate::text::Out;
use crate::version::VersionInfo;

/// `version`.
pub struct Version;

impl Op for Version {
    const SPEC: &'static Spec = &Spec {
        path: "version",
        about: "Print the version.",
        examples: &["ipfs version --all"],
        help: "The number is that of the Kubo release whose behaviour this program keeps; --all and JSON name this\n\
               program too.",
        options: &[
            Opt::flag(&["number", "n"], "Print the number alone."),
            Opt::flag(&["commit"], "Print the commit too."),
            Opt::flag(&["repo"], "Print the version of the repository."),
            Opt::flag(&["all"], "Print everything."),
        ],
        place: Place::Anywhere,
        ..Spec::READ
    };
    type Item = VersionInfo;
    type Text = ();

    fn run(_: Cx, _: Request) -> Running<VersionInfo> {
        Box::pin(async { Ok(Reply::One(VersionInfo::current())) })
    }

    fn text(item: VersionInfo, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        let options = &call.options;
        let commit =
            if options.flag("commit") && !item.commit.is_empty() { format!("-{}", item.commit) } else { String::new() };
        if options.flag("all") {
            out.put(item.block())?;
        } else if options.flag("repo") {
            out.line(&item.repo)?;
        } else if options.flag("number") {
            out.line(format_args!("{}{commit}", item.version))?;
        } else {
            out.line(format_args!("ipfs version {}{commit}", item.version))?;
        }
        Ok(())
    }
}
