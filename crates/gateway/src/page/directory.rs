//! The listing of a directory: directories first, names as people sort them, sizes, links that stay relative.

use std::cmp::Ordering;

use merkury_api::{DirEntry, FileStat, NodeKind};
use merkury_core::Cid;
use merkury_core::path::Root;

use super::{icon, short, size, text};
use crate::target::{Target, encode_path, encode_segment};

/// What stands above the entries.
pub(crate) struct Head<'a> {
    pub(crate) target: &'a Target,
    pub(crate) cid: &'a Cid,
    /// Bytes of everything below, as the links claim.
    pub(crate) size: u64,
}

/// One line.
pub(crate) struct Row {
    name: String,
    cid: Cid,
    kind: Kind,
    bytes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Directory,
    File,
    Symlink,
    /// The child is not here to be looked at.
    Unknown,
}

impl Row {
    /// A child that was not looked at: its size is what the link claims.
    pub(crate) fn unseen(entry: DirEntry) -> Self {
        Self { name: entry.name, cid: entry.cid, kind: Kind::Unknown, bytes: entry.link_size }
    }

    /// A raw block: it is a file, and its link tells its size.
    pub(crate) fn of_raw(entry: DirEntry) -> Self {
        Self { kind: Kind::File, ..Self::unseen(entry) }
    }

    /// A child that was looked at.
    pub(crate) fn seen(entry: DirEntry, stat: &FileStat) -> Self {
        let (kind, bytes) = match stat.kind {
            NodeKind::Directory => (Kind::Directory, entry.link_size),
            NodeKind::File | NodeKind::Raw => (Kind::File, stat.size),
            NodeKind::Symlink => (Kind::Symlink, stat.size),
            NodeKind::Other => (Kind::File, entry.link_size),
        };
        Self { name: entry.name, cid: entry.cid, kind, bytes }
    }

    /// Whether the line says all there is to say.
    pub(crate) fn is_known(&self) -> bool {
        self.kind != Kind::Unknown
    }

    fn order(&self, other: &Self) -> Ordering {
        let place = |row: &Self| row.kind != Kind::Directory;
        place(self).cmp(&place(other)).then_with(|| natural(&self.name, &other.name))
    }

    /// Appends the line.
    pub(crate) fn render(&self, out: &mut String) {
        let cid = self.cid.to_string();
        out.push_str("<tr><td class=\"name\"><a href=\"");
        self.push_href(out, &cid);
        out.push_str("\">");
        icon(out, self.icon());
        out.push_str("<bdi>");
        text(out, &self.name);
        if self.kind == Kind::Directory {
            out.push('/');
        }
        out.push_str("</bdi></a></td><td class=\"size\">");
        out.push_str(&size(self.bytes));
        out.push_str("</td><td class=\"cid\"><a href=\"/ipfs/");
        out.push_str(&cid);
        out.push_str("?filename=");
        out.push_str(&escape_query(&self.name));
        out.push_str("\" title=\"");
        out.push_str(&cid);
        out.push_str("\">");
        out.push_str(&short(&cid));
        out.push_str("</a></td></tr>\n");
    }

    /// Relative, so that it holds under any host. Names that a URL cannot carry lead to the node itself.
    fn push_href(&self, out: &mut String, cid: &str) {
        if matches!(self.name.as_str(), "" | "." | "..") || self.name.contains('/') {
            out.push_str("/ipfs/");
            out.push_str(cid);
            return;
        }
        out.push_str("./");
        out.push_str(&encode_segment(&self.name).replace('&', "&amp;"));
        if self.kind == Kind::Directory {
            out.push('/');
        }
    }

    fn icon(&self) -> &'static str {
        match self.kind {
            Kind::Directory => "dir",
            Kind::Symlink => "link",
            Kind::File | Kind::Unknown => "file",
        }
    }
}

fn escape_query(value: &str) -> String {
    encode_segment(value).replace('&', "%26").replace('+', "%2B").replace('=', "%3D")
}

/// The whole page.
pub(crate) fn render(head: &Head<'_>, mut rows: Vec<Row>) -> String {
    rows.sort_by(Row::order);
    let mut out = head.render(Some(&rows));
    rows.iter().for_each(|row| row.render(&mut out));
    out.push_str(&tail());
    out
}

/// What stands below the entries.
pub(crate) fn tail() -> String {
    let mut out = String::from("</tbody></table></div>\n");
    super::end(&mut out);
    out
}

