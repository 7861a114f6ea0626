//! `version deps`: what this program is built of.

use super::prelude::*;
use crate::version::MERKURY_VERSION;

/// `version deps`.
pub struct VersionDeps;

/// The lock file of the workspace: exactly what the compiler was given.
const LOCK: &str = include_str!("../../../../Cargo.lock");

/// A package, in Kubo's shape.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DependencyOut {
    /// Its name.
    pub path: String,
    /// Its version.
    pub version: String,
    /// Another package in its place; none here.
    pub replaced_by: String,
    /// Checksum of its source, in hexadecimal.
    pub sum: String,
}

impl Op for VersionDeps {
    const SPEC: &'static Spec = &Spec {
        path: "version/deps",
        about: "List the packages this program is built of.",
        help: "The first line is the program; each other one a Rust package with its version.",
        examples: &["ipfs version deps"],
        tier: Tier::Niche,
        place: Place::Anywhere,
        ..Spec::READ
    };
    type Item = DependencyOut;
    type Text = ();

    fn run(_: Cx, _: Request) -> Running<DependencyOut> {
        Box::pin(async { Ok(Reply::Stream(stream::iter(packages(LOCK).into_iter().map(Ok)).boxed())) })
    }

    fn text(item: DependencyOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        Ok(out.line(format_args!("{}@v{}", item.path, item.version))?)
    }
}

/// The program, then every package that has a source outside this workspace, in the order of the file.
fn packages(lock: &str) -> Vec<DependencyOut> {
    let own = DependencyOut {
        path: "merkury".into(),
        version: MERKURY_VERSION.into(),
        replaced_by: String::new(),
        sum: String::new(),
    };
    let foreign = lock.split("[[package]]").skip(1).filter_map(|block| {
        let field = |name: &str| {
            let line = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
            line.map(|value| value.trim_matches('"').to_owned())
        };
        field("source")?;
        Some(DependencyOut {
            path: field("name")?,
            version: field("version")?,
            replaced_by: String::new(),
            sum: field("checksum").unwrap_or_default(),
        })
    });
    std::iter::once(own).chain(foreign).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_file_is_understood() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.2\"\nsource = \"registry\"\nchecksum = \
                    \"00ff\"\n\n[[package]]\nname = \"merkury-core\"\nversion = \"0.1.0\"\n";
        let listed = packages(lock);
        assert_eq!(listed.len(), 2);
        assert_eq!((listed[1].path.as_str(), listed[1].version.as_str(), listed[1].sum.as_str()), ("a", "1.2", "00ff"));
        assert!(packages(LOCK).iter().any(|package| package.path == "serde_json"));
    }
}
