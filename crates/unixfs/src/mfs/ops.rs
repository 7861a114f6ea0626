//! The operations.

use bytes::Bytes;
use merkury_core::{Block, Cid};

use super::edit::FileEdit;
use super::{Mfs, MfsError, MfsPath, cid_options_of};
use crate::build::{CidOptions, NodeSink};
use crate::dir::{DirEntry, Directory, NodeLink, find_in_block};
use crate::meta::Metadata;
use crate::node::{Node, NodeType};

/// A node at a path.
#[derive(Clone, Debug)]
pub struct MfsNode {
    /// Its block.
    pub block: Block,
    /// What is in it.
    pub node: Node,
}

impl MfsNode {
    fn of_block(block: Block) -> Result<Self, MfsError> {
        Ok(Self { node: Node::of_block(&block)?, block })
    }

    fn is_directory(&self) -> bool {
        self.node.node_type() == Some(NodeType::Directory)
    }

    /// What a directory needs to link to it.
    fn link(&self) -> NodeLink {
        NodeLink { cid: self.block.cid().clone(), tsize: self.node.cumulative_bytes(self.block.data().len()) }
    }
}

/// How to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// First byte to write.
    pub offset: u64,
    /// Make the file when it is missing.
    pub create: bool,
    /// Make missing parents.
    pub parents: bool,
    /// Cut the file to nothing first.
    pub truncate: bool,
    /// Write at most so many bytes.
    pub count: Option<u64>,
    /// Plain leaves for new parts; `None`: as [`MfsOptions`](super::MfsOptions) and the file say.
    pub raw_leaves: Option<bool>,
    /// Names of a new file and new parents; `None`: as [`MfsOptions`](super::MfsOptions) says.
    pub cid: Option<CidOptions>,
}

/// The directories from the root to the one that is changed.
struct Chain {
    dirs: Vec<OpenDir>,
}

struct OpenDir {
    name: String,
    dir: Directory,
    cid: CidOptions,
}

impl Mfs {
    /// The node at a path.
    pub async fn look_up(&self, path: &MfsPath) -> Result<MfsNode, MfsError> {
        let mut at = MfsNode::of_block(self.get.get(&self.root).await?)?;
        for (index, name) in path.names().iter().enumerate() {
            if !at.is_directory() {
                return Err(MfsError::NotADirectory(path.names()[..=index].join("/")));
            }
            let found = find_in_block(&*self.get, &at.block, name.as_bytes(), &mut Vec::new()).await?;
            let entry = found.ok_or(MfsError::NotFound)?;
            at = MfsNode::of_block(self.get.get(&entry.cid).await?)?;
        }
        Ok(at)
    }

    /// Makes a directory; with `parents` also those on the way, and it may be there already.
    pub async fn mkdir(&mut self, path: &MfsPath, parents: bool, cid: Option<CidOptions>) -> Result<(), MfsError> {
        let Some((above, name)) = path.split() else {
            return if parents { Ok(()) } else { Err(MfsError::RootExists) };
        };
        let cid = cid.unwrap_or(self.options.cid);
        let mut chain = self.open(above, parents.then_some(cid)).await?;
        match chain.find(self, name).await? {
            None => {}
            Some(entry) => {
                let there = MfsNode::of_block(self.get.get(&entry.cid).await?)?;
                return if parents && there.is_directory() { Ok(()) } else { Err(MfsError::Exists) };
            }
        }
        chain.enter_new(name, cid, self);
        self.close(chain).await
    }

    /// Writes bytes into a file, in pieces; memory does not grow with their number.
    pub async fn write(
        &mut self,
        path: &MfsPath,
        data: &mut (dyn std::io::Read + Send),
        options: &WriteOptions,
    ) -> Result<(), MfsError> {
        let Some((above, name)) = path.split() else { return Err(MfsError::NotAFile(path.to_string())) };
        let cid = options.cid.unwrap_or(self.options.cid);
        let mut chain = self.open(above, options.parents.then_some(cid)).await?;
        let mut edit = match chain.find(self, name).await? {
            Some(entry) => {
                let file = MfsNode::of_block(self.get.get(&entry.cid).await?)?;
                match file.node.node_type() {
                    Some(NodeType::File) => {}
                    Some(NodeType::Symlink) => return Err(MfsError::Path("symlinks not yet supported")),
                    _ => return Err(MfsError::NotAFile(path.to_string())),
                }
                let cid = cid_options_of(&entry.cid, self.options.cid);
                FileEdit::new(self, file.node, cid, options.raw_leaves)
            }
            None if options.create => FileEdit::empty(self, cid, options.raw_leaves),
            None => return Err(MfsError::NotFound),
        };
        if options.truncate {
            edit.truncate(0).await?;
        }
        edit.write(options.offset, data, options.count).await?;
        let link = edit.finish().await?;
        chain.put(self, name, link).await?;
        self.close(chain).await
    }

