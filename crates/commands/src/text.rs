//! Text for people: where it goes, how foreign names are made harmless, how sizes and tables look.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// Where the text of an answer goes.
pub struct Out<'a> {
    stdout: &'a mut dyn Write,
    stderr: &'a mut dyn Write,
    style: Style,
    total: Option<u64>,
    pace: Option<&'a mut Pace>,
}

/// When the next line of progress is due where no line can be rewritten.
#[derive(Debug)]
pub struct Pace {
    next: Instant,
}

/// Time between two lines of progress in a pipe or a log.
const PACE: Duration = Duration::from_secs(10);

impl Default for Pace {
    fn default() -> Self {
        Self { next: Instant::now() + PACE }
    }
}

impl Pace {
    /// Whether a line is due; the next one is, after a while.
    pub fn is_due(&mut self) -> bool {
        let now = Instant::now();
        if now < self.next {
            return false;
        }
        self.next = now + PACE;
        true
    }
}

/// How output is meant to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Standard error is a terminal: lines may be rewritten to show progress.
    pub live: bool,
    /// Standard output is a terminal: control characters in foreign text are escaped, always.
    pub escape: bool,
}

impl<'a> Out<'a> {
    /// Writes results to `stdout`, everything else to `stderr`.
    pub fn new(stdout: &'a mut dyn Write, stderr: &'a mut dyn Write, style: Style) -> Self {
        Self { stdout, stderr, style, total: None, pace: None }
    }

    /// Where lines cannot be rewritten, progress comes as a plain line now and then.
    #[must_use]
    pub fn with_pace(self, pace: Option<&'a mut Pace>) -> Self {
        Self { pace, ..self }
    }

    /// Tells how many bytes the work will handle, once that is known.
    #[must_use]
    pub fn with_total(self, total: Option<u64>) -> Self {
        Self { total, ..self }
    }

    /// How many bytes the work will handle, when known.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// Writes a line of the result.
    pub fn line(&mut self, text: impl fmt::Display) -> io::Result<()> {
        self.put(format_args!("{text}\n"))
    }

    /// Writes a part of the result.
    pub fn put(&mut self, text: impl fmt::Display) -> io::Result<()> {
        if self.style.escape {
            let plain = text.to_string();
            return self.stdout.write_all(harmless(&plain).as_bytes());
        }
        write!(self.stdout, "{text}")
    }

    /// Writes bytes of the result as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stdout.write_all(bytes)
    }

    /// Writes to standard error.
    pub fn note(&mut self, text: impl fmt::Display) -> io::Result<()> {
        // Whoever reads both sees them in the order they were written.
        self.stdout.flush()?;
        let plain = text.to_string();
        self.stderr.write_all(harmless(&plain).as_bytes())
    }

    /// Replaces the line at the bottom of the terminal. Without a terminal: a plain line when one is due, if ever.
    pub fn progress(&mut self, text: impl fmt::Display) -> io::Result<()> {
        if !self.style.live {
            if self.pace.as_mut().is_some_and(|pace| pace.is_due()) {
                let line = text.to_string();
                self.stderr.write_all(format!("{}\n", harmless(line.trim_end()).replace('\n', " ")).as_bytes())?;
            }
            return Ok(());
        }
        let plain = text.to_string();
        write!(self.stderr, "\r\x1b[2K{}", harmless(&plain).replace('\n', " "))?;
        self.stderr.flush()
    }

    /// Clears the line of [`Out::progress`].
    pub fn clear_progress(&mut self) -> io::Result<()> {
        if !self.style.live {
            return Ok(());
        }
        self.stderr.write_all(b"\r\x1b[2K")?;
        self.stderr.flush()
    }

    /// Hands everything on.
    pub fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush()?;
        self.stderr.flush()
    }
}

/// Whether a character can do harm on a terminal: controls (but for newline, tab and carriage return), and marks that
/// turn the direction of writing.
fn is_harmful(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || (character.is_control() && !matches!(character, '\n' | '\t' | '\r'))
}

