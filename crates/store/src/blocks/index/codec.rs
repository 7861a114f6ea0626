//! The codecs the index tells apart.

use merkury_core::cid::codec_code as code;

/// A codec, as far as links depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum Codec {
    /// Raw bytes, keys, git objects, unknown codecs: no links are read.
    Leaf = 0,
    DagPb = 1,
    DagCbor = 2,
    DagJson = 3,
    DagJose = 4,
}

impl Codec {
    pub(crate) fn of(codec: u64) -> Self {
        match codec {
            code::DAG_PB => Self::DagPb,
            code::DAG_CBOR => Self::DagCbor,
            code::DAG_JSON => Self::DagJson,
            code::DAG_JOSE => Self::DagJose,
            _ => Self::Leaf,
        }
    }

    /// The codec's number, for decoding links.
    pub(crate) fn code(self) -> u64 {
        match self {
            Self::Leaf => code::RAW,
            Self::DagPb => code::DAG_PB,
            Self::DagCbor => code::DAG_CBOR,
            Self::DagJson => code::DAG_JSON,
            Self::DagJose => code::DAG_JOSE,
        }
    }

    pub(super) fn from_bits(bits: u32) -> Self {
        match bits {
            1 => Self::DagPb,
            2 => Self::DagCbor,
            3 => Self::DagJson,
            4 => Self::DagJose,
            _ => Self::Leaf,
        }
    }
}
