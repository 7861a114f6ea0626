//! Paths of the mutable file system, read as Kubo reads them.

use super::MfsError;

/// An absolute path: names without `.` and `..`, and whether it ended with a slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MfsPath {
    names: Vec<String>,
    has_slash: bool,
}

impl MfsPath {
    /// Reads a path. `.` and `..` are resolved in the text; `..` at the root stays there.
    pub fn parse(text: &str) -> Result<Self, MfsError> {
        if text.is_empty() {
            return Err(MfsError::Path("paths must not be empty"));
        }
        if !text.starts_with('/') {
            return Err(MfsError::Path("paths must start with a leading slash"));
        }
        if text.len() > merkury_core::limits::PATH_BYTES_MAX {
            return Err(MfsError::Path("paths must not be longer than 64 KiB"));
        }
        let mut names: Vec<String> = Vec::new();
        for name in text.split('/') {
            match name {
                "" | "." => {}
                ".." => drop(names.pop()),
                name => names.push(name.to_owned()),
            }
        }
        Ok(Self { names, has_slash: text.len() > 1 && text.ends_with('/') })
    }

    /// The names from the root.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether it ended with a slash: the target of a copy or move is a directory then.
    pub fn has_slash(&self) -> bool {
        self.has_slash
    }

    /// Whether it is `/`.
    pub fn is_root(&self) -> bool {
        self.names.is_empty()
    }

    /// As it is shown in Kubo's errors: with the slash it ended with.
    pub(super) fn shown(&self) -> String {
        if self.has_slash && !self.is_root() { format!("{self}/") } else { self.to_string() }
    }

    /// The parent's names and the last name.
    pub(super) fn split(&self) -> Option<(&[String], &str)> {
        let (last, parent) = self.names.split_last()?;
        Some((parent, last))
    }

    /// The path with one more name, without a slash at its end.
    pub(super) fn join(&self, name: &str) -> Self {
        let mut names = self.names.clone();
        names.push(name.to_owned());
        Self { names, has_slash: false }
    }
}

impl std::fmt::Display for MfsPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.names.is_empty() {
            return f.write_str("/");
        }
        self.names.iter().try_for_each(|name| write!(f, "/{name}"))
    }
}