/// The text with harmful characters written as `\x1b` or `\u202e`.
pub fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match u32::from(character) {
            code if is_harmful(character) && code < 0x80 => safe.push_str(&format!("\\x{code:02x}")),
            code if is_harmful(character) => safe.push_str(&format!("\\u{code:04x}")),
            _ => safe.push(character),
        }
    }
    Cow::Owned(safe)
}

/// A name as Kubo prints it: when something in it cannot be printed, Go's escapes for the whole, quotes left alone.
pub fn escape_name(name: &str) -> Cow<'_, str> {
    let needs = |character: char| character == '\\' || !is_go_printable(character);
    if !name.contains(needs) {
        return Cow::Borrowed(name);
    }
    let mut safe = String::with_capacity(name.len() + 16);
    for character in name.chars() {
        match character {
            '\\' => safe.push_str("\\\\"),
            '\u{7}' => safe.push_str("\\a"),
            '\u{8}' => safe.push_str("\\b"),
            '\u{c}' => safe.push_str("\\f"),
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            '\u{b}' => safe.push_str("\\v"),
            other if is_go_printable(other) => safe.push(other),
            other => match u32::from(other) {
                code @ 0..0x80 => safe.push_str(&format!("\\x{code:02x}")),
                code @ 0x80..0x10000 => safe.push_str(&format!("\\u{code:04x}")),
                code => safe.push_str(&format!("\\U{code:08x}")),
            },
        }
    }
    Cow::Owned(safe)
}

/// What Go calls printable, near enough: letters, marks, numbers, punctuation, symbols and the plain space.
fn is_go_printable(character: char) -> bool {
    if character == ' ' {
        return true;
    }
    !(character.is_control()
        || character.is_whitespace()
        || is_harmful(character)
        || matches!(character,
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{180e}'
            | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e000}'..='\u{f8ff}' | '\u{e0001}'..='\u{e007f}' | '\u{f0000}'..='\u{10ffff}'))
}

/// A size as Go's humanize prints it, in powers of 1000: `1.2 kB`, `82 MB`.
pub fn human_size(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 10 {
        return format!("{bytes} B");
    }
    let mut scaled = bytes as f64;
    let mut unit = 0;
    while scaled >= 1000.0 && unit + 1 < UNITS.len() {
        scaled /= 1000.0;
        unit += 1;
    }
    let value = (scaled * 10.0 + 0.5).floor() / 10.0;
    if value < 10.0 { format!("{value:.1} {}", UNITS[unit]) } else { format!("{value:.0} {}", UNITS[unit]) }
}

/// A size in powers of 1024 for our own messages: `3.1 GiB`.
pub fn binary_size(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut scaled = bytes as f64;
    let mut unit = 0;
    while scaled >= 1024.0 && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{scaled:.1} {}", UNITS[unit]) }
}

/// Width of the bar of [`progress_line`].
const BAR: usize = 24;

/// How far, how fast, and how long still: the line at the bottom of a terminal.
pub fn progress_line(done: u64, total: Option<u64>, spent: Duration) -> String {
    let rate = done as f64 / spent.as_secs_f64().max(0.001);
    let speed = format!("{}/s", binary_size(rate as u64));
    let Some(total) = total.filter(|total| *total > 0) else { return format!("{}  {speed}", binary_size(done)) };
    let part = (done as f64 / total as f64).min(1.0);
    let filled = (part * BAR as f64) as usize;
    let bar: String = "=".repeat(filled) + if filled < BAR { ">" } else { "" };
    let left = total.saturating_sub(done) as f64 / rate.max(1.0);
    format!(
        "{} of {}  [{bar:BAR$}]  {:.0}%  {speed}  {} left",
        binary_size(done),
        binary_size(total),
        part * 100.0,
        span(left as u64)
    )
}

/// `2m 10s`.
fn span(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (hours, minutes, _) => format!("{hours}h {minutes}m"),
    }
}

