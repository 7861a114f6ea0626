//! What stands behind the words of a command line: files of this machine and standard input.

use std::fs;
use std::io::{BufRead, IsTerminal, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use merkury_api::{ApiError, NameFilter};
use merkury_commands::input::{self, Place, WalkOptions};
use merkury_commands::op::Body;
use merkury_commands::options::Options;
use merkury_commands::parse::{StdinFor, sort_inputs};
use merkury_commands::spec::{ArgKind, Spec};

/// Most text arguments from standard input, in bytes.
const STDIN_ARGS_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Directories below each other that are counted for the progress line.
const COUNT_DEPTH_MAX: usize = 256;
/// Largest configuration file.
const CONFIG_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Arguments, sorted, with nothing read yet but names.
pub(super) struct Inputs {
    pub(super) texts: Vec<String>,
    pub(super) files: Vec<Place>,
    /// Names below directories that are left out.
    pub(super) exclude: Option<NameFilter>,
}

/// Why words are no call.
pub(super) enum SortError {
    /// They do not fit; how they should look helps.
    Usage(String),
    /// Standard input has nothing for them.
    Input(String),
}

impl From<String> for SortError {
    fn from(message: String) -> Self {
        Self::Usage(message)
    }
}

/// Sorts the words of a call.
pub(super) fn sort(spec: &Spec, words: Vec<String>, options: &Options) -> Result<Inputs, SortError> {
    let sorted = sort_inputs(spec, words, true)?;
    let mut texts = sorted.texts;
    let stdin_name = || {
        if spec.option("stdin-name").is_some() { options.text("stdin-name").unwrap_or_default() } else { String::new() }
    };
    let mut files = Vec::new();
    for word in sorted.files {
        let place = if word == "-" { Place::Stdin(stdin_name()) } else { place(spec, &word, options)? };
        push_unless_repeated(&mut files, place)?;
    }
    match sorted.from_stdin {
        None => {}
        Some(StdinFor::File) => files.push(Place::Stdin(stdin_name())),
        Some(StdinFor::Texts) => texts.extend(read_texts(spec).map_err(SortError::Input)?),
    }
    if files.iter().any(|file| matches!(file, Place::Stdin(_))) {
        say_that_stdin_is_read();
    }
    files.sort_by(|left, right| name_of(left).cmp(name_of(right)));
    Ok(Inputs { texts, files, exclude: exclude(spec, options)? })
}

/// The rules of `--ignore` and `--ignore-rules-path`.
fn exclude(spec: &Spec, options: &Options) -> Result<Option<NameFilter>, String> {
    if spec.option("ignore").is_none() {
        return Ok(None);
    }
    let file = options.text("ignore-rules-path").filter(|path| !path.is_empty());
    input::name_filter(file.as_deref().map(Path::new), &options.list("ignore")).map_err(|error| error.message)
}

fn name_of(place: &Place) -> &str {
    match place {
        Place::Path { name, .. } | Place::Stdin(name) => name,
    }
}

/// The same path twice counts once; two paths of one name cannot both be in one directory.
fn push_unless_repeated(files: &mut Vec<Place>, place: Place) -> Result<(), String> {
    if let Place::Path { path, name } = &place {
        for other in files.iter() {
            let Place::Path { path: seen, name: taken } = other else { continue };
            if taken != name {
                continue;
            }
            if seen == path {
                return Ok(());
            }
            let directory = |path: &Path| match path.parent() {
                Some(parent) if parent.as_os_str().is_empty() => ".".to_owned(),
                Some(parent) => parent.display().to_string(),
                None => "/".to_owned(),
            };
            return Err(format!(
                "file name {name} repeated under different import directories: {} and {}",
                directory(path),
                directory(seen)
            ));
        }
    }
    files.push(place);
    Ok(())
}

fn place(spec: &Spec, word: &str, options: &Options) -> Result<Place, String> {
    let flag = |name: &str| spec.option(name).is_some() && options.flag(name);
    let mut path = clean(Path::new(word));
    if path == Path::new(".") {
        path = std::env::current_dir().map_err(|error| format!("getwd: {error}"))?;
    }
    if flag("dereference-args") || flag("dereference-symlinks") {
        path = fs::canonicalize(&path).map_err(|error| input::io_error("lstat", &path, &error).message)?;
    }
    let stat = fs::symlink_metadata(&path).map_err(|error| input::io_error("lstat", &path, &error).message)?;
    if stat.is_dir() {
        let file = spec.args.iter().find(|arg| arg.is_file());
        if let Some(arg) = file.filter(|arg| arg.kind == (ArgKind::File { recursive: false })) {
            return Err(format!(
                "invalid path '{}', argument '{}' does not support directories",
                path.display(),
                arg.name
            ));
        }
        if !flag("recursive") {
            return Err(format!("'{}' is a directory, use the '-r' flag to specify directories", path.display()));
        }
    }
    let name = path.file_name().map_or_else(|| "/".to_owned(), |name| name.to_string_lossy().into_owned());
    Ok(Place::Path { path, name })
}

/// A path without `.`, empty names and `x/..`, as Go cleans it.
fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if clean.file_name().is_some() => {
                clean.pop();
            }
            Component::ParentDir if clean.has_root() => {}
            other => clean.push(other),
        }
    }
    if clean.as_os_str().is_empty() { PathBuf::from(".") } else { clean }
}

