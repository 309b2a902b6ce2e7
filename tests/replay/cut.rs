//! What survives of a history that ends here.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::{fs, io};

use fastrand::Rng;

use super::trace::{Event, Node, TOP, Trace};

/// A disk writes this much whole or not at all.
const SECTOR: u64 = 512;
/// The system writes back in these.
const PAGE: u64 = 4096;

/// How much of what was not synced survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Model {
    /// Nothing.
    None,
    /// No data, but every change of names and lengths: the empty files that a journal of names leaves.
    Names,
    /// Of each file's data the beginning, torn at a sector; of the changes of names and lengths the first few.
    Prefix,
    /// Of each file's data any pages; of the changes of names and lengths any.
    Pages,
    /// All: as if the system had ended well.
    All,
}

/// Files and folders.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Disk {
    folders: BTreeMap<Node, BTreeMap<String, Node>>,
    files: BTreeMap<Node, Vec<u8>>,
}

impl Disk {
    /// What is there after a cut before the event `cut`.
    pub(crate) fn after(trace: &Trace, cut: usize, model: Model, rng: &mut Rng) -> Self {
        let events = &trace.events[..cut];
        let durable = durable(events);
        let pending = |nth: usize| model != Model::All && !durable[nth];
        // Chosen once per file, once per page: what is on the disk does not depend on who wrote it.
        let waiting = (0..cut).filter(|nth| pending(*nth) && events[*nth].is_meta()).count();
        let mut metas_left = rng.usize(0..=waiting);
        let mut pages: HashMap<(Node, u64), bool> = HashMap::new();
        let mut writes_left: HashMap<Node, (usize, bool)> = HashMap::new();
        for (nth, event) in events.iter().enumerate() {
            if let (true, Event::Write { node, .. }) = (pending(nth), event) {
                writes_left.entry(*node).or_default().0 += 1;
            }
        }
        let mut counted: Vec<_> = writes_left.iter_mut().collect();
        counted.sort();
        for (_, (left, _)) in counted {
            *left = rng.usize(0..=*left);
        }
        let mut disk = Self::default();
        disk.folders.insert(TOP, BTreeMap::new());
        for (nth, event) in events.iter().enumerate() {
            match (event, model) {
                _ if !pending(nth) => disk.apply(event),
                (_, Model::All | Model::None) => {}
                (_, Model::Names) => {
                    if event.is_meta() {
                        disk.apply(event);
                    }
                }
                (Event::Write { node, at, bytes }, Model::Prefix) => {
                    let (left, torn) = writes_left.entry(*node).or_default();
                    if *left > 0 {
                        *left -= 1;
                        disk.apply(event);
                    } else if !std::mem::replace(torn, true) {
                        // From here on nothing of this file; of this one a few sectors.
                        let sectors = (at + bytes.len() as u64) / SECTOR - at / SECTOR;
                        let end = (at / SECTOR + rng.u64(0..=sectors)) * SECTOR;
                        disk.write(*node, *at, &bytes[..end.saturating_sub(*at) as usize]);
                    }
                }
                (Event::Write { node, at, bytes }, Model::Pages) => {
                    let end = at + bytes.len() as u64;
                    for page in at / PAGE..end.div_ceil(PAGE) {
                        if *pages.entry((*node, page)).or_insert_with(|| rng.bool()) {
                            let (from, to) = ((page * PAGE).max(*at), ((page + 1) * PAGE).min(end));
                            disk.write(*node, from, &bytes[(from - at) as usize..(to - at) as usize]);
                        }
                    }
                }
                (_, Model::Prefix) => {
                    if event.is_meta() && metas_left > 0 {
                        metas_left -= 1;
                        disk.apply(event);
                    }
                }
                (_, Model::Pages) => {
                    if event.is_meta() && rng.bool() {
                        disk.apply(event);
                    }
                }
            }
        }
        disk
    }

    /// Every file that can be reached, by its path below the root; folders end with `/`.
    pub(crate) fn files(&self) -> BTreeMap<String, &[u8]> {
        let mut files = BTreeMap::new();
        if let Some(root) = self.folders[&TOP].get("") {
            self.gather(*root, String::new(), &mut files);
        }
        files
    }