/// Lines of cells whose columns are padded with spaces, as Go's tabwriter does with one space of padding: a column is
/// as wide as its widest cell within a run of lines that have it; the last cell of a line belongs to no column.
#[derive(Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
    width_min: usize,
}

impl Table {
    /// Columns at least this wide, padding included.
    pub fn new(width_min: usize) -> Self {
        Self { rows: Vec::new(), width_min }
    }

    /// Adds a line.
    pub fn row<I: IntoIterator<Item = S>, S: Into<String>>(&mut self, cells: I) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// The lines.
    pub fn render(&self) -> String {
        let mut text = String::new();
        let widths = self.widths();
        for (row, widths) in self.rows.iter().zip(&widths) {
            for (index, cell) in row.iter().enumerate() {
                text.push_str(cell);
                if let Some(width) = widths.get(index) {
                    text.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count())));
                }
            }
            text.push('\n');
        }
        text
    }

    /// The width of each terminated cell: the widest of the neighbours above and below that have this column.
    fn widths(&self) -> Vec<Vec<usize>> {
        let mut widths: Vec<Vec<usize>> = self.rows.iter().map(|row| vec![0; row.len().saturating_sub(1)]).collect();
        let columns = widths.iter().map(Vec::len).max().unwrap_or(0);
        for column in 0..columns {
            let mut start = 0;
            while start < self.rows.len() {
                let run = self.rows[start..].iter().take_while(|row| row.len() > column + 1).count();
                if run == 0 {
                    start += 1;
                    continue;
                }
                let cells = self.rows[start..start + run].iter();
                let widest = cells.map(|row| row[column].chars().count()).max().unwrap_or(0);
                let width = (widest + 1).max(self.width_min);
                for row in &mut widths[start..start + run] {
                    row[column] = width;
                }
                start += run;
            }
        }
        widths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_escapes_become_harmless() {
        assert_eq!(harmless("\x1b[2J\x07\u{9b}31m\u{202e}txt"), "\\x1b[2J\\x07\\u009b31m\\u202etxt");
        assert_eq!(harmless("plain é\n"), "plain é\n");
    }

    #[test]
    fn names_are_escaped_as_kubo_does() {
        for (name, wanted) in [
            ("plain name", "plain name"),
            ("a\nb", "a\\nb"),
            ("q\"\u{1b}", "q\"\\x1b"),
            ("b\\s", "b\\\\s"),
            ("\u{202e}x", "\\u202ex"),
        ] {
            assert_eq!(escape_name(name), wanted);
        }
    }

    #[test]
    fn sizes_are_rounded_as_humanize_does() {
        for (bytes, wanted) in [
            (0, "0 B"),
            (9, "9 B"),
            (10, "10 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1234, "1.2 kB"),
            (82_854_982, "83 MB"),
        ] {
            assert_eq!(human_size(bytes), wanted);
        }
    }

    #[test]
    fn the_line_tells_how_far_how_fast_and_how_long() {
        let half = progress_line(512 << 20, Some(1 << 30), Duration::from_secs(2));
        assert_eq!(half, "512.0 MiB of 1.0 GiB  [============>           ]  50%  256.0 MiB/s  2s left");
        assert_eq!(progress_line(1024, None, Duration::from_secs(1)), "1.0 KiB  1.0 KiB/s");
        assert_eq!(span(130), "2m 10s");
    }

    #[test]
    fn columns_align_within_their_run() {
        let mut table = Table::new(0);
        table.row(["NumObjects:", "3"]);
        table.row(["RepoSize:", "12"]);
        assert_eq!(table.render(), "NumObjects: 3\nRepoSize:   12\n");
        let mut broken = Table::new(1);
        broken.row(["a", "b"]);
        broken.row(["only"]);
        broken.row(["long", "c"]);
        assert_eq!(broken.render(), "a b\nonly\nlong c\n");
    }
}