/// People at a terminal wonder why nothing happens.
fn say_that_stdin_is_read() {
    use std::os::unix::fs::FileTypeExt;
    // A terminal, and with Kubo every device.
    let is_device = fs::metadata("/dev/stdin").is_ok_and(|stat| stat.file_type().is_char_device());
    if is_device || std::io::stdin().is_terminal() {
        use std::io::Write;
        // Only a courtesy.
        let _ = writeln!(std::io::stderr(), "ipfs: Reading from /dev/stdin; send Ctrl-d to stop.");
    }
}

fn read_texts(spec: &Spec) -> Result<Vec<String>, String> {
    say_that_stdin_is_read();
    let variadic = spec.args.last().is_some_and(|arg| arg.variadic);
    let mut texts = Vec::new();
    for line in std::io::stdin().lock().take(STDIN_ARGS_BYTES_MAX).lines() {
        let line = line.map_err(|error| format!("cannot read standard input: {error}"))?;
        if !line.is_empty() {
            texts.push(line);
        }
        if !variadic && !texts.is_empty() {
            break;
        }
    }
    match (texts.is_empty(), spec.args.last()) {
        (true, Some(arg)) if arg.required => Err(format!("argument {:?} is required", arg.name)),
        _ => Ok(texts),
    }
}

impl Inputs {
    /// Content for a call. Plain paths go to a node in process as paths: it reads them faster than any stream.
    pub(super) fn body(
        files: Vec<Place>,
        exclude: Option<NameFilter>,
        options: &Options,
        spec: &Spec,
        in_process: bool,
    ) -> Body {
        if files.is_empty() {
            return Body::None;
        }
        let flag = |name: &str| spec.option(name).is_some() && options.flag(name);
        let walk = WalkOptions {
            hidden: flag("hidden"),
            follow: flag("dereference-symlinks"),
            metadata: flag("preserve-mode") || flag("preserve-mtime"),
            exclude: exclude.clone(),
            sources: flag("nocopy"),
        };
        let paths: Option<Vec<PathBuf>> = files
            .iter()
            .map(|file| match file {
                // What is no plain file or directory is read as a stream.
                Place::Path { path, .. } if !is_pipe(path) => Some(path.clone()),
                Place::Path { .. } | Place::Stdin(_) => None,
            })
            .collect();
        match paths {
            Some(paths) if in_process && spec.path == "add" => Body::Local { paths, exclude },
            _ => Body::Entries(input::read(files, walk)),
        }
    }

    /// Counts the bytes of files while the work begins; the sum is 0 until all are counted.
    pub(super) fn count(files: &[Place]) -> Arc<AtomicU64> {
        let total = Arc::new(AtomicU64::new(0));
        let paths: Vec<PathBuf> = files
            .iter()
            .filter_map(|file| match file {
                Place::Path { path, .. } => Some(path.clone()),
                Place::Stdin(_) => None,
            })
            .collect();
        if paths.len() == files.len() {
            let sum = total.clone();
            std::thread::spawn(move || {
                let bytes = paths.iter().map(|path| size_of(path, 0)).fold(0, u64::saturating_add);
                sum.store(bytes, Ordering::Relaxed);
            });
        }
        total
    }

    /// The bytes of the only file, for `init`.
    pub(super) fn config(self) -> Result<Option<Vec<u8>>, ApiError> {
        let mut bytes = Vec::new();
        let read = match self.files.into_iter().next() {
            // As Kubo: a configuration on standard input, but never wait for a person to type one.
            None | Some(Place::Stdin(_)) if std::io::stdin().is_terminal() => return Ok(None),
            None => return Ok(None),
            Some(Place::Stdin(_)) => std::io::stdin().take(CONFIG_BYTES_MAX).read_to_end(&mut bytes),
            Some(Place::Path { path, .. }) => {
                let file = fs::File::open(&path).map_err(|error| input::io_error("open", &path, &error))?;
                file.take(CONFIG_BYTES_MAX).read_to_end(&mut bytes)
            }
        };
        read.map_err(|error| ApiError::invalid(format!("cannot read the configuration: {error}")))?;
        Ok(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }
}

fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    fs::metadata(path).is_ok_and(|stat| stat.file_type().is_fifo() || stat.file_type().is_char_device())
}

/// Bytes of a file, or of all files below a directory; what cannot be read counts nothing.
fn size_of(path: &Path, depth: usize) -> u64 {
    let Ok(stat) = fs::symlink_metadata(path) else { return 0 };
    if !stat.is_dir() {
        return if stat.is_file() { stat.len() } else { 0 };
    }
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    if depth >= COUNT_DEPTH_MAX {
        return 0;
    }
    entries.flatten().map(|entry| size_of(&entry.path(), depth + 1)).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_go_does() {
        for (path, wanted) in [
            ("a/./b", "a/b"),
            ("a/../b", "b"),
            ("./a/", "a"),
            ("../a", "../a"),
            ("/../a", "/a"),
            ("a/..", "."),
            ("", "."),
        ] {
            assert_eq!(clean(Path::new(path)), PathBuf::from(wanted), "{path}");
        }
    }
}
