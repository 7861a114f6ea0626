//! The operations.

use merkury_core::Block;

use super::edit::FileEdit;
use super::tree::OnFile;
use super::{Mfs, MfsError, MfsPath, cid_options_of};
use crate::build::CidOptions;
use crate::dir::{NodeLink, find_in_block};
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
    pub(super) fn of_block(block: Block) -> Result<Self, MfsError> {
        Ok(Self { node: Node::of_block(&block)?, block })
    }

    pub(super) fn is_directory(&self) -> bool {
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

impl Mfs {
    /// The node at a path. While a batch holds ([`Mfs::hold`]) only [`Mfs::look_up_mut`] sees its changes.
    pub async fn look_up(&self, path: &MfsPath) -> Result<MfsNode, MfsError> {
        let root = MfsNode::of_block(self.get.get(&self.root).await?)?;
        self.look_up_below(root, path.names(), 0).await
    }

    /// The node at a path, with what a batch has changed so far.
    pub async fn look_up_mut(&mut self, path: &MfsPath) -> Result<MfsNode, MfsError> {
        if self.is_holding { self.look_up_held(path.names()).await } else { self.look_up(path).await }
    }

    /// Goes on from `at`, which is reached by the first `depth` of `names`.
    pub(super) async fn look_up_below(
        &self,
        mut at: MfsNode,
        names: &[String],
        depth: usize,
    ) -> Result<MfsNode, MfsError> {
        for (index, name) in names.iter().enumerate().skip(depth) {
            if !at.is_directory() {
                return Err(MfsError::NotADirectory(names[..=index].join("/")));
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
        let mut chain = self.open_or_make(above, parents.then_some(cid), MfsError::WasNotADirectory).await?;
        match chain.enter(self, name).await? {
            None => chain.enter_new(self, name, cid).await?,
            Some(true) if parents => {}
            Some(_) => return Err(MfsError::Exists),
        }
        self.close(chain).await
    }

    /// Writes bytes into a file, in pieces; memory does not grow with their number.
    pub async fn write(
        &mut self,
        path: &MfsPath,
        data: &mut (dyn std::io::Read + Send),
        options: &WriteOptions,
    ) -> Result<(), MfsError> {
        let Some((above, name)) = path.split() else { return Err(MfsError::NotAFile(path.shown())) };
        let cid = options.cid.unwrap_or(self.options.cid);
        let mut chain = if options.parents && !above.is_empty() {
            self.open_or_make(above, Some(cid), |_| MfsError::Exists).await?
        } else {
            self.open(above, OnFile::Access(name)).await?
        };
        let mut edit = match chain.find(self, name).await? {
            Some(entry) => {
                let file = MfsNode::of_block(self.get.get(&entry.cid).await?)?;
                match file.node.node_type() {
                    Some(NodeType::File) => {}
                    Some(NodeType::Symlink) => return Err(MfsError::Path("symlinks not yet supported")),
                    _ => return Err(MfsError::NotAFile(path.shown())),
                }
                let cid = cid_options_of(&entry.cid, self.options.cid);
                FileEdit::new(self, file.node, cid, options.raw_leaves)
            }
            // With a slash at its end it would be a directory.
            None if options.create && !path.has_slash() => FileEdit::empty(self, cid, options.raw_leaves),
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
        let Some((above, name)) = path.split() else { return Err(MfsError::NotAFile(path.shown())) };
        let file = self.look_up_mut(path).await?;
        if file.node.node_type() != Some(NodeType::File) {
            return Err(MfsError::NotAFile(path.shown()));
        }
        let cid = cid_options_of(file.block.cid(), self.options.cid);
        let mut edit = FileEdit::new(self, file.node, cid, None);
        edit.truncate(bytes).await?;
        let link = edit.finish().await?;
        let mut chain = self.open(above, OnFile::Access(name)).await?;
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
        let mut chain = if parents && !above.is_empty() {
            self.open_or_make(above, Some(cid.unwrap_or(self.options.cid)), |_| MfsError::Exists).await?
        } else {
            self.open(above, OnFile::Parent).await.map_err(|error| error.of_replacing(replace))?
        };
        if let Some(old) = chain.find(self, name).await? {
            let is_file = !MfsNode::of_block(self.get.get(&old.cid).await?)?.is_directory();
            if replace && !is_file {
                return Err(MfsError::Replace(format!("not a file: {target}")));
            }
            if !replace {
                return Err(MfsError::EntryExists);
            }
        }
        chain.put(self, name, node.link()).await?;
        self.close(chain).await
    }

    /// Moves or renames. A file at the target is replaced; into a directory at the target it goes under its own name.
    pub async fn rename(&mut self, source: &MfsPath, target: &MfsPath) -> Result<(), MfsError> {
        // With a slash at its end a source has no name; that shows after the target was looked at.
        let own_name = source.split().filter(|_| !source.has_slash()).map(|(_, name)| name);
        let into = target.has_slash() || target.is_root();
        let mut target = if into { target.join(own_name.unwrap_or_default()) } else { target.clone() };
        let above_target = target.split().map(|(above, _)| above).unwrap_or_default();
        let chain = self.open(above_target, OnFile::Parent).await?;
        self.put_back(chain);
        let Some(own_name) = own_name else { return Err(MfsError::NotFound) };
        let above_source = source.split().map(|(above, _)| above).unwrap_or_default();
        let chain = self.open(above_source, OnFile::Parent).await?;
        self.put_back(chain);
        let node = self.look_up_mut(source).await?;
        if target.names() == source.names() {
            return Ok(());
        }
        let there = match self.look_up_mut(&target).await {
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
        let Some((above, name)) = path.split() else { return Err(MfsError::RemoveRoot) };
        let mut chain = match self.open(above, OnFile::Removing).await {
            Err(MfsError::NotFound) if force => return Ok(()),
            opened => opened?,
        };
        if !force {
            let entry = chain.find(self, name).await?.ok_or(MfsError::NotFound)?;
            let node = MfsNode::of_block(self.get.get(&entry.cid).await?)?;
            if node.is_directory() && !recursive {
                return Err(MfsError::IsDirectory);
            }
        }
        if !chain.remove(self, name).await? {
            self.put_back(chain);
            return if force { Ok(()) } else { Err(MfsError::NotFound) };
        }
        self.close(chain).await
    }

    /// Names a directory, and what it becomes, another way.
    pub async fn set_cid_options(&mut self, path: &MfsPath, cid: CidOptions) -> Result<(), MfsError> {
        let node = self.look_up_mut(path).await?;
        if !node.is_directory() {
            return Err(MfsError::OnlyDirectories);
        }
        let mut chain = self.open(path.names(), OnFile::Parent).await?;
        chain.last_mut()?.cid = cid;
        self.close(chain).await
    }

    /// Sets mode and time of a node; `None` leaves what is there.
    pub async fn set_metadata(&mut self, path: &MfsPath, meta: Metadata) -> Result<(), MfsError> {
        let node = self.look_up_mut(path).await?;
        if node.is_directory() {
            let mut chain = self.open(path.names(), OnFile::Parent).await?;
            let dir = &mut chain.last_mut()?.dir;
            let old = dir.metadata();
            dir.set_metadata(Metadata { mode: meta.mode.or(old.mode), mtime: meta.mtime.or(old.mtime) });
            return self.close(chain).await;
        }
        let Some((above, name)) = path.split() else { return Err(MfsError::NotFound) };
        let cid = cid_options_of(node.block.cid(), self.options.cid);
        let link = FileEdit::new(self, node.node, cid, None).with_metadata(meta)?;
        let mut chain = self.open(above, OnFile::Access(name)).await?;
        chain.put(self, name, link).await?;
        self.close(chain).await
    }

    async fn unlink(&mut self, path: &MfsPath) -> Result<(), MfsError> {
        let Some((above, name)) = path.split() else { return Err(MfsError::RemoveRoot) };
        let mut chain = self.open(above, OnFile::Removing).await?;
        if !chain.remove(self, name).await? {
            return Err(MfsError::NotFound);
        }
        self.close(chain).await
    }
}
