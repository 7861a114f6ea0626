//! How a file is cut into leaves.
//!
//! Parts: [`Chunker`] (the choice, parsed from Kubo's strings), [`Cutter`] (finds the next cut in bytes at hand),
//! [`rabin`] and [`buzhash`] (cuts that depend on the content).
//!
//! Invariant: cuts depend on the bytes and the chunker alone, never on how the bytes were read.

mod buzhash;
mod rabin;

use std::fmt;
use std::str::FromStr;

use merkury_core::limits::BLOCK_BYTES_MAX;

/// Default size of a leaf.
pub const DEFAULT_CHUNK_BYTES: usize = 256 * 1024;
/// Largest leaf: room for the protobuf frame stays below the largest block.
pub const CHUNK_BYTES_MAX: usize = BLOCK_BYTES_MAX - 256;
/// Smallest leaf the Rabin chunker may be told to make.
const RABIN_BYTES_MIN: usize = 16;

/// How to cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunker {
    /// Every leaf has this many bytes, the last one what is left.
    Size(usize),
    /// Rabin fingerprint with bounds.
    Rabin {
        /// Smallest leaf.
        min: usize,
        /// Leaf size aimed at.
        avg: usize,
        /// Largest leaf.
        max: usize,
    },
    /// Rolling buzhash, 128 to 512 KiB.
    Buzhash,
}

impl Default for Chunker {
    fn default() -> Self {
        Self::Size(DEFAULT_CHUNK_BYTES)
    }
}

/// Why text names no chunker. The words are Kubo's, scripts look for them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkerError {
    /// No such chunker.
    #[error("unrecognized chunker option: {0}")]
    Unknown(String),
    /// `size` without exactly one number.
    #[error("incorrect chunker string format (expected size-{{size}})")]
    SizeFormat,
    /// Not a number.
    #[error("strconv.Atoi: parsing {0:?}: invalid syntax")]
    Number(String),
    /// Zero or less.
    #[error("chunker size must be greater than 0")]
    Zero,
    /// Over [`CHUNK_BYTES_MAX`].
    #[error("chunker parameters may not exceed the maximum chunk size of {CHUNK_BYTES_MAX}")]
    TooLarge,
    /// Rabin's minimum is under 16.
    #[error("rabin min must be greater than 16")]
    RabinMin,
    /// Rabin's parts have other labels.
    #[error("{0}")]
    RabinLabel(&'static str),
    /// Rabin's bounds are not ascending.
    #[error("incorrect format: {0}")]
    RabinOrder(&'static str),
    /// Rabin with another number of parts.
    #[error("incorrect format (expected 'rabin' 'rabin-[avg]' or 'rabin-[min]-[avg]-[max]'")]
    RabinFormat,
}

impl FromStr for Chunker {
    type Err = ChunkerError;

    fn from_str(text: &str) -> Result<Self, ChunkerError> {
        if text.is_empty() || text == "default" {
            return Ok(Self::default());
        }
        let parts: Vec<&str> = text.split('-').collect();
        match parts[0] {
            "size" => match parts[..] {
                [_, size] => parse_size(size),
                _ => Err(ChunkerError::SizeFormat),
            },
            "rabin" => parse_rabin(&parts),
            "buzhash" => Ok(Self::Buzhash),
            _ => Err(ChunkerError::Unknown(text.into())),
        }
    }
}

impl fmt::Display for Chunker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size(bytes) => write!(f, "size-{bytes}"),
            Self::Rabin { min, avg, max } => write!(f, "rabin-{min}-{avg}-{max}"),
            Self::Buzhash => f.write_str("buzhash"),
        }
    }
}

fn number(text: &str) -> Result<usize, ChunkerError> {
    match text.parse::<i64>() {
        Ok(value) => Ok(usize::try_from(value).unwrap_or(0)),
        Err(_) => Err(ChunkerError::Number(text.into())),
    }
}

fn parse_size(text: &str) -> Result<Chunker, ChunkerError> {
    match number(text)? {
        0 => Err(ChunkerError::Zero),
        bytes if bytes > CHUNK_BYTES_MAX => Err(ChunkerError::TooLarge),
        bytes => Ok(Chunker::Size(bytes)),
    }
}

