//! Git objects as Git stores them before compression. Specification: ipld.io `git-raw`; form: gitformat-pack.
//!
//! An object is `kind length NUL body`. Trees link to their entries, commits to their tree and parents, tags to what
//! they name; each link is the SHA-1 of another object, as a CID of codec git-raw.

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

/// The links of an object, in the order in which they stand.
pub fn links(block: &[u8]) -> Result<Vec<Cid>, GitError> {
    let head_end = block.iter().take(32).position(|&byte| byte == 0).ok_or(GitError::Head)?;
    let (head, body) = (&block[..head_end], &block[head_end + 1..]);
    let head = std::str::from_utf8(head).map_err(|_| GitError::Head)?;
    let (kind, length) = head.split_once(' ').ok_or(GitError::Head)?;
    if length.parse() != Ok(body.len()) {
        return Err(GitError::Head);
    }
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
