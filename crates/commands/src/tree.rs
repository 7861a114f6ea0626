//! The list of operations as a tree of words: what the parsers, the help and `commands` walk.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::absent;
use crate::list::{GROUPS, OPS};
use crate::op::AnyOp;
use crate::spec::{GLOBAL, Opt, Place, Spec, Tier};

/// A word of the command line with what hangs below it.
pub struct Node {
    /// Its declaration: an operation's or a group's.
    pub spec: &'static Spec,
    /// The operation, unless this is a group.
    pub op: Option<&'static dyn AnyOp>,
    /// What hangs below, by word.
    pub children: BTreeMap<&'static str, Node>,
}

/// The root: the program itself.
static ROOT: Spec = Spec { about: "A peer of the IPFS network.", ..Spec::GROUP };

/// The tree. Built on first use.
pub fn root() -> &'static Node {
    static TREE: OnceLock<Node> = OnceLock::new();
    TREE.get_or_init(|| {
        let mut root = Node { spec: &ROOT, op: None, children: BTreeMap::new() };
        for group in GROUPS {
            root.insert(group, None);
        }
        for row in absent::list() {
            root.insert(row.spec(), Some(row));
        }
        for op in OPS {
            root.insert(op.spec(), Some(*op));
        }
        root
    })
}

impl Node {
    fn insert(&mut self, spec: &'static Spec, op: Option<&'static dyn AnyOp>) {
        let mut place = self;
        for word in spec.words() {
            place = place.children.entry(word).or_insert(Self { spec: &ROOT, op: None, children: BTreeMap::new() });
        }
        place.spec = spec;
        if op.is_some() {
            place.op = op;
        }
    }

    /// Whether it, or all that hangs below it, is not Kubo's.
    pub fn is_own(&self) -> bool {
        match self.op {
            Some(_) => self.spec.tier == Tier::Own,
            None => !self.children.is_empty() && self.children.values().all(Self::is_own),
        }
    }

    /// The node below with this word.
    pub fn child(&self, word: &str) -> Option<&Self> {
        self.children.get(word)
    }

    /// Whether the path has an endpoint of the RPC.
    pub fn is_remote(&self) -> bool {
        self.op.is_some() && !matches!(self.spec.place, Place::Terminal | Place::Local | Place::Beside | Place::Group)
    }
}

/// The node of a path of words.
pub fn find<'a>(words: impl IntoIterator<Item = &'a str>) -> Option<&'static Node> {
    words.into_iter().try_fold(root(), |node, word| node.child(word))
}

/// The options a path takes: global ones, and those of every word on the way.
pub fn options_of(path: &[&str]) -> Vec<&'static Opt> {
    let mut options: Vec<&'static Opt> = GLOBAL.iter().collect();
    let mut node = root();
    for word in path {
        let Some(next) = node.child(word) else { break };
        node = next;
        options.extend(node.spec.options);
    }
    options
}