    /// Cuts or extends a file.
    pub async fn truncate(&mut self, path: &MfsPath, bytes: u64) -> Result<(), MfsError> {
        let Some((above, name)) = path.split() else { return Err(MfsError::NotAFile(path.to_string())) };
        let file = self.look_up(path).await?;
        if file.node.node_type() != Some(NodeType::File) {
            return Err(MfsError::NotAFile(path.to_string()));
        }
        let cid = cid_options_of(file.block.cid(), self.options.cid);
        let mut edit = FileEdit::new(self, file.node, cid, None);
        edit.truncate(bytes).await?;
        let link = edit.finish().await?;
        let mut chain = self.open(above, None).await?;
        chain.put(self, name, link).await?;
        self.close(chain).await
    }

    /// Puts a node at a path without copying what is below it. In a target that ends with a slash it is called `name`.
    /// `parents`: missing directories are made, named by `cid`. `replace`: a file that is there goes.
    pub async fn put(
        &mut self,
        node: &Block,
        target: &MfsPath,
        name: &str,
        parents: bool,
        replace: bool,
        cid: Option<CidOptions>,
    ) -> Result<(), MfsError> {
        let node = MfsNode::of_block(node.clone())?;
        let target = if target.has_slash() || target.is_root() { target.join(name) } else { target.clone() };
        let Some((above, name)) = target.split() else { return Err(MfsError::RootExists) };
        let mut chain = self.open(above, parents.then_some(cid.unwrap_or(self.options.cid))).await?;
        if let Some(old) = chain.find(self, name).await? {
            let is_file = !MfsNode::of_block(self.get.get(&old.cid).await?)?.is_directory();
            if !(replace && is_file) {
                return Err(MfsError::EntryExists);
            }
        }
        chain.put(self, name, node.link()).await?;
        self.close(chain).await
    }

    /// Moves or renames. A file at the target is replaced; into a directory at the target it goes under its own name.
    pub async fn rename(&mut self, source: &MfsPath, target: &MfsPath) -> Result<(), MfsError> {
        let node = self.look_up(source).await?;
        let Some((_, own_name)) = source.split() else { return Err(MfsError::IntoItself("/".into())) };
        let mut target = if target.has_slash() { target.join(own_name) } else { target.clone() };
        if target.names() == source.names() {
            return Ok(());
        }
        let there = match self.look_up(&target).await {
            Ok(there) => Some(there),
            Err(MfsError::NotFound) => None,
            Err(error) => return Err(error),
        };
        let is_directory = there.as_ref().is_some_and(MfsNode::is_directory);
        if is_directory {
            target = target.join(own_name);
        }
        if target.names() == source.names() {
            return Err(MfsError::EntryExists);
        }
        if target.names().starts_with(source.names()) {
            return Err(MfsError::IntoItself(source.to_string()));
        }
        let before = self.root.clone();
        let moved = self.move_node(&node, source, &target, there.is_some() && !is_directory).await;
        if moved.is_err() {
            self.root = before;
        }
        moved
    }

    async fn move_node(
        &mut self,
        node: &MfsNode,
        source: &MfsPath,
        target: &MfsPath,
        replace: bool,
    ) -> Result<(), MfsError> {
        self.put(&node.block, target, "", false, replace, None).await?;
        self.unlink(source).await
    }

    /// Removes a path. `force`: what cannot be read goes too, and what is not there is no error.
    pub async fn remove(&mut self, path: &MfsPath, recursive: bool, force: bool) -> Result<(), MfsError> {
        if path.is_root() {
            return Err(MfsError::RemoveRoot);
        }
        if !force {
            let node = self.look_up(path).await?;
            if node.is_directory() && !recursive {
                return Err(MfsError::IsDirectory);
            }
        }
        match self.unlink(path).await {
            Err(MfsError::NotFound) if force => Ok(()),
            done => done,
        }
    }

