//! Multibase: the bases that CIDs and bytes are written in, with the names and the words for mistakes that Kubo has.
//!
//! Reading is as lenient as Kubo's: bases of 16, 32 and 36 letters take large and small ones alike, line ends inside
//! base 32 and base 64 are passed over, bits that do not fill a byte are dropped. The bases of [`EXTRA`], which Kubo lacks,
//! are read and written too.
//!
//! Specification: multiformats `multibase`.

use data_encoding::{Encoding, Specification};
pub use multibase::Base;

/// Kubo's bases, by name.
pub const BASES: &[(&str, Base)] = &[
    ("identity", Base::Identity),
    ("base2", Base::Base2),
    ("base16", Base::Base16Lower),
    ("base16upper", Base::Base16Upper),
    ("base32", Base::Base32Lower),
    ("base32upper", Base::Base32Upper),
    ("base32pad", Base::Base32PadLower),
    ("base32padupper", Base::Base32PadUpper),
    ("base32hex", Base::Base32HexLower),
    ("base32hexupper", Base::Base32HexUpper),
    ("base32hexpad", Base::Base32HexPadLower),
    ("base32hexpadupper", Base::Base32HexPadUpper),
    ("base36", Base::Base36Lower),
    ("base36upper", Base::Base36Upper),
    ("base58btc", Base::Base58Btc),
    ("base58flickr", Base::Base58Flickr),
    ("base64", Base::Base64),
    ("base64url", Base::Base64Url),
    ("base64pad", Base::Base64Pad),
    ("base64urlpad", Base::Base64UrlPad),
    ("base256emoji", Base::Base256Emoji),
];

/// Bases that Kubo does not know.
pub const EXTRA: &[(&str, Base)] = &[("base8", Base::Base8), ("base10", Base::Base10), ("base32z", Base::Base32Z)];

/// Why text is not multibase.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaseError {
    /// Nothing at all.
    #[error("cannot decode multibase for zero length string")]
    Empty,
    /// No base has this prefix.
    #[error("selected encoding not supported")]
    Unknown,
    /// Half a byte in base 16.
    #[error("encoding/hex: odd length hex string")]
    HexLength,
    /// A character that base 16 does not have.
    #[error("encoding/hex: invalid byte: {}", go_unicode(*.0))]
    Hex(char),
    /// Base 32, at this byte after the prefix.
    #[error("illegal base32 data at input byte {0}")]
    Base32(usize),
    /// Base 64, at this byte after the prefix.
    #[error("illegal base64 data at input byte {0}")]
    Base64(usize),
    /// Base 2: the eight digits that are none.
    #[error("error while conversion: strconv.ParseInt: parsing {0:?}: invalid syntax")]
    Base2(String),
    /// Nothing after the prefix of base 58.
    #[error("zero length string")]
    Base58Empty,
    /// A character that base 58 does not have.
    #[error("invalid base58 digit ({0:?})")]
    Base58(char),
    /// A character beyond ASCII in base 58.
    #[error("high-bit set on invalid digit")]
    Base58High,
    /// Nothing after the prefix of base 36.
    #[error("can not decode zero-length string")]
    Base36Empty,
    /// A character that base 36 does not have.
    #[error("invalid base36 character ({0:?})")]
    Base36(char),
    /// A character that is none of the 256, at this byte after the prefix.
    #[error("illegal base256emoji data at input byte {0}, char: '{1}'")]
    Emoji(usize, char),
    /// Another base; Kubo has no words for these.
    #[error("malformed text in this base")]
    Other,
}

/// `U+0067 'g'`.
fn go_unicode(character: char) -> String {
    let code = u32::from(character);
    if character.is_control() { format!("U+{code:04X}") } else { format!("U+{code:04X} '{character}'") }
}

/// The base of a name, or of a prefix of one letter.
pub fn by_name(name: &str) -> Option<Base> {
    let mut letters = name.chars();
    match (letters.next(), letters.next()) {
        (Some(code), None) => Base::from_code(code).ok().filter(|base| name_of(*base).is_some()),
        _ => BASES.iter().chain(EXTRA).find(|(known, _)| *known == name).map(|&(_, base)| base),
    }
}

/// The name of a base.
pub fn name_of(base: Base) -> Option<&'static str> {
    BASES.iter().chain(EXTRA).find(|(_, known)| known.code() == base.code()).map(|&(name, _)| name)
}

