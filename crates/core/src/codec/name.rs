//! Names of codecs, as options (`--cid-codec dag-cbor`) and `cid codecs` use them: the IPLD codes of the multicodec
//! table that Kubo 0.43 lists.

use crate::cid::codec_code as code;

/// Codec numbers and names, by number.
pub const CODECS: &[(u64, &str)] = &[
    (code::CBOR, "cbor"),
    (code::RAW, "raw"),
    (code::DAG_PB, "dag-pb"),
    (code::DAG_CBOR, "dag-cbor"),
    (code::LIBP2P_KEY, "libp2p-key"),
    (code::GIT_RAW, "git-raw"),
    (0x7b, "torrent-info"),
    (0x7c, "torrent-file"),
    (0x80, "blake3-hashseq"),
    (0x81, "leofcoin-block"),
    (0x82, "leofcoin-tx"),
    (0x83, "leofcoin-pr"),
    (code::DAG_JOSE, "dag-jose"),
    (0x86, "dag-cose"),
    (0x90, "eth-block"),
    (0x91, "eth-block-list"),
    (0x92, "eth-tx-trie"),
    (0x93, "eth-tx"),
    (0x94, "eth-tx-receipt-trie"),
    (0x95, "eth-tx-receipt"),
    (0x96, "eth-state-trie"),
    (0x97, "eth-account-snapshot"),
    (0x98, "eth-storage-trie"),
    (0x99, "eth-receipt-log-trie"),
    (0x9a, "eth-receipt-log"),
    (0xb0, "bitcoin-block"),
    (0xb1, "bitcoin-tx"),
    (0xb2, "bitcoin-witness-commitment"),
    (0xc0, "zcash-block"),
    (0xc1, "zcash-tx"),
    (0xd0, "stellar-block"),
    (0xd1, "stellar-tx"),
    (0xe0, "decred-block"),
    (0xe1, "decred-tx"),
    (0xf0, "dash-block"),
    (0xf1, "dash-tx"),
    (0xfa, "swarm-manifest"),
    (0xfb, "swarm-feed"),
    (0xfc, "beeson"),
    (code::DAG_JSON, "dag-json"),
    (0x01f0, "swhid-1-snp"),
    (code::JSON, "json"),
    (0xb403, "rdfc-1"),
    (0xb601, "json-jcs"),
];

/// The codecs whose blocks [`links`](super::links) can read.
pub const SUPPORTED: &[u64] = &[
    code::CBOR,
    code::RAW,
    code::DAG_PB,
    code::DAG_CBOR,
    code::LIBP2P_KEY,
    code::GIT_RAW,
    code::DAG_JOSE,
    code::DAG_JSON,
    code::JSON,
];

/// The number of a name, or of a number written in decimal or as `0x…`.
pub fn codec_of(name: &str) -> Option<u64> {
    let listed = CODECS.iter().find(|(_, listed)| *listed == name).map(|&(number, _)| number);
    listed.or_else(|| match name.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => name.parse().ok(),
    })
}

/// The name of a number.
pub fn name_of(codec: u64) -> Option<&'static str> {
    CODECS.binary_search_by_key(&codec, |&(number, _)| number).ok().and_then(|at| CODECS.get(at)).map(|&(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_reads_both_ways() {
        assert!(CODECS.is_sorted_by(|a, b| a.0 < b.0));
        for &(number, name) in CODECS {
            assert_eq!((codec_of(name), name_of(number)), (Some(number), Some(name)));
        }
        assert_eq!((codec_of("113"), codec_of("0x71"), codec_of("nonsense")), (Some(113), Some(113), None));
        assert_eq!(name_of(0x1234), None);
        assert!(SUPPORTED.iter().all(|&codec| {
            super::super::links(codec, b"")
                .err()
                .is_none_or(|error| !matches!(error, super::super::CodecError::UnknownCodec(_)))
        }));
    }
}
