//! What somebody may have meant: words near a word, and what is wrong with a text that should be a CID.

/// Words that cost at most this much are near.
const COST_MAX: usize = 3;
/// Suggestions at a time.
const NEAREST_MAX: usize = 3;
/// Letters that are compared.
const LETTERS_MAX: usize = 64;

/// What it costs to make `right` of `left`: 1 for a letter more, 3 for one less, 2 for another one.
pub fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().take(LETTERS_MAX).collect();
    let mut row: Vec<usize> = (0..=left.len()).map(|removed| removed * 3).collect();
    for (line, wanted) in right.chars().take(LETTERS_MAX).enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, have) in left.iter().enumerate() {
            let replaced = diagonal + if *have == wanted { 0 } else { 2 };
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 3);
        }
    }
    row[left.len()]
}

/// How far apart two words are whichever is right, with two letters that changed places counting little.
fn apart(left: &str, right: &str) -> usize {
    let mut sorted = [left, right].map(|word| {
        let mut letters: Vec<char> = word.chars().take(LETTERS_MAX).collect();
        letters.sort_unstable();
        letters
    });
    let [left_letters, right_letters] = &mut sorted;
    if left_letters == right_letters {
        return 1;
    }
    distance(left, right).min(distance(right, left))
}

/// The nearest of `words`, best first; none when nothing is near.
pub fn nearest<'a>(word: &str, words: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut near: Vec<(usize, &str)> = words
        .into_iter()
        .map(|other| (apart(word, other), other))
        .filter(|(cost, other)| *cost <= COST_MAX.min(other.chars().count().max(2) - 1))
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().map(|(_, word)| word).take(NEAREST_MAX).collect()
}

/// What is wrong with a text that should be a CID; `None` when it does not look like one at all.
pub fn cid_complaint(text: &str) -> Option<String> {
    const BASE58: &str = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    const BASE32: &str = "abcdefghijklmnopqrstuvwxyz234567";
    let text = text.trim_start_matches("/ipfs/").trim_start_matches("ipfs://").split('/').next().unwrap_or_default();
    let (alphabet, length, what) = match text {
        _ if text.starts_with("Qm") => (BASE58, 46, "base58"),
        _ if text.starts_with("baf") => (BASE32, 59, "base32"),
        _ => return None,
    };
    if let Some((at, letter)) = text.chars().enumerate().find(|(_, letter)| !alphabet.contains(*letter)) {
        return Some(format!("{text:?} is not a CID: {letter:?} at place {} is no letter of {what}", at + 1));
    }
    let have = text.chars().count();
    match have.cmp(&length) {
        std::cmp::Ordering::Less => Some(format!("{text:?} is not a complete CID ({have} of {length} characters)")),
        std::cmp::Ordering::Greater if what == "base58" => {
            Some(format!("{text:?} is longer than a CID ({have} instead of {length} characters)"))
        }
        _ => Some(format!("{text:?} is not a CID: a letter of it is another one than it should be")),
    }
}

/// Names that a cut or mistyped text may stand for: those that begin like it, else those that differ little.
pub fn meant<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    const BEGINNING: usize = 8;
    const DIFFERENCES: usize = 4;
    let names: Vec<&str> = names.into_iter().filter(|name| *name != text).collect();
    let mut found: Vec<&str> = Vec::new();
    if text.chars().count() >= BEGINNING {
        found.extend(names.iter().filter(|name| name.starts_with(text)));
        found.extend(names.iter().filter(|name| !name.starts_with(text) && apart(text, name) <= DIFFERENCES));
    }
    found.truncate(NEAREST_MAX);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_with_a_slip_are_near() {
        let words = ["pin", "ping", "add", "cat", "files", "recursive", "quiet"];
        for (slip, meant) in
            [("ad", "add"), ("fiels", "files"), ("recursiv", "recursive"), ("quite", "quiet"), ("caat", "cat")]
        {
            assert_eq!(nearest(slip, words).first(), Some(&meant), "{slip}");
        }
        assert!(nearest("zzzz", words).is_empty());
    }

    #[test]
    fn a_cid_that_is_none_is_explained() {
        let whole = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn";
        let cut = &whole[..20];
        assert_eq!(cid_complaint(cut).unwrap(), format!("{cut:?} is not a complete CID (20 of 46 characters)"));
        let wrong = whole.replace('L', "0");
        assert!(cid_complaint(&wrong).unwrap().contains("'0' at place 5 is no letter of base58"));
        assert!(cid_complaint("hello").is_none());
        assert_eq!(meant(cut, [whole, "QmOther"]), [whole]);
        assert_eq!(meant(&whole.replace('5', "6"), [whole]), [whole]);
    }
}