/// Reads multibase text.
pub fn decode(text: &str) -> Result<(Base, Vec<u8>), BaseError> {
    let prefix = text.chars().next().ok_or(BaseError::Empty)?;
    let base = Base::from_code(prefix).map_err(|_| BaseError::Unknown)?;
    let body = &text[prefix.len_utf8()..];
    let bytes = match base {
        Base::Identity => body.as_bytes().to_vec(),
        Base::Base2 => base2(body)?,
        Base::Base16Lower | Base::Base16Upper => hex(body)?,
        Base::Base32Lower | Base::Base32Upper => base32(body, "abcdefghijklmnopqrstuvwxyz234567", false)?,
        Base::Base32PadLower | Base::Base32PadUpper => base32(body, "abcdefghijklmnopqrstuvwxyz234567", true)?,
        Base::Base32HexLower | Base::Base32HexUpper => base32(body, "0123456789abcdefghijklmnopqrstuv", false)?,
        Base::Base32HexPadLower | Base::Base32HexPadUpper => base32(body, "0123456789abcdefghijklmnopqrstuv", true)?,
        Base::Base36Lower | Base::Base36Upper => base36(body)?,
        Base::Base58Btc | Base::Base58Flickr => base58(base, body)?,
        Base::Base64 => base64(body, "+/", false)?,
        Base::Base64Pad => base64(body, "+/", true)?,
        Base::Base64Url => base64(body, "-_", false)?,
        Base::Base64UrlPad => base64(body, "-_", true)?,
        Base::Base256Emoji => base.decode(body).map_err(|_| bad_emoji(body))?,
        _ if name_of(base).is_some() => base.decode(body).map_err(|_| BaseError::Other)?,
        _ => return Err(BaseError::Unknown),
    };
    Ok((base, bytes))
}

