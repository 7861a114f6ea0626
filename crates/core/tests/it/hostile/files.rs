//! UnixFS: files, directories, shards, symlinks.

use bytes::Bytes;
use merkury_core::codec::unixfs::{self, UnixFs};

use super::Expect::{self, Accept, Reject};
use super::{check, leaf, pb_bytes, pb_int, pb_link};

const MURMUR3: u64 = 0x22;

fn check_node(id: &str, input: Vec<u8>, expect: Expect) {
    let block = Bytes::from(input);
    check(id, &block, expect, |_| UnixFs::of_block(&block));
}

fn shard(fanout: u64, bitfield: &[u8]) -> Vec<u8> {
    pb_bytes(1, &[pb_int(1, 5), pb_bytes(2, bitfield), pb_int(5, MURMUR3), pb_int(6, fanout)].concat())
}

#[test]
fn shards() {
    // CVE-2023-23625, CVE-2023-23626, CVE-2023-23631.
    let shards: [(&str, u64, &[u8]); 7] = [
        ("fanout_0", 0, &[1]),
        ("fanout_neg", (-8i64) as u64, &[1]),
        ("fanout_7", 7, &[0x7f]),
        ("fanout_1032", 1032, &[0xff; 129]),
        ("fanout_2e62", 1 << 62, &[1]),
        ("bitfield_long", 256, &[0xff; 4096]),
        ("bitfield_more_bits_than_links", 256, &[0xff; 32]),
    ];
    let link = pb_link(&leaf(), b"00x", 0);
    for (id, fanout, bitfield) in shards {
        check_node(&format!("hamt_{id}"), [link.clone(), shard(fanout, bitfield)].concat(), Reject);
    }
    check_node("hamt_name_short", [pb_link(&leaf(), b"0", 0), shard(256, &[1])].concat(), Reject);
    check_node("hamt_no_data", link.clone(), Reject);
    check_node("a good shard", [link.clone(), shard(256, &[1])].concat(), Accept);
    check_node("another slot", [link, shard(256, &[2])].concat(), Reject);
    check_node("lower case", [pb_link(&leaf(), b"aax", 0), shard(256, &[4, 0, 0, 0])].concat(), Reject);
    check_node("an entry that leaves", [pb_link(&leaf(), b"00..", 0), shard(256, &[1])].concat(), Reject);
}

#[test]
fn files() {
    let file = |size: u64, sizes: &[u64]| {
        let sizes: Vec<u8> = sizes.iter().flat_map(|&size| pb_int(4, size)).collect();
        pb_bytes(1, &[pb_int(1, 2), pb_int(3, size), sizes].concat())
    };
    let link = pb_link(&leaf(), b"", 0);
    check_node("file_blocksizes_mismatch", [link.clone(), file(10, &[1, 2, 3])].concat(), Reject);
    check_node("file_size_2e63", [link.clone(), file(1 << 63, &[1 << 63])].concat(), Reject);
    check_node("a good file", [link, file(4, &[4])].concat(), Accept);
}

#[test]
fn directories() {
    let directory = |names: &[&[u8]]| {
        let links: Vec<u8> = names.iter().flat_map(|name| pb_link(&leaf(), name, 0)).collect();
        [links, pb_bytes(1, &pb_int(1, 1))].concat()
    };
    // CVE-2020-26279.
    let bad: [&[u8]; 9] = [b"..", b".", b"a/b", b"../../x", b"\0", b"C:\\x", b"con", b"a\\..\\b", b""];
    check_node("dir_dotdot_names", directory(&bad), Reject);
    for name in &bad[..5] {
        check("dir_dotdot_names, exported", name, Reject, unixfs::check_file_name);
    }
    // CVE-2020-26283: shown with care, but readable.
    check_node("dir_terminal_escape", directory(&[b"\x1b[2J\x1b]0;pwn\x07\x9b31m\xe2\x80\xaetxt"]), Accept);
    check_node("dir_html_name", directory(&[br#""><script>alert(1)</script>"#]), Accept);
}

#[test]
fn symlinks() {
    let symlink = |target: &[u8]| pb_bytes(1, &[pb_int(1, 4), pb_bytes(2, target)].concat());
    check_node("symlink_etc_passwd", symlink(b"/etc/passwd"), Accept);
    check_node("symlink_loop", symlink(b"."), Accept);
    check_node("no target", pb_bytes(1, &pb_int(1, 4)), Reject);
    check_node("a target longer than any path", symlink(&[b'a'; 65_537]), Reject);
}
