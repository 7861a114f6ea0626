//! Lines of commands taken apart into words, as a shell does it.

/// Longest line.
pub const LINE_BYTES_MAX: usize = 4 << 20;

/// The words of a line. Blanks separate them; `'…'` is taken as it is; in `"…"` and outside of quotes `\\` makes the next
/// character plain, and `\n` and `\t` inside of `"…"` are a line end and a tab. A word that begins with `#` begins a comment.
pub fn split(line: &str) -> Result<Vec<String>, String> {
    if line.len() > LINE_BYTES_MAX {
        return Err(format!("line is longer than {LINE_BYTES_MAX} bytes"));
    }
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            character if character.is_whitespace() => words.extend(word.take()),
            '#' if word.is_none() => break,
            quote @ ('"' | '\'') => quoted(quote, &mut characters, word.get_or_insert_default())?,
            '\\' => match characters.next() {
                Some(next) => word.get_or_insert_default().push(next),
                None => return Err("line ends with a lone backslash".to_owned()),
            },
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

fn quoted(quote: char, characters: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), String> {
    while let Some(character) = characters.next() {
        match (character, quote) {
            (end, _) if end == quote => return Ok(()),
            ('\\', '"') => match characters.next() {
                Some('n') => word.push('\n'),
                Some('t') => word.push('\t'),
                Some(next) => word.push(next),
                None => break,
            },
            (other, _) => word.push(other),
        }
    }
    Err(format!("a quote ({quote}) is not closed"))
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn words_are_split_as_in_a_shell() {
        for (line, wanted) in [
            ("", &[][..]),
            ("  # nothing", &[]),
            ("mkdir -p  /a\t/b", &["mkdir", "-p", "/a", "/b"]),
            ("write /a 'it is' # said", &["write", "/a", "it is"]),
            ("write /a#b \"line\\nend \\\"q\\\"\"", &["write", "/a#b", "line\nend \"q\""]),
            ("a\\ b '' x''y", &["a b", "", "xy"]),
        ] {
            assert_eq!(split(line).expect(line), wanted, "{line:?}");
        }
        for line in ["'open", "\"open\\", "lone\\"] {
            assert!(split(line).is_err(), "{line:?}");
        }
    }
}