fn parse_rabin(parts: &[&str]) -> Result<Chunker, ChunkerError> {
    match *parts {
        [_] => Ok(rabin_around(DEFAULT_CHUNK_BYTES)),
        [_, avg] => {
            let avg = number(avg)?;
            if avg.saturating_add(avg / 2) > CHUNK_BYTES_MAX {
                return Err(ChunkerError::TooLarge);
            }
            if avg < RABIN_BYTES_MIN {
                return Err(ChunkerError::RabinMin);
            }
            Ok(rabin_around(avg))
        }
        [_, min, avg, max] => {
            let min = number(labelled(min, "min", "first label must be min")?)?;
            if min < RABIN_BYTES_MIN {
                return Err(ChunkerError::RabinMin);
            }
            let avg = number(labelled(avg, "avg", "second label must be avg")?)?;
            let max = number(labelled(max, "max", "final label must be max")?)?;
            if min >= avg {
                return Err(ChunkerError::RabinOrder("rabin-min must be smaller than rabin-avg"));
            }
            if avg >= max {
                return Err(ChunkerError::RabinOrder("rabin-avg must be smaller than rabin-max"));
            }
            if max > CHUNK_BYTES_MAX {
                return Err(ChunkerError::TooLarge);
            }
            Ok(Chunker::Rabin { min, avg, max })
        }
        _ => Err(ChunkerError::RabinFormat),
    }
}

fn rabin_around(avg: usize) -> Chunker {
    Chunker::Rabin { min: avg / 3, avg, max: avg + avg / 2 }
}

fn labelled<'a>(part: &'a str, label: &str, why: &'static str) -> Result<&'a str, ChunkerError> {
    match part.split_once(':') {
        None => Ok(part),
        Some((found, value)) if found == label => Ok(value),
        Some(_) => Err(ChunkerError::RabinLabel(why)),
    }
}

impl Chunker {
    /// The largest leaf this chunker makes.
    pub fn bytes_max(&self) -> usize {
        match *self {
            Self::Size(bytes) => bytes,
            Self::Rabin { max, .. } => max,
            Self::Buzhash => buzhash::BYTES_MAX,
        }
    }

    /// The leaf size when it is the same for every leaf but the last.
    pub fn fixed(&self) -> Option<usize> {
        match *self {
            Self::Size(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Makes the state that finds cuts.
    pub(crate) fn cutter(&self) -> Cutter {
        match *self {
            Self::Size(bytes) => Cutter::Size(bytes),
            Self::Rabin { min, avg, max } => Cutter::Rabin(Box::new(rabin::Rabin::new(min, avg, max))),
            Self::Buzhash => Cutter::Buzhash,
        }
    }
}

/// Finds where the next leaf ends.
pub(crate) enum Cutter {
    Size(usize),
    Rabin(Box<rabin::Rabin>),
    Buzhash,
}

impl Cutter {
    /// Length of the leaf at the start of `bytes`. `bytes` holds at least [`Chunker::bytes_max`] bytes, or all that
    /// are left; it is not empty.
    pub(crate) fn next_cut(&mut self, bytes: &[u8]) -> usize {
        match self {
            Self::Size(size) => bytes.len().min(*size),
            Self::Rabin(rabin) => rabin.next_cut(bytes),
            Self::Buzhash => buzhash::next_cut(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunker_strings_are_kubos() {
        assert_eq!("".parse(), Ok(Chunker::Size(262_144)));
        assert_eq!("default".parse(), Ok(Chunker::Size(262_144)));
        assert_eq!("size-1".parse(), Ok(Chunker::Size(1)));
        assert_eq!("size-2096896".parse(), Ok(Chunker::Size(2_096_896)));
        assert_eq!("size-2096897".parse::<Chunker>(), Err(ChunkerError::TooLarge));
        assert_eq!("rabin".parse(), Ok(Chunker::Rabin { min: 87_381, avg: 262_144, max: 393_216 }));
        assert_eq!("rabin-16-32-64".parse(), Ok(Chunker::Rabin { min: 16, avg: 32, max: 64 }));
        assert_eq!("rabin-min:16-avg:32-max:64".parse(), Ok(Chunker::Rabin { min: 16, avg: 32, max: 64 }));
        let messages = [
            ("fast", "unrecognized chunker option: fast"),
            ("size-", "strconv.Atoi: parsing \"\": invalid syntax"),
            ("size", "incorrect chunker string format (expected size-{size})"),
            ("size-1-2", "incorrect chunker string format (expected size-{size})"),
            ("size-0", "chunker size must be greater than 0"),
            ("size-x", "strconv.Atoi: parsing \"x\": invalid syntax"),
            ("size-9999999", "chunker parameters may not exceed the maximum chunk size of 2096896"),
            ("rabin-1-2-3", "rabin min must be greater than 16"),
            ("rabin-99-99-100", "incorrect format: rabin-min must be smaller than rabin-avg"),
            ("rabin-max:16-avg:32-max:64", "first label must be min"),
        ];
        for (text, message) in messages {
            assert_eq!(text.parse::<Chunker>().expect_err(text).to_string(), message);
        }
    }
}