/// Writes multibase text. Of the base `identity`, bytes that are not UTF-8 are lost: use [`encode_bytes`].
pub fn encode(base: Base, bytes: &[u8]) -> String {
    String::from_utf8(encode_bytes(base, bytes))
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Writes multibase: text, but for the base `identity`, which is the bytes themselves.
pub fn encode_bytes(base: Base, bytes: &[u8]) -> Vec<u8> {
    match base {
        // The library insists on text here.
        Base::Identity => [&[0], bytes].concat(),
        base => multibase::encode(base, bytes).into_bytes(),
    }
}

fn base2(body: &str) -> Result<Vec<u8>, BaseError> {
    let padded = format!("{}{body}", "0".repeat((8 - body.len() % 8) % 8));
    padded
        .as_bytes()
        .chunks(8)
        .map(|digits| {
            let digits = String::from_utf8_lossy(digits);
            u8::from_str_radix(&digits, 2)
                .ok()
                .filter(|_| !digits.starts_with('+'))
                .ok_or_else(|| BaseError::Base2(digits.into_owned()))
        })
        .collect()
}

fn hex(body: &str) -> Result<Vec<u8>, BaseError> {
    if let Some(character) = body.bytes().find(|byte| !byte.is_ascii_hexdigit()) {
        return Err(BaseError::Hex(char::from(character)));
    }
    data_encoding::HEXLOWER_PERMISSIVE.decode(body.as_bytes()).map_err(|_| BaseError::HexLength)
}

/// An encoding that passes over line ends and over bits that fill no byte.
fn lenient(symbols: &str, padded: bool, fold_case: bool) -> Option<Encoding> {
    let mut specification = Specification::new();
    specification.symbols.push_str(symbols);
    specification.check_trailing_bits = false;
    specification.ignore.push_str("\r\n");
    specification.padding = padded.then_some('=');
    if fold_case {
        let small: String = symbols.chars().filter(char::is_ascii_lowercase).collect();
        specification.translate.from = small.to_ascii_uppercase();
        specification.translate.to = small;
    }
    specification.encoding().ok()
}

fn base32(body: &str, symbols: &str, padded: bool) -> Result<Vec<u8>, BaseError> {
    // Line ends do not count in the position of a mistake.
    let stripped: Vec<u8> = body.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    // Without padding Kubo drops the last eight letters or less when there can be no such number of them.
    let whole = match stripped.len() % 8 {
        rest @ (1 | 3 | 6) if !padded => stripped.len() - rest,
        _ => stripped.len(),
    };
    let is_letter = |byte: &u8| symbols.as_bytes().contains(&byte.to_ascii_lowercase());
    let bad = |stripped: &[u8]| stripped.iter().position(|byte| !(is_letter(byte) || padded && *byte == b'='));
    if let Some(at) = bad(&stripped) {
        return Err(BaseError::Base32(at));
    }
    let encoding = lenient(symbols, padded, true).ok_or(BaseError::Other)?;
    encoding.decode(&stripped[..whole]).map_err(|error| BaseError::Base32(error.position))
}

fn base64(body: &str, last: &str, padded: bool) -> Result<Vec<u8>, BaseError> {
    let symbols = format!("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789{last}");
    let encoding = lenient(&symbols, padded, false).ok_or(BaseError::Other)?;
    encoding.decode(body.as_bytes()).map_err(|error| {
        let is_letter = |byte: u8| symbols.as_bytes().contains(&byte) || matches!(byte, b'\r' | b'\n');
        let bad = body.bytes().position(|byte| !(is_letter(byte) || padded && byte == b'='));
        BaseError::Base64(bad.unwrap_or(error.position))
    })
}

fn base36(body: &str) -> Result<Vec<u8>, BaseError> {
    if body.is_empty() {
        return Err(BaseError::Base36Empty);
    }
    if let Some(character) = body.chars().find(|character| !character.is_ascii_alphanumeric()) {
        return Err(BaseError::Base36(character));
    }
    Base::Base36Lower.decode(body.to_ascii_lowercase()).map_err(|_| BaseError::Other)
}

fn base58(base: Base, body: &str) -> Result<Vec<u8>, BaseError> {
    if body.is_empty() {
        return Err(BaseError::Base58Empty);
    }
    base.decode(body).map_err(|_| {
        let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() && !matches!(byte, b'0' | b'O' | b'I' | b'l');
        match body.bytes().find(|byte| !is_digit(byte)) {
            Some(byte) if byte >= 0x80 => BaseError::Base58High,
            Some(byte) => BaseError::Base58(char::from(byte)),
            None => BaseError::Other,
        }
    })
}

fn bad_emoji(body: &str) -> BaseError {
    let bad = body.char_indices().find(|&(at, _)| {
        let one = body[at..].chars().next().map(String::from).unwrap_or_default();
        Base::Base256Emoji.decode(one).is_err()
    });
    bad.map_or(BaseError::Other, |(at, character)| BaseError::Emoji(at, character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_base_reads_what_it_writes() {
        for bytes in [&b""[..], b"\0", b"\0\0abc", b"hello", &[0xff; 37]] {
            for &(name, base) in BASES.iter().chain(EXTRA) {
                let text = encode(base, bytes);
                let needs_letters = name.starts_with("base36") || name.starts_with("base58");
                if bytes.is_empty() && needs_letters || base == Base::Identity && bytes[..] == [0xff; 37] {
                    assert_eq!(encode_bytes(base, bytes).len(), bytes.len() + 1);
                    continue;
                }
                assert_eq!(decode(&text), Ok((base, bytes.to_vec())), "{name} {text}");
                assert_eq!((by_name(name), name_of(base)), (Some(base), Some(name)));
            }
        }
    }

    #[test]
    fn kubo_is_lenient_in_these() {
        for (text, bytes) in [
            ("F6a", b"j".as_slice()),
            ("bME", b"a"),
            ("bmeB", b""),
            ("bmfrggzdfmE", b"abcdea"),
            ("mYQ\n", b"a"),
            ("01", b"\x01"),
            ("K1", b"\x01"),
        ] {
            assert_eq!(decode(text).expect(text).1, bytes, "{text}");
        }
    }

    #[test]
    fn mistakes_are_told_in_the_words_that_scripts_know() {
        for (text, words) in [
            ("", "cannot decode multibase for zero length string"),
            ("Qm", "selected encoding not supported"),
            ("f0155122", "encoding/hex: odd length hex string"),
            ("f0g", "encoding/hex: invalid byte: U+0067 'g'"),
            ("z0OIl", "invalid base58 digit ('0')"),
            ("z", "zero length string"),
            ("zé", "high-bit set on invalid digit"),
            ("k", "can not decode zero-length string"),
            ("k!", "invalid base36 character ('!')"),
            ("uAVUSI", "illegal base64 data at input byte 4"),
            ("m!", "illegal base64 data at input byte 0"),
            ("ba1", "illegal base32 data at input byte 1"),
            ("0012", "error while conversion: strconv.ParseInt: parsing \"00000012\": invalid syntax"),
            ("🚀a", "illegal base256emoji data at input byte 0, char: 'a'"),
        ] {
            assert_eq!(decode(text).map_err(|error| error.to_string()), Err(words.to_owned()), "{text}");
        }
    }
}
