//! Messages of peers: whatever the bytes, a typed error or a message within its limits.

use bytes::Bytes;
use merkury_bitswap::Message;
use merkury_bitswap::limits::ENTRIES_PER_MESSAGE_MAX;
use merkury_testkit::fuzz::Fuzz;

#[test]
fn messages() {
    let cid = [&[1, 0x55, 0x12, 0x20][..], &[7; 32]].concat();
    let field = |number: u8, bytes: &[u8]| [&[number << 3 | 2, bytes.len() as u8][..], bytes].concat();
    let entry = [field(1, &cid), vec![0x10, 1, 0x20, 1, 0x28, 1]].concat();
    let wants = field(1, &field(1, &entry));
    let blocks = field(3, &[field(1, &[1, 0x55, 0x12, 0x20]), field(2, b"some bytes")].concat());
    let presences = field(4, &[field(1, &cid), vec![0x10, 1]].concat());
    Fuzz::new("message", env!("CARGO_MANIFEST_DIR"))
        .seed(wants.clone())
        .seed(blocks.clone())
        .seed([wants, blocks, presences, vec![0x28, 9]].concat())
        .tokens(&[&cid, &[0x0a], &[0x12], &[0x1a], &[0x22], &[0x28], &[1, 0x55, 0, 0x7f]])
        .run(|bytes| {
            let length = format!("{:?}", Message::decode_length(bytes).map(|length| length.is_some()));
            match Message::decode(&Bytes::copy_from_slice(bytes)) {
                Ok(message) => {
                    let (wants, blocks) = (message.entries.len(), message.blocks.len());
                    assert!(wants <= ENTRIES_PER_MESSAGE_MAX);
                    format!("{length} {wants} wants {blocks} blocks")
                }
                Err(error) => format!("{length} {error}"),
            }
        });
}