impl Head<'_> {
    /// The page up to its first entry. Without `rows` the entries come unsorted and uncounted.
    pub(crate) fn render(&self, rows: Option<&[Row]>) -> String {
        let mut out = super::start(&format!("Index of {}", self.target.text.trim_end_matches('/')));
        self.push_trail(&mut out);
        self.push_about(&mut out, rows);
        out.push_str("<div class=\"card\"><table><thead><tr><th class=\"name\">Name</th><th class=\"size\">Size</th>");
        out.push_str("<th class=\"cid\">CID</th></tr></thead><tbody>\n");
        if !self.target.path.segments().is_empty() {
            out.push_str("<tr><td class=\"name\"><a href=\"../\">");
            icon(&mut out, "up");
            out.push_str("<span>Parent directory</span></a></td><td></td><td class=\"cid\"></td></tr>\n");
        }
        if rows.is_some_and(<[Row]>::is_empty) {
            out.push_str(
                "<tr><td class=\"name empty\">This directory is empty.</td><td></td><td class=\"cid\"></td></tr>\n",
            );
        }
        out
    }

    /// The way to here, each step a link.
    fn push_trail(&self, out: &mut String) {
        let (space, root) = match self.target.path.root() {
            Root::Ipfs(cid) | Root::Ipld(cid) => ("ipfs", cid.to_string()),
            Root::Ipns(name) => ("ipns", name.clone()),
        };
        let shown = short(&root);
        let names = std::iter::once(shown.as_str()).chain(self.target.path.segments().iter().map(String::as_str));
        let last = self.target.path.segments().len();
        let mut href = format!("/{space}/{}/", encode_path(&root));
        out.push_str("<h1>");
        out.push_str(space);
        for (at, name) in names.enumerate() {
            if at > 0 {
                href.push_str(&encode_segment(name));
                href.push('/');
            }
            out.push_str("<span class=\"sep\">/</span>");
            if at == last {
                out.push_str("<bdi class=\"here\">");
                text(out, name);
                out.push_str("</bdi>");
                continue;
            }
            out.push_str("<a href=\"");
            merkury_http::reply::push_html(out, &href);
            out.push_str("\"><bdi>");
            text(out, name);
            out.push_str("</bdi></a>");
        }
        out.push_str("</h1>\n");
    }

    fn push_about(&self, out: &mut String, rows: Option<&[Row]>) {
        out.push_str("<p class=\"about\">");
        match rows {
            Some([_]) => out.push_str("1 entry, "),
            Some(rows) => out.push_str(&format!("{} entries, ", rows.len())),
            None => out.push_str("Many entries, in the order they are stored, "),
        }
        out.push_str(&format!("{} in all &middot; ", size(self.size)));
        out.push_str("download <a href=\"?format=tar\">tar</a> or <a href=\"?format=car\">CAR</a> &middot; <code>");
        out.push_str(&self.cid.to_string());
        out.push_str("</code></p>\n");
    }
}

/// Compares names as people do: without case, and numbers by value.
fn natural(one: &str, other: &str) -> Ordering {
    let (mut left, mut right) = (one, other);
    loop {
        let (Some(first), Some(second)) = (left.chars().next(), right.chars().next()) else {
            return left.len().cmp(&right.len()).then_with(|| one.cmp(other));
        };
        if first.is_ascii_digit() && second.is_ascii_digit() {
            let (number, after) = split_number(left);
            let (other_number, other_after) = split_number(right);
            let by_value = number.len().cmp(&other_number.len()).then_with(|| number.cmp(other_number));
            if by_value.is_ne() {
                return by_value;
            }
            (left, right) = (after, other_after);
            continue;
        }
        let by_letter = first.to_lowercase().cmp(second.to_lowercase());
        if by_letter.is_ne() {
            return by_letter;
        }
        (left, right) = (&left[first.len_utf8()..], &right[second.len_utf8()..]);
    }
}

/// Leading digits without leading zeros, and the rest.
fn split_number(text: &str) -> (&str, &str) {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    (number.trim_start_matches('0'), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_as_people_do() {
        let mut names = vec!["b10", "B2", "a", "Z", "10", "9", "b2", "é", "a b", "a-b", "009", ""];
        names.sort_by(|one, other| natural(one, other));
        assert_eq!(names, ["", "009", "9", "10", "a", "a b", "a-b", "B2", "b2", "b10", "Z", "é"]);
    }

    #[test]
    fn hostile_names_stay_text() {
        let cid = Cid::parse("bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am").expect("a cid");
        for name in
            ["\"><script>alert(1)</script>", "javascript:alert(1)", "' onload='x", "a&b", "../x", "..", "\u{202e}a"]
        {
            let entry = DirEntry { name: name.into(), cid: cid.clone(), link_size: 1, stat: None };
            let mut out = String::new();
            Row::unseen(entry).render(&mut out);
            assert!(!out.contains("<script") && !out.contains("\"javascript:") && !out.contains(" onload='"), "{out}");
            assert!(out.contains("href=\"./") || out.contains("href=\"/ipfs/"), "{out}");
            assert!(!out.contains("href=\"../") && !out.contains("href=\"./.."), "{out}");
        }
    }
}
