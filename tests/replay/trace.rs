//! The history in terms of files: a name is only an entry in a folder, and what was written to a file stays with it.

use std::collections::{BTreeMap, HashMap};

use super::log::{self, Op};

/// A file or folder, whatever its name.
pub(crate) type Node = usize;
/// The folder that holds the recorded one.
pub(crate) const TOP: Node = 0;

const O_TRUNC: u64 = 0o1000;
const KEEP_SIZE: u64 = 1;
const PUNCH_HOLE: u64 = 2;
const ZERO_RANGE: u64 = 16;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// A name came to be; the file or folder with it, if it is its first.
    Name {
        folder: Node,
        name: String,
        node: Node,
        is_folder: bool,
    },
    /// A name moved, over another perhaps.
    Rename {
        from: (Node, String),
        to: (Node, String),
        node: Node,
    },
    /// A name went.
    Remove { folder: Node, name: String },
    /// A file got this length; with `grow`, at least this length.
    Resize { node: Node, length: u64, grow: bool },
    /// Data.
    Write { node: Node, at: u64, bytes: Vec<u8> },
    /// `fsync`.
    Sync { node: Node },
    /// `fdatasync`.
    SyncData { node: Node },
    /// A name below the other folder went: that is another disk, where all is done at once.
    Retired { path: String },
    /// Said on stderr.
    Said(String),
    /// Done by the test.
    Note(String),
}

impl Event {
    /// Changes names or lengths, not data.
    pub(crate) fn is_meta(&self) -> bool {
        matches!(
            self,
            Self::Name { .. } | Self::Rename { .. } | Self::Remove { .. } | Self::Resize { .. }
        )
    }
}

/// A recorded history of one folder.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    /// What happened, in order.
    pub(crate) events: Vec<Event>,
    /// Where each ends in the log.
    pub(crate) ends: Vec<u64>,
    folders: BTreeMap<Node, BTreeMap<String, Node>>,
    nodes: usize,
    handles: HashMap<u64, Node>,
}

impl Trace {
    /// Reads a log. `root` is the folder whose disk is cut; changes elsewhere are those of the other disk.
    pub(crate) fn read(log: &[u8], root: &str) -> Self {
        Self::of(log::read(log), root)
    }

    pub(crate) fn of(ops: impl IntoIterator<Item = (u64, Op)>, root: &str) -> Self {
        let mut trace = Self {
            nodes: 1,
            folders: BTreeMap::from([(TOP, BTreeMap::new())]),
            ..Self::default()
        };
        for (end, op) in ops {
            trace.add(op, root);
            trace.ends.resize(trace.events.len(), end);
        }
        trace
    }

    /// The points that are worth a cut: before and after each sync, and after each word that was said.
    pub(crate) fn cuts(&self) -> Vec<usize> {
        let mut cuts = Vec::new();
        for (nth, event) in self.events.iter().enumerate() {
            match event {
                Event::Sync { .. } | Event::SyncData { .. } => cuts.extend([nth, nth + 1]),
                Event::Said(_) => cuts.push(nth + 1),
                _ => {}
            }
        }
        cuts.dedup();
        cuts
    }

