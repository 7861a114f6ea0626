//! Unix modes as text for people.

/// Bits of `st_mode` that say what a file is.
const KIND: u32 = 0o17_0000;
/// A named pipe.
const FIFO: u32 = 0o01_0000;
/// A socket.
const SOCKET: u32 = 0o14_0000;

/// A mode as `ls -l` shows it, `kind` first.
pub fn letters(kind: char, mode: u32) -> String {
    let mut text = String::from(kind);
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (bits & 1 != 0, mode & special != 0) {
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    text
}

/// The `st_mode` of what is neither a file, a directory nor a symbolic link: `p` for pipes, `S` for sockets, `D` for devices, as Go
/// prints them.
pub fn letters_of_special(st_mode: u32) -> String {
    let kind = match st_mode & KIND {
        FIFO => 'p',
        SOCKET => 'S',
        _ => 'D',
    };
    letters(kind, st_mode & 0o7777)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_shown_as_ls_does() {
        assert_eq!(letters('d', 0o755), "drwxr-xr-x");
        assert_eq!(letters('-', 0o4711), "-rws--x--x");
        assert_eq!(letters('-', 0o1644), "-rw-r--r-T");
        assert_eq!(letters_of_special(0o01_0644), "prw-r--r--");
        assert_eq!(letters_of_special(0o14_0600), "Srw-------");
    }
}
