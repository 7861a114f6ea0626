//! Writes archives of many blocks, for measuring: `make_car OUT KIND BLOCKS [FIRST]`.
//!
//! Blocks are DAG-CBOR with their number in them, beginning with FIRST. KIND is
//! - `tree`: 200 bytes each, below nodes of 1,000 links, one root;
//! - `roots`: 200 bytes each, each a root of the archive;
//! - `dags`: 4 KiB each, in DAGs of 1,000, each DAG a root.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

use merkury_core::block::CidFormat;
use merkury_core::cid::codec_code as code;
use merkury_core::multihash::code::SHA2_256;
use merkury_core::{Block, Cid, car};

type Failure = Box<dyn std::error::Error>;

const TINY_BYTES: u16 = 200;
const PAGE_BYTES: u16 = 4096;
const LINKS: u64 = 1_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "make_car: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<(), Failure> {
    let (out, kind, blocks, first) = match *arguments {
        [out, kind, blocks] => (out, kind, blocks.parse::<u64>()?, 0),
        [out, kind, blocks, first] => (out, kind, blocks.parse()?, first.parse::<u64>()?),
        _ => return Err("usage: make_car OUT tree|roots|dags BLOCKS [FIRST]".into()),
    };
    let numbers = first..first + blocks;
    match kind {
        "tree" => tree(out, numbers),
        "roots" => roots(out, numbers),
        "dags" => dags(out, numbers),
        other => Err(format!("{other} is no kind of archive").into()),
    }
}

fn cbor(data: Vec<u8>) -> Result<Block, Failure> {
    Ok(Block::build(CidFormat::V1, code::DAG_CBOR, SHA2_256, data.into())?)
}

/// A byte string; with its head the block has so many bytes.
fn leaf(number: u64, bytes: u16) -> Result<Block, Failure> {
    // The shortest head for the length: other readers insist on it.
    let (mut data, head_bytes) = match bytes - 2 {
        short @ 24..256 => (vec![0x58, short as u8], 2),
        _ => ([&[0x59][..], &(bytes - 3).to_be_bytes()].concat(), 3),
    };
    data.extend(number.to_be_bytes());
    data.extend(number.to_string().bytes().cycle().take(usize::from(bytes) - head_bytes - 8));
    cbor(data)
}

/// A list of links.
fn node(links: &[Cid]) -> Result<Block, Failure> {
    let mut data = match links.len() {
        len @ 0..24 => vec![0x80 | len as u8],
        len @ 24..256 => vec![0x98, len as u8],
        len => [&[0x99][..], &(len as u16).to_be_bytes()].concat(),
    };
    for cid in links {
        let bytes = cid.to_bytes();
        // Tag 42, a byte string, and the zero byte that stands before a binary CID.
        data.extend([0xd8, 0x2a, 0x58, (bytes.len() + 1) as u8, 0]);
        data.extend(bytes);
    }
    cbor(data)
}

/// The nodes above the leaves.
fn nodes(numbers: std::ops::Range<u64>, bytes: u16) -> Result<Vec<Block>, Failure> {
    let from = numbers.clone().step_by(LINKS as usize);
    from.map(|from| {
        let cids = (from..numbers.end.min(from + LINKS)).map(|n| Ok(leaf(n, bytes)?.cid().clone()));
        node(&cids.collect::<Result<Vec<_>, Failure>>()?)
    })
    .collect()
}

fn names(blocks: &[Block]) -> Vec<Cid> {
    blocks.iter().map(|block| block.cid().clone()).collect()
}

fn put(out: &mut impl Write, block: &Block) -> Result<(), Failure> {
    out.write_all(&car::section_head(block.cid(), block.data().len()))?;
    Ok(out.write_all(block.data())?)
}

fn begin(path: &str, roots: &[Cid]) -> Result<BufWriter<File>, Failure> {
    let mut out = BufWriter::new(File::create(path)?);
    out.write_all(&car::header(roots))?;
    Ok(out)
}

// Roots stand in the header, so all is made twice: names first.

fn tree(path: &str, mut numbers: std::ops::Range<u64>) -> Result<(), Failure> {
    let nodes = nodes(numbers.clone(), TINY_BYTES)?;
    let top = node(&names(&nodes))?;
    let mut out = begin(path, &[top.cid().clone()])?;
    put(&mut out, &top)?;
    nodes.iter().try_for_each(|node| put(&mut out, node))?;
    numbers.try_for_each(|n| put(&mut out, &leaf(n, TINY_BYTES)?))?;
    Ok(out.flush()?)
}

fn roots(path: &str, mut numbers: std::ops::Range<u64>) -> Result<(), Failure> {
    let cids = numbers.clone().map(|n| Ok(leaf(n, TINY_BYTES)?.cid().clone())).collect::<Result<Vec<_>, Failure>>()?;
    let mut out = begin(path, &cids)?;
    numbers.try_for_each(|n| put(&mut out, &leaf(n, TINY_BYTES)?))?;
    Ok(out.flush()?)
}

fn dags(path: &str, numbers: std::ops::Range<u64>) -> Result<(), Failure> {
    let nodes = nodes(numbers.clone(), PAGE_BYTES)?;
    let mut out = begin(path, &names(&nodes))?;
    for (node, from) in nodes.iter().zip(numbers.clone().step_by(LINKS as usize)) {
        put(&mut out, node)?;
        (from..numbers.end.min(from + LINKS)).try_for_each(|n| put(&mut out, &leaf(n, PAGE_BYTES)?))?;
    }
    Ok(out.flush()?)
}
