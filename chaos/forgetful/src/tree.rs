//! The whole file system, as operations on it.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use rustix::io::Errno;

use crate::content::Content;
use crate::fate::Fate;
use crate::names::{Names, Number};

/// The directory that everything is below.
pub const ROOT: Number = 1;
/// Names in one directory that may mean the same file, which only a power cut brings about.
const LINKS_MAX: u64 = 16;

/// A file or directory.
#[derive(Clone, Debug)]
struct Node {
    /// Names it has now.
    links: u32,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    File(Content),
    Directory(Names),
}

/// What is told of a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    pub number: Number,
    pub links: u32,
    pub bytes: u64,
    pub kind: Kind,
}

/// File or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    Directory,
}

/// A name that was found in a directory.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// Where a listing goes on after it, whatever was removed meanwhile.
    pub mark: u64,
    pub facts: Facts,
    pub name: &'a OsStr,
}

/// A name in a directory.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub dir: Number,
    pub name: &'a OsStr,
}

/// All files and directories, also those whose last name went: it may come back.
#[derive(Clone, Debug)]
pub struct Tree {
    nodes: BTreeMap<Number, Node>,
    next: Number,
}

impl Default for Tree {
    fn default() -> Self {
        let root = Node {
            links: 1,
            body: Body::Directory(Names::default()),
        };
        Self {
            nodes: [(ROOT, root)].into(),
            next: ROOT + 1,
        }
    }
}

impl Tree {
    fn node(&self, number: Number) -> Result<&Node, Errno> {
        self.nodes.get(&number).ok_or(Errno::STALE)
    }

    fn names(&self, dir: Number) -> Result<&Names, Errno> {
        match &self.node(dir)?.body {
            Body::Directory(names) => Ok(names),
            Body::File(_) => Err(Errno::NOTDIR),
        }
    }

    fn names_mut(&mut self, dir: Number) -> Result<&mut Names, Errno> {
        match &mut self.nodes.get_mut(&dir).ok_or(Errno::STALE)?.body {
            Body::Directory(names) => Ok(names),
            Body::File(_) => Err(Errno::NOTDIR),
        }
    }

    /// The content of a file.
    pub(crate) fn content(&self, file: Number) -> Result<&Content, Errno> {
        match &self.node(file)?.body {
            Body::File(content) => Ok(content),
            Body::Directory(_) => Err(Errno::ISDIR),
        }
    }

    /// The content of a file, to change it.
    pub(crate) fn content_mut(&mut self, file: Number) -> Result<&mut Content, Errno> {
        match &mut self.nodes.get_mut(&file).ok_or(Errno::STALE)?.body {
            Body::File(content) => Ok(content),
            Body::Directory(_) => Err(Errno::ISDIR),
        }
    }

    pub(crate) fn facts(&self, number: Number) -> Result<Facts, Errno> {
        let node = self.node(number)?;
        let (bytes, kind) = match &node.body {
            Body::File(content) => (content.len() as u64, Kind::File),
            Body::Directory(_) => (0, Kind::Directory),
        };
        Ok(Facts {
            number,
            links: node.links,
            bytes,
            kind,
        })
    }

    pub(crate) fn lookup(&self, place: Place<'_>) -> Result<Facts, Errno> {
        let found = self.names(place.dir)?.get(place.name);
        self.facts(found.ok_or(Errno::NOENT)?)
    }

