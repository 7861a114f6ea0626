//! Prints the root of a path as `add --only-hash` would: `unixfs_add [options] PATH`, for comparing with other programs.
//!
//! Options: `--raw-leaves --cid-version=1 --chunker=… --trickle --v1-2025 --wrap --hidden --inline --preserve-mode
//! --preserve-mtime --max-file-links=N --max-directory-links=N --mode=OCTAL --progress --all --time --threads=N`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::sync::Arc;

use merkury_core::block::CidFormat;
use merkury_core::{Block, BlockPut, PutError};
use merkury_unixfs::build::{AddEvent, ImportOptions, Importer, Item, Layout, WalkOptions};

struct Nowhere;

impl BlockPut for Nowhere {
    fn put_many(&self, _: Vec<Block>) -> Result<(), PutError> {
        Ok(())
    }

    fn commit(&self) -> Result<(), PutError> {
        Ok(())
    }
}

fn main() {
    let mut options = ImportOptions::default();
    let (mut wrap, mut all, mut time, mut threads) = (false, false, false, None);
    let mut walk = WalkOptions::default();
    let mut paths = Vec::new();
    for argument in std::env::args().skip(1) {
        let (name, value) = argument.split_once('=').unwrap_or((&argument, ""));
        match name {
            "--raw-leaves" => options.raw_leaves = true,
            "--cid-version" => {
                options.cid.format = CidFormat::V1;
                options.raw_leaves = true;
            }
            "--v1-2025" => options = ImportOptions::v1_2025(),
            "--chunker" => options.chunker = value.parse().expect("a value of the option"),
            "--trickle" => options.layout = Layout::Trickle,
            "--wrap" => wrap = true,
            "--all" => all = true,
            "--time" => time = true,
            "--threads" => threads = Some(value.parse().expect("a value of the option")),
            "--progress" => options.progress = true,
            "--hidden" => walk.hidden = true,
            "--inline" => options.cid.inline_bytes_max = Some(32),
            "--max-file-links" => options.file_links_max = value.parse().expect("a value of the option"),
            "--max-directory-links" => {
                options.directory.links_max = Some(value.parse().expect("a value of the option"))
            }
            "--preserve-mode" => options.metadata.preserve_mode = true,
            "--preserve-mtime" => options.metadata.preserve_mtime = true,
            "--mode" => options.metadata.fixed.mode = Some(u32::from_str_radix(value, 8).expect("an octal number")),
            _ => paths.push(argument),
        }
    }
    if options.metadata.any() {
        options.raw_leaves = false;
    }
    let items: Vec<Item<'_>> = paths
        .iter()
        .map(|path| Item::Path {
            name: std::path::Path::new(path).file_name().expect("a path with a name").to_string_lossy().into_owned(),
            path: path.into(),
            walk: walk.clone(),
        })
        .collect();
    let start = std::time::Instant::now();
    let mut importer = Importer::new(Arc::new(Nowhere), options);
    if let Some(threads) = threads {
        importer = importer.threads(threads);
    }
    let result = importer.add_items(items, wrap, &mut |event| match event {
        AddEvent::Added { name, cid, .. } if all => println!("added {cid} {name}"),
        AddEvent::Progress { name, bytes } => eprintln!("{name} {bytes}"),
        AddEvent::Added { .. } => {}
    });
    if time {
        eprintln!("{:?}", start.elapsed());
    }
    match result {
        Ok(added) if !all => added.iter().for_each(|added| println!("{}", added.cid)),
        Ok(_) => {}
        Err(error) => {
            eprintln!("Error: {error}");
            std::process::exit(1);
        }
    }
}