    /// Sets mode and time of a node; `None` leaves what is there.
    pub async fn set_metadata(&mut self, path: &MfsPath, meta: Metadata) -> Result<(), MfsError> {
        let node = self.look_up(path).await?;
        if node.is_directory() {
            let mut chain = self.open(path.names(), None).await?;
            let dir = &mut chain.last_mut()?.dir;
            let old = dir.metadata();
            dir.set_metadata(Metadata { mode: meta.mode.or(old.mode), mtime: meta.mtime.or(old.mtime) });
            return self.close(chain).await;
        }
        let Some((above, name)) = path.split() else { return Err(MfsError::NotFound) };
        let cid = cid_options_of(node.block.cid(), self.options.cid);
        let link = FileEdit::new(self, node.node, cid, None).with_metadata(meta)?;
        let mut chain = self.open(above, None).await?;
        chain.put(self, name, link).await?;
        self.close(chain).await
    }

    async fn unlink(&mut self, path: &MfsPath) -> Result<(), MfsError> {
        let Some((above, name)) = path.split() else { return Err(MfsError::RemoveRoot) };
        let mut chain = self.open(above, None).await?;
        let get = self.get.clone();
        let removed = chain.last_mut()?.dir.remove(&*get, name.as_bytes()).await?;
        removed.ok_or(MfsError::NotFound)?;
        self.close(chain).await
    }

    /// Reads the directories on the way to `names`; with `make` missing ones are made.
    async fn open(&self, names: &[String], make: Option<CidOptions>) -> Result<Chain, MfsError> {
        let mut chain = Chain { dirs: Vec::new() };
        // The root is named as the options say, whatever it was before; others keep their way.
        chain.enter("", self.get.get(&self.root).await?, self)?;
        chain.last_mut()?.cid = self.options.cid;
        for (index, name) in names.iter().enumerate() {
            match (chain.find(self, name).await?, make) {
                (Some(entry), _) => {
                    let block = self.get.get(&entry.cid).await?;
                    if !MfsNode::of_block(block.clone())?.is_directory() {
                        return Err(MfsError::NotADirectory(names[..=index].join("/")));
                    }
                    chain.enter(name, block, self)?;
                }
                (None, Some(cid)) => chain.enter_new(name, cid, self),
                (None, None) => return Err(MfsError::NotFound),
            }
        }
        Ok(chain)
    }

    /// Writes the directories of a chain, innermost first, and makes the outermost the root.
    async fn close(&mut self, mut chain: Chain) -> Result<(), MfsError> {
        let put = self.put.clone();
        let mut sink = NodeSink::new(&*put, self.options.cid);
        while let Some(open) = chain.dirs.pop() {
            sink.set_cid_options(open.cid);
            let link = open.dir.write(&mut sink)?;
            match chain.dirs.last_mut() {
                Some(parent) => {
                    let entry = DirEntry { name: open.name.into(), cid: link.cid, tsize: link.tsize };
                    // A parent that shrinks to a plain directory reads its shards: they must be there.
                    sink.flush()?;
                    parent.dir.insert(&*self.get, entry).await?;
                }
                None => {
                    sink.flush()?;
                    self.root = link.cid;
                }
            }
        }
        Ok(())
    }
}

impl Chain {
    fn last_mut(&mut self) -> Result<&mut OpenDir, MfsError> {
        self.dirs.last_mut().ok_or(MfsError::NotFound)
    }

    async fn find(&mut self, mfs: &Mfs, name: &str) -> Result<Option<DirEntry>, MfsError> {
        Ok(self.last_mut()?.dir.find(&*mfs.get, name.as_bytes()).await?)
    }

    async fn put(&mut self, mfs: &Mfs, name: &str, link: NodeLink) -> Result<(), MfsError> {
        let name = Bytes::copy_from_slice(name.as_bytes());
        let entry = DirEntry { name, cid: link.cid, tsize: link.tsize };
        self.last_mut()?.dir.insert(&*mfs.get, entry).await?;
        Ok(())
    }

    fn enter(&mut self, name: &str, block: Block, mfs: &Mfs) -> Result<(), MfsError> {
        let dir = Directory::of_block(&block, mfs.options.directory)?;
        let cid: &Cid = block.cid();
        self.dirs.push(OpenDir { name: name.to_owned(), dir, cid: cid_options_of(cid, mfs.options.cid) });
        Ok(())
    }

    fn enter_new(&mut self, name: &str, cid: CidOptions, mfs: &Mfs) {
        let dir = Directory::new(mfs.options.directory, Metadata::default());
        self.dirs.push(OpenDir { name: name.to_owned(), dir, cid });
    }
}
