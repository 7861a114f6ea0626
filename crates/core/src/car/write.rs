//! Writing version 1.

use crate::Cid;
use crate::codec::dag_cbor;
use crate::varint;

/// The header of a version 1 archive: length, then `{roots: […], version: 1}` in dag-cbor.
pub fn header(roots: &[Cid]) -> Vec<u8> {
    let mut map = Vec::with_capacity(20 + roots.len() * 41);
    dag_cbor::put_map(2, &mut map);
    dag_cbor::put_text("roots", &mut map);
    dag_cbor::put_list(roots.len(), &mut map);
    roots.iter().for_each(|root| dag_cbor::put_link(root, &mut map));
    dag_cbor::put_text("version", &mut map);
    assert!(dag_cbor::put_int(1, &mut map), "1 is in the range of a number");
    let mut out = Vec::with_capacity(map.len() + varint::VARINT_BYTES_MAX);
    varint::encode(map.len() as u64, &mut out);
    out.extend_from_slice(&map);
    out
}

/// What stands before the bytes of a block: the length of the section and the CID.
pub fn section_head(cid: &Cid, data_bytes: usize) -> Vec<u8> {
    let cid_bytes = cid.encoded_len();
    let mut out = Vec::with_capacity(cid_bytes + varint::VARINT_BYTES_MAX);
    varint::encode((cid_bytes + data_bytes) as u64, &mut out);
    cid.encode(&mut out);
    out
}