    /// Writes it all into a folder that is not there yet.
    pub(crate) fn make(&self, folder: &Path) -> io::Result<()> {
        for (path, bytes) in self.files() {
            let path = folder.join(path);
            if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
                fs::create_dir(&path)?;
            } else {
                fs::write(&path, bytes)?;
            }
        }
        Ok(())
    }

    fn gather<'a>(&'a self, node: Node, path: String, files: &mut BTreeMap<String, &'a [u8]>) {
        let Some(entries) = self.folders.get(&node) else {
            files.insert(path, self.files.get(&node).map_or(&[], Vec::as_slice));
            return;
        };
        let folder = if path.is_empty() { path } else { format!("{path}/") };
        files.insert(folder.clone(), &[]);
        for (name, node) in entries {
            self.gather(*node, format!("{folder}{name}"), files);
        }
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Name {
                folder,
                name,
                node,
                is_folder,
            } => {
                if *is_folder {
                    self.folders.entry(*node).or_default();
                }
                self.folders.entry(*folder).or_default().insert(name.clone(), *node);
            }
            Event::Rename { from, to, node } => {
                // Where the name it had did not survive, there is nothing to rename.
                let entries = self.folders.entry(from.0).or_default();
                if entries.get(&from.1) == Some(node) {
                    entries.remove(&from.1);
                    self.folders.entry(to.0).or_default().insert(to.1.clone(), *node);
                }
            }
            Event::Remove { folder, name } => {
                self.folders.entry(*folder).or_default().remove(name);
            }
            Event::Resize { node, length, grow } => {
                let file = self.files.entry(*node).or_default();
                let length = *length as usize;
                if !grow || length > file.len() {
                    file.resize(length, 0);
                }
            }
            Event::Write { node, at, bytes } => self.write(*node, *at, bytes),
            Event::Sync { .. } | Event::SyncData { .. } | Event::Retired { .. } | Event::Said(_) | Event::Note(_) => {}
        }
    }

    fn write(&mut self, node: Node, at: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let file = self.files.entry(node).or_default();
        let (at, end) = (at as usize, at as usize + bytes.len());
        if file.len() < end {
            file.resize(end, 0);
        }
        file[at..end].copy_from_slice(bytes);
    }
}

/// Which events are on the disk for certain at the end of these.
fn durable(events: &[Event]) -> Vec<bool> {
    let mut durable = vec![false; events.len()];
    let mut metas: Vec<usize> = Vec::new();
    let mut data: HashMap<Node, Vec<usize>> = HashMap::new();
    let mut sizes: HashMap<Node, u64> = HashMap::new();
    // The last event that made a file longer, or came to be: where its data is found.
    let mut found_by: HashMap<Node, usize> = HashMap::new();
    for (nth, event) in events.iter().enumerate() {
        let mut commit_metas = |up_to: usize, metas: &mut Vec<usize>| {
            metas.retain(|meta| {
                durable[*meta] |= *meta <= up_to;
                *meta > up_to
            });
        };
        let synced = match event {
            Event::Name { node, .. } | Event::Resize { node, .. } => {
                metas.push(nth);
                found_by.insert(*node, nth);
                if let Event::Resize { length, grow, .. } = event {
                    let size = sizes.entry(*node).or_default();
                    *size = if *grow { (*size).max(*length) } else { *length };
                }
                continue;
            }
            Event::Rename { .. } | Event::Remove { .. } => {
                metas.push(nth);
                continue;
            }
            Event::Write { node, at, bytes } => {
                data.entry(*node).or_default().push(nth);
                let size = sizes.entry(*node).or_default();
                if at + bytes.len() as u64 > *size {
                    *size = at + bytes.len() as u64;
                    found_by.insert(*node, nth);
                }
                continue;
            }
            Event::Sync { node } => {
                let folder = |event: &Event| match event {
                    Event::Name { folder, .. } | Event::Remove { folder, .. } => *folder == *node,
                    Event::Rename { from, to, .. } => from.0 == *node || to.0 == *node,
                    _ => false,
                };
                let is_folder =
                    |event: &Event| matches!(event, Event::Name { node: made, is_folder: true, .. } if made == node);
                if events[..nth].iter().any(is_folder) {
                    // Of a folder: as far as the last change in it.
                    if let Some(last) = metas.iter().rev().find(|meta| folder(&events[**meta])) {
                        commit_metas(*last, &mut metas);
                    }
                } else {
                    commit_metas(nth, &mut metas);
                }
                node
            }
            Event::SyncData { node } => {
                if let Some(last) = found_by.remove(node) {
                    commit_metas(last, &mut metas);
                }
                node
            }
            _ => continue,
        };
        for write in data.remove(synced).into_iter().flatten() {
            durable[write] = true;
        }
    }
    durable
}