    fn add(&mut self, op: Op, root: &str) {
        match op {
            Op::Start => self.handles.clear(),
            Op::Open { handle, flags, path } => self.open(handle, flags, &path, root),
            Op::Write { handle, at, bytes } => {
                if let Some(node) = self.handles.get(&handle).copied() {
                    self.events.push(Event::Write { node, at, bytes });
                }
            }
            Op::Truncate { handle, length } => self.resize(handle, length, false),
            Op::Allocate {
                handle,
                mode,
                at,
                length,
            } => match mode {
                0 => self.resize(handle, at + length, true),
                KEEP_SIZE => {}
                mode if mode & (PUNCH_HOLE | ZERO_RANGE) != 0 => {
                    if let Some(node) = self.handles.get(&handle).copied() {
                        let bytes = vec![0; length as usize];
                        self.events.push(Event::Write { node, at, bytes });
                    }
                }
                mode => panic!("fallocate with mode {mode} is not modelled"),
            },
            Op::Sync { handle } => {
                let node = self.handles.get(&handle).copied();
                self.events.extend(node.map(|node| Event::Sync { node }));
            }
            Op::SyncData { handle } => {
                let node = self.handles.get(&handle).copied();
                self.events.extend(node.map(|node| Event::SyncData { node }));
            }
            Op::SyncRange => {}
            Op::Rename { from, to } => match (self.place(&from, root), self.place(&to, root)) {
                (Some(from), Some(to)) => self.rename(from, to),
                _ => self.events.push(Event::Retired { path: from }),
            },
            Op::Link { from, to } => {
                let node = self
                    .place(&from, root)
                    .and_then(|(folder, name)| self.find(folder, &name));
                if let (Some(node), Some((folder, name))) = (node, self.place(&to, root)) {
                    self.name(folder, name, node, false);
                }
            }
            Op::Remove { path } => match self.place(&path, root) {
                None => self.events.push(Event::Retired { path }),
                Some((folder, name)) => {
                    // What we never saw come is a socket: it is no file.
                    if self.find(folder, &name).is_some() {
                        self.entries(folder).remove(&name);
                        self.events.push(Event::Remove { folder, name });
                    }
                }
            },
            Op::MakeFolder { path } => {
                if let Some((folder, name)) = self.place(&path, root) {
                    let node = self.fresh();
                    self.folders.insert(node, BTreeMap::new());
                    self.name(folder, name, node, true);
                }
            }
            Op::Said(text) => self.events.push(Event::Said(text)),
            Op::Note(text) => self.events.push(Event::Note(text)),
        }
    }

    fn open(&mut self, handle: u64, flags: u64, path: &str, root: &str) {
        let Some((folder, name)) = self.place(path, root) else {
            return;
        };
        let node = match self.find(folder, &name) {
            Some(node) => {
                if flags & O_TRUNC != 0 {
                    self.events.push(Event::Resize {
                        node,
                        length: 0,
                        grow: false,
                    });
                }
                node
            }
            None => {
                let node = self.fresh();
                self.name(folder, name, node, false);
                node
            }
        };
        self.handles.insert(handle, node);
    }

    fn resize(&mut self, handle: u64, length: u64, grow: bool) {
        if let Some(node) = self.handles.get(&handle).copied() {
            self.events.push(Event::Resize { node, length, grow });
        }
    }

    fn rename(&mut self, from: (Node, String), to: (Node, String)) {
        let node = self.entries(from.0).remove(&from.1).expect("what is renamed was there");
        self.entries(to.0).insert(to.1.clone(), node);
        self.events.push(Event::Rename { from, to, node });
    }

    fn name(&mut self, folder: Node, name: String, node: Node, is_folder: bool) {
        self.entries(folder).insert(name.clone(), node);
        self.events.push(Event::Name {
            folder,
            name,
            node,
            is_folder,
        });
    }

    fn fresh(&mut self) -> Node {
        self.nodes += 1;
        self.nodes - 1
    }

    fn entries(&mut self, folder: Node) -> &mut BTreeMap<String, Node> {
        self.folders.get_mut(&folder).expect("it is a folder")
    }

    fn find(&self, folder: Node, name: &str) -> Option<Node> {
        self.folders.get(&folder)?.get(name).copied()
    }

    /// The folder that a path is in, and its name there. The root itself is a name in the top folder.
    fn place(&self, path: &str, root: &str) -> Option<(Node, String)> {
        let below = path
            .strip_prefix(root)
            .filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
        let mut folder = TOP;
        let mut name = "";
        for part in below.split('/') {
            if !name.is_empty() || folder != TOP {
                folder = self.find(folder, name).expect("a folder is made before it is used");
            } else if !part.is_empty() {
                folder = self.find(TOP, "").expect("the root is made before it is used");
            }
            name = part;
        }
        Some((folder, name.to_owned()))
    }
}
