//! Byte strings that lie where they are kept, as long as they are short.
//!
//! A million pins are a million keys of 36 bytes with values of one or two: in boxes they took twice the memory, and reading
//! them back was four fifths waiting for it.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::ops::Deref;

/// Bytes: up to `N` of them in place, more in a box.
#[derive(Clone)]
pub(super) enum Short<const N: usize> {
    /// The first so many are meant.
    Here(u8, [u8; N]),
    /// Longer.
    There(Box<[u8]>),
}

/// A key: the CIDs of SHA-256 have 36 bytes.
pub(super) type Key = Short<38>;
/// A value: a pin without a name has one byte.
pub(super) type Value = Short<22>;

impl<const N: usize> From<&[u8]> for Short<N> {
    fn from(bytes: &[u8]) -> Self {
        const { assert!(N <= u8::MAX as usize, "the length has one byte") };
        let mut here = [0; N];
        match here.get_mut(..bytes.len()) {
            Some(place) => {
                place.copy_from_slice(bytes);
                Self::Here(bytes.len() as u8, here)
            }
            None => Self::There(bytes.into()),
        }
    }
}

impl<const N: usize> Deref for Short<N> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Here(len, bytes) => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Self::There(bytes) => bytes,
        }
    }
}

// Equality and order are those of the bytes, as `Borrow` requires.

impl<const N: usize> Borrow<[u8]> for Short<N> {
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl<const N: usize> PartialEq for Short<N> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<const N: usize> Eq for Short<N> {}

impl<const N: usize> PartialOrd for Short<N> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<const N: usize> Ord for Short<N> {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, Short, Value};

    #[test]
    fn bytes_come_back_at_every_length_and_keep_their_order() {
        let all: Vec<Vec<u8>> = (0..10).map(|len| (0..len).map(|n| 9 - n).collect()).collect();
        for a in &all {
            let short = Short::<4>::from(a.as_slice());
            assert_eq!(*short, **a);
            for b in &all {
                assert_eq!(short.cmp(&Short::from(b.as_slice())), a.cmp(b));
            }
        }
    }

    #[test]
    fn a_pin_takes_64_bytes() {
        assert_eq!((size_of::<Key>(), size_of::<Value>(), size_of::<Option<Value>>()), (40, 24, 24));
    }
}
