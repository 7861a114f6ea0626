//! Command lines whose standard output, standard error and exit code have to be equal.
//!
//! They run against the two daemons, on content that both get first, and some without a daemon. `$NAME` stands for what
//! an earlier line of that name printed, `$DIR` for a directory of files.

use crate::Res;
use crate::paths::{self, Scratch};
use crate::peer::node::Daemon;
use crate::say::Tally;
use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;

/// `name | standard input | words`; name and input may be empty.
const LINES: &str = include_str!("lines.txt");

pub(super) fn run(kubo: &Daemon, merkury: &Daemon, scratch: &Scratch, tally: &mut Tally) -> Res<()> {
    let dir = scratch.join("files");
    write_files(&dir)?;
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    known.insert("DIR".into(), dir.display().to_string());
    for line in LINES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut fields = line.splitn(3, '|').map(str::trim);
        let (name, stdin, words) =
            (fields.next().unwrap_or(""), fields.next().unwrap_or(""), fields.next().unwrap_or(""));
        let args: Vec<String> =
            words.split(' ').filter(|word| !word.is_empty()).map(|word| fill(word, &known)).collect();
        let stdin = fill(stdin, &known).replace("\\n", "\n");
        let want = said(kubo, &args, &stdin)?;
        let got = said(merkury, &args, &stdin)?;
        if !name.is_empty() {
            known.insert(name.to_owned(), want.1.trim_end().to_owned());
        }
        let outcome = if want == got { Ok(()) } else { Err(format!("Kubo {want:?}, we {got:?}")) };
        tally.check(words, outcome);
    }
    Ok(())
}

type Said = (Option<i32>, String, String);

fn said(daemon: &Daemon, args: &[String], stdin: &str) -> Res<Said> {
    let scratch = Scratch::new("line")?;
    let done = daemon.cli(args).dir(scratch.path()).stdin(stdin).finish()?;
    let text = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).replace(&daemon.repo.path.display().to_string(), "$REPO");
        // Help texts are our own: only that help is shown counts.
        match text.split_once("USAGE") {
            Some((before, _)) => format!("{}USAGE", before.split("\n\n").next().unwrap_or_default()),
            None => text,
        }
    };
    Ok((done.status.code(), text(&done.stdout), text(&done.stderr)))
}

fn fill(word: &str, known: &BTreeMap<String, String>) -> String {
    // The longest names first: $dir must not take the beginning of $dirs.
    let mut names: Vec<_> = known.iter().collect();
    names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    names.into_iter().fold(word.replace("\\s", " "), |word, (name, value)| word.replace(&format!("${name}"), value))
}

fn write_files(dir: &Path) -> Res<()> {
    for (name, content) in [
        ("tree/a.txt", "a\n"),
        ("tree/b/c.txt", "ccc\n"),
        ("tree/b/.hidden", "h\n"),
        ("tree/keep.log", "k\n"),
        ("tree/drop.log", "d\n"),
        ("tree/tab\tname", "t\n"),
        ("other/a.txt", "changed\n"),
        ("other/new", "n\n"),
        ("rules", "*.log\n!keep.log\n# comment\n"),
        ("one", "one file\n"),
    ] {
        let path = dir.join(name);
        paths::make_dir(path.parent().unwrap_or(dir))?;
        paths::write(&path, content)?;
    }
    paths::make_dir(&dir.join("tree/empty"))?;
    paths::write(&dir.join("big"), vec![7; 700_000])?;
    for (target, name) in [("../one", "tree/link"), ("tree", "link-to-tree")] {
        symlink(target, dir.join(name)).map_err(|e| format!("{name}: {e}"))?;
    }
    Ok(())
}