    /// Everything in a directory after a mark, in the order of marks.
    pub(crate) fn list(&self, dir: Number, after: u64) -> Result<Vec<Listed<'_>>, Errno> {
        let named = self.names(dir)?.iter();
        let mut found: Vec<_> = named
            .filter_map(|(name, number)| Some((self.facts(number).ok()?, name)))
            .collect();
        found.sort_by_key(|(facts, name)| (facts.number, *name));
        let mut mark = 0;
        let marked = found.into_iter().map(|(facts, name)| {
            mark = (mark + 1).max(facts.number * LINKS_MAX);
            Listed { mark, facts, name }
        });
        Ok(marked.filter(|entry| entry.mark > after).collect())
    }

    pub(crate) fn create(&mut self, place: Place<'_>, kind: Kind) -> Result<Facts, Errno> {
        match self.lookup(place) {
            Ok(_) => return Err(Errno::EXIST),
            Err(Errno::NOENT) => {}
            Err(error) => return Err(error),
        }
        let number = self.next;
        self.next += 1;
        let body = match kind {
            Kind::File => Body::File(Content::default()),
            Kind::Directory => Body::Directory(Names::default()),
        };
        self.nodes.insert(number, Node { links: 0, body });
        self.set(place, Some(number))?;
        self.facts(number)
    }

    pub(crate) fn remove(&mut self, place: Place<'_>, kind: Kind) -> Result<(), Errno> {
        let found = self.lookup(place)?;
        match (kind, found.kind) {
            (Kind::File, Kind::Directory) => return Err(Errno::ISDIR),
            (Kind::Directory, Kind::File) => return Err(Errno::NOTDIR),
            (Kind::Directory, Kind::Directory) => self.must_be_empty(found.number)?,
            (Kind::File, Kind::File) => {}
        }
        self.set(place, None)
    }

    /// Gives a name to something, or to nothing.
    fn set(&mut self, place: Place<'_>, to: Option<Number>) -> Result<(), Errno> {
        let replaced = self.names_mut(place.dir)?.set(place.name, to);
        if let Some(node) = to.and_then(|number| self.nodes.get_mut(&number)) {
            node.links += 1;
        }
        if let Some(node) = replaced.and_then(|number| self.nodes.get_mut(&number)) {
            node.links -= 1;
        }
        Ok(())
    }

    fn must_be_empty(&self, dir: Number) -> Result<(), Errno> {
        if self.names(dir)?.is_empty() {
            Ok(())
        } else {
            Err(Errno::NOTEMPTY)
        }
    }

    /// Moves a name, in the place of what has the new one.
    pub(crate) fn rename(&mut self, source: Place<'_>, target: Place<'_>) -> Result<(), Errno> {
        let moved = self.lookup(source)?;
        match (moved.kind, self.lookup(target)) {
            (_, Ok(replaced)) if replaced.number == moved.number => return Ok(()),
            (Kind::File, Ok(replaced)) if replaced.kind == Kind::Directory => {
                return Err(Errno::ISDIR);
            }
            (Kind::Directory, Ok(replaced)) => self.must_be_empty(replaced.number)?,
            (Kind::File, Ok(_)) | (_, Err(Errno::NOENT)) => {}
            (_, Err(error)) => return Err(error),
        }
        // The new name first, as journals have it; what survives of the two is drawn for each.
        self.set(target, Some(moved.number))?;
        self.set(source, None)
    }

    /// Makes content, or the names in a directory, durable.
    pub(crate) fn sync(&mut self, number: Number) -> Result<(), Errno> {
        match &mut self.nodes.get_mut(&number).ok_or(Errno::STALE)?.body {
            Body::File(content) => content.sync(),
            Body::Directory(names) => names.sync(),
        }
        Ok(())
    }

    /// What a power cut leaves.
    #[must_use]
    pub fn survivor(&self, fate: &mut Fate) -> Self {
        let mut left = Self {
            nodes: BTreeMap::new(),
            next: self.next,
        };
        left.adopt(self, ROOT, fate);
        left
    }

    /// Takes over a file, or a directory and what is below it.
    fn adopt(&mut self, from: &Self, number: Number, fate: &mut Fate) {
        fate.next();
        let body = match &from.nodes[&number].body {
            Body::File(content) => Body::File(content.survivor(fate)),
            Body::Directory(names) => {
                let mut kept = BTreeMap::new();
                for (name, child) in names.survivor(fate).iter() {
                    if !self.nodes.contains_key(&child) {
                        self.adopt(from, child, fate);
                    } else if let Some(Body::Directory(_)) = self.body(child) {
                        continue; // a directory has one name: the first that is met
                    }
                    self.nodes.entry(child).and_modify(|node| node.links += 1);
                    kept.insert(name.to_owned(), child);
                }
                Body::Directory(Names::durable(kept))
            }
        };
        self.nodes.insert(number, Node { links: 0, body });
    }

    fn body(&self, number: Number) -> Option<&Body> {
        self.nodes.get(&number).map(|node| &node.body)
    }
}
