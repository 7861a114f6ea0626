//! Git objects as Git stores them before compression. Specification: ipld.io `git-raw`; form: gitformat-pack.
//!
//! An object is `kind length NUL body`. Trees link to their entries, commits to their tree and parents, tags to what
//! they name; each link is the SHA-1 of another object, as a CID of codec git-raw.

use super::event::Event;
use crate::cid::{Cid, codec_code};
use crate::multihash::{Multihash, code};

const SHA1_BYTES: usize = 20;

/// Why bytes are not a Git object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GitError {
    /// No `kind length NUL` in front, or a length that is not the body's.
    #[error("malformed head of a git object")]
    Head,
    /// Neither blob, tree, commit nor tag.
    #[error("unknown kind of git object")]
    Kind,
    /// A tree whose entries are not `mode name NUL hash`.
    #[error("malformed git tree")]
    Tree,
    /// A commit or tag without the hashes it must have.
    #[error("malformed git commit or tag")]
    Message,
}

/// Kind and body of an object.
fn split(block: &[u8]) -> Result<(&str, &[u8]), GitError> {
    let head_end = block.iter().take(32).position(|&byte| byte == 0).ok_or(GitError::Head)?;
    let (head, body) = (&block[..head_end], &block[head_end + 1..]);
    let head = std::str::from_utf8(head).map_err(|_| GitError::Head)?;
    let (kind, length) = head.split_once(' ').ok_or(GitError::Head)?;
    if length.parse() != Ok(body.len()) {
        return Err(GitError::Head);
    }
    Ok((kind, body))
}

/// An object as a value, with the fields that Kubo shows. A blob is its bytes, head included.
pub fn events(block: &[u8]) -> Result<Vec<Event<'static>>, GitError> {
    let links = links(block)?;
    let (kind, body) = split(block)?;
    let mut events = Vec::new();
    match kind {
        "tree" => tree_events(body, &links, &mut events),
        "commit" => commit_events(body, &links, &mut events),
        "tag" => tag_events(body, &links, &mut events),
        _ => events.push(Event::Bytes(block.to_vec().into())),
    }
    Ok(events)
}

fn key(name: &str) -> Event<'static> {
    Event::Key(name.to_owned().into())
}

fn text(bytes: &[u8]) -> Event<'static> {
    Event::Text(String::from_utf8_lossy(bytes).into_owned().into())
}

/// `{name: {mode, hash}}`.
fn tree_events(mut body: &[u8], links: &[Cid], events: &mut Vec<Event<'static>>) {
    events.push(Event::Map);
    for link in links {
        let name_end = body.iter().position(|&byte| byte == 0).unwrap_or(body.len());
        let (head, rest) = body.split_at(name_end);
        body = rest.get(1 + SHA1_BYTES..).unwrap_or_default();
        let space = head.iter().position(|&byte| byte == b' ').unwrap_or(head.len());
        let name = String::from_utf8_lossy(head.get(space + 1..).unwrap_or_default());
        events.extend([key(&name), Event::Map, key("mode"), text(&head[..space])]);
        events.extend([key("hash"), Event::Link(link.clone()), Event::End]);
    }
    events.push(Event::End);
}

/// The lines of a header with what goes on below them, and the text after it.
fn header(body: &[u8]) -> (Vec<(String, String)>, &[u8]) {
    let end = body.windows(2).position(|pair| pair == b"\n\n");
    let (head, message) = match end {
        Some(end) => (&body[..end], &body[end + 2..]),
        None => (body, &b""[..]),
    };
    let mut lines: Vec<(String, String)> = Vec::new();
    for line in head.split(|&byte| byte == b'\n') {
        let line = String::from_utf8_lossy(line);
        match (line.strip_prefix(' '), lines.last_mut()) {
            (Some(more), Some((_, value))) => {
                value.push('\n');
                value.push_str(more);
            }
            _ => {
                let (name, value) = line.split_once(' ').unwrap_or((&line, ""));
                lines.push((name.to_owned(), value.to_owned()));
            }
        }
    }
    (lines, message)
}

fn commit_events(body: &[u8], links: &[Cid], events: &mut Vec<Event<'static>>) {
    let (lines, message) = header(body);
    let value = |name: &str| lines.iter().find(|(line, _)| line == name).map(|(_, value)| value.as_str());
    let (tree, parents) = links.split_first().map_or((None, links), |(tree, parents)| (Some(tree), parents));
    events.push(Event::Map);
    if let Some(tree) = tree {
        events.extend([key("tree"), Event::Link(tree.clone())]);
    }
    events.extend([key("parents"), Event::List]);
    events.extend(parents.iter().cloned().map(Event::Link));
    events.extend([Event::End, key("message"), text(message)]);
    for name in ["author", "committer"] {
        events.push(key(name));
        person_events(value(name), events);
    }
    for (field, name) in [("encoding", "encoding"), ("signature", "gpgsig")] {
        events.push(key(field));
        events.push(value(name).map_or(Event::Null, |value| text(value.as_bytes())));
    }
    events.extend([key("mergetag"), Event::List]);
    let known = ["tree", "parent", "author", "committer", "encoding", "gpgsig", "mergetag"];
    let tags = lines.iter().filter(|(name, _)| name == "mergetag");
    events.extend(tags.map(|(_, value)| text(value.as_bytes())));
    events.extend([Event::End, key("other"), Event::List]);
    let others = lines.iter().filter(|(name, _)| !known.contains(&name.as_str()));
    events.extend(others.map(|(name, value)| text(format!("{name} {value}").as_bytes())));
    events.extend([Event::End, Event::End]);
}

fn tag_events(body: &[u8], links: &[Cid], events: &mut Vec<Event<'static>>) {
    let (lines, message) = header(body);
    let value = |name: &str| lines.iter().find(|(line, _)| line == name).map(|(_, value)| value.as_str());
    events.push(Event::Map);
    if let Some(object) = links.first() {
        events.extend([key("object"), Event::Link(object.clone())]);
    }
    for name in ["type", "tag"] {
        events.extend([key(name), text(value(name).unwrap_or_default().as_bytes())]);
    }
    events.push(key("tagger"));
    person_events(value("tagger"), events);
    events.extend([key("message"), text(message), Event::End]);
}

/// `Name <mail> seconds zone`.
fn person_events(line: Option<&str>, events: &mut Vec<Event<'static>>) {
    let Some(line) = line else {
        events.push(Event::Null);
        return;
    };
    let (name, rest) = line.split_once('<').unwrap_or((line, ""));
    let (mail, rest) = rest.split_once('>').unwrap_or((rest, ""));
    let (date, zone) = rest.trim_start().split_once(' ').unwrap_or((rest.trim_start(), ""));
    events.push(Event::Map);
    for (field, value) in [("name", name.trim_end()), ("email", mail), ("date", date), ("timezone", zone)] {
        events.extend([key(field), text(value.as_bytes())]);
    }
    events.push(Event::End);
}

/// The links of an object, in the order in which they stand.
pub fn links(block: &[u8]) -> Result<Vec<Cid>, GitError> {
    let (kind, body) = split(block)?;
    match kind {
        "blob" => Ok(Vec::new()),
        "tree" => tree(body),
        "commit" => lines(body, b"tree ", b"parent "),
        "tag" => lines(body, b"object ", b"object "),
        _ => Err(GitError::Kind),
    }
}

fn tree(mut body: &[u8]) -> Result<Vec<Cid>, GitError> {
    let mut links = Vec::new();
    while !body.is_empty() {
        let name_end = body.iter().position(|&byte| byte == 0).ok_or(GitError::Tree)?;
        let hash = body.get(name_end + 1..).and_then(|rest| rest.get(..SHA1_BYTES)).ok_or(GitError::Tree)?;
        links.push(link(hash).ok_or(GitError::Tree)?);
        body = &body[name_end + 1 + SHA1_BYTES..];
    }
    Ok(links)
}

/// The hashes of the header lines that begin with `first`, which must be the first line, or with `more`.
fn lines(body: &[u8], first: &[u8], more: &[u8]) -> Result<Vec<Cid>, GitError> {
    if !body.starts_with(first) {
        return Err(GitError::Message);
    }
    // An empty line ends the header; a line with a space in front goes on with the one before, as signatures do.
    let header = body.split(|&byte| byte == b'\n').take_while(|line| !line.is_empty());
    let hashes = header.filter_map(|line| line.strip_prefix(first).or_else(|| line.strip_prefix(more)));
    hashes
        .map(|hash| {
            let hash = data_encoding::HEXLOWER.decode(hash).map_err(|_| GitError::Message)?;
            link(&hash).ok_or(GitError::Message)
        })
        .collect()
}

fn link(hash: &[u8]) -> Option<Cid> {
    let is_whole = hash.len() == SHA1_BYTES;
    let hash = is_whole.then(|| Multihash::new(code::SHA1, hash))?.ok()?;
    Some(Cid::v1(codec_code::GIT_RAW, hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

    fn object(kind: &str, body: &[u8]) -> Vec<u8> {
        [format!("{kind} {}\0", body.len()).as_bytes(), body].concat()
    }

    fn empty_tree() -> Cid {
        link(&data_encoding::HEXLOWER.decode(EMPTY_TREE.as_bytes()).expect("hex")).expect("20 bytes")
    }

    #[test]
    fn every_kind() {
        let hash = empty_tree().hash().digest().to_vec();
        assert_eq!(crate::hash::digest(code::SHA1, &object("tree", b"")).as_ref(), Ok(empty_tree().hash()));
        assert_eq!(links(&object("blob", b"parent x\n")), Ok(vec![]));
        let two = [b"40000 a\0", &hash[..], b"100644 b c\0", &hash].concat();
        assert_eq!(links(&object("tree", &two)), Ok(vec![empty_tree(); 2]));
        let commit = format!(
            "tree {EMPTY_TREE}\nparent {EMPTY_TREE}\nparent {EMPTY_TREE}\nauthor A <a> 0 +0000\ngpgsig x\n parent y\n\nparent z\n"
        );
        assert_eq!(links(&object("commit", commit.as_bytes())), Ok(vec![empty_tree(); 3]));
        let tag = format!("object {EMPTY_TREE}\ntype tree\ntag v1\n\nobject z\n");
        assert_eq!(links(&object("tag", tag.as_bytes())), Ok(vec![empty_tree()]));
    }

    #[test]
    fn malformed_objects() {
        assert_eq!(links(b""), Err(GitError::Head));
        assert_eq!(links(b"blob 2\0x"), Err(GitError::Head));
        assert_eq!(links(b"blob -1\0"), Err(GitError::Head));
        assert_eq!(links(b"delta 0\0"), Err(GitError::Kind));
        assert_eq!(links(&object("tree", b"40000 a\0short")), Err(GitError::Tree));
        assert_eq!(links(&object("tree", b"40000 a")), Err(GitError::Tree));
        assert_eq!(links(&object("commit", b"author A\n")), Err(GitError::Message));
        assert_eq!(links(&object("commit", b"tree 12\n")), Err(GitError::Message));
    }
}
