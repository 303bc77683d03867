//! A cluster in memory: names, immutable files, transient files.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use eggs_fuse::attr::now;
use eggs_fuse::backend::{Backend, Link, ListFrom, Listing, Reader, Rename, Space, Writer};
use eggs_fuse::{Errno, Outcome, Place};
use eggs_proto::shard::{Dentry, ListEntry, Replace};
use eggs_proto::{
    AttributeChange, Attributes, InodeId, InodeKind, Name, NameHash, NewAttributes, NewTime,
    ShardId, Time, Xattr, XattrMode, XattrName,
};

/// What is going to go wrong.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fault {
    /// Every link fails.
    pub link: Option<Errno>,
    /// Every write to a transient file fails.
    pub write: Option<Errno>,
    /// Every link takes this long.
    pub link_delay: Duration,
}

#[derive(Clone, Default)]
pub struct Fake(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    counter: u64,
    inodes: HashMap<InodeId, Inode>,
    directories: HashMap<InodeId, BTreeMap<(NameHash, Name), InodeId>>,
    fault: Fault,
    links: u64,
    transients: i64,
    holes: u64,
    xattrs: HashMap<InodeId, BTreeMap<XattrName, Vec<u8>>>,
    xattr_requests: u64,
}

struct Inode {
    attributes: Attributes,
    /// Of a file: its bytes; of a symlink: its target.
    content: Arc<Vec<u8>>,
}

impl Fake {
    pub fn new() -> Self {
        let fake = Self::default();
        let mut inner = fake.lock();
        inner.insert(InodeId::ROOT, attributes(0o777), Vec::new());
        inner.directories.insert(InodeId::ROOT, BTreeMap::new());
        drop(inner);
        fake
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    pub fn set_fault(&self, fault: Fault) {
        self.lock().fault = fault;
    }

    /// Number of files that became visible.
    pub fn links(&self) -> u64 {
        self.lock().links
    }

    /// Transient files that are neither linked nor given up.
    pub fn transients(&self) -> i64 {
        self.lock().transients
    }

    /// Bytes of holes written.
    pub fn holes(&self) -> u64 {
        self.lock().holes
    }

    /// Requests for extended attributes.
    pub fn xattr_requests(&self) -> u64 {
        self.lock().xattr_requests
    }

    /// Extended attributes as another client sees them.
    pub fn xattrs(&self, path: &str) -> Vec<(String, Vec<u8>)> {
        let inner = self.lock();
        let inode = inner.walk(path).unwrap();
        let all = inner.xattrs.get(&inode).into_iter().flatten();
        all.map(|(name, value)| (name.to_string(), value.clone()))
            .collect()
    }

    /// Content of a file as another client sees it.
    pub fn content(&self, path: &str) -> Option<Vec<u8>> {
        let inner = self.lock();
        let inode = inner.walk(path)?;
        Some(inner.inodes[&inode].content.to_vec())
    }

    /// Attributes as another client sees them.
    pub fn attributes(&self, path: &str) -> Option<Attributes> {
        let inner = self.lock();
        let inode = inner.walk(path)?;
        Some(inner.inodes[&inode].attributes)
    }

    /// Another client writes a file.
    pub fn put(&self, path: &str, content: &[u8]) {
        let mut inner = self.lock();
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        let dir = inner.walk(dir).unwrap();
        let inode = inner.fresh(InodeKind::File);
        inner.insert(inode, attributes(0o644), content.to_vec());
        let name = Name::new(name).unwrap();
        inner
            .entries(dir)
            .unwrap()
            .insert((name.hash_in(dir), name), inode);
    }

    /// Another client removes a name.
    pub fn remove(&self, path: &str) {
        let mut inner = self.lock();
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        let dir = inner.walk(dir).unwrap();
        let name = Name::new(name).unwrap();
        inner
            .entries(dir)
            .unwrap()
            .remove(&(name.hash_in(dir), name));
    }
}

fn attributes(mode: u32) -> NewAttributes {
    NewAttributes {
        mode,
        uid: 0,
        gid: 0,
        mtime: None,
        atime: None,
    }
}

impl Inner {
    fn fresh(&mut self, kind: InodeKind) -> InodeId {
        self.counter += 1;
        InodeId::new(kind, ShardId(3), self.counter)
    }

    fn insert(&mut self, inode: InodeId, new: NewAttributes, content: Vec<u8>) {
        let time = now();
        let attributes = Attributes {
            inode,
            size: content.len() as u64,
            physical_bytes: 0,
            mode: new.mode,
            uid: new.uid,
            gid: new.gid,
            mtime: new.mtime.unwrap_or(time),
            ctime: time,
            atime: new.atime.unwrap_or(time),
            created: time,
        };
        let content = Arc::new(content);
        self.inodes.insert(
            inode,
            Inode {
                attributes,
                content,
            },
        );
    }

    fn entries(&mut self, dir: InodeId) -> Outcome<&mut BTreeMap<(NameHash, Name), InodeId>> {
        self.directories.get_mut(&dir).ok_or(Errno::NOENT)
    }

    fn at(&self, place: &Place) -> Outcome<InodeId> {
        let entries = self.directories.get(&place.dir).ok_or(Errno::NOENT)?;
        entries.get(&key(place)).copied().ok_or(Errno::NOENT)
    }

    fn walk(&self, path: &str) -> Option<InodeId> {
        let mut inode = InodeId::ROOT;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let name = Name::new(part).unwrap();
            inode = self.at(&Place { dir: inode, name }).ok()?;
        }
        Some(inode)
    }

    fn make(&mut self, place: &Place, inode: InodeId, new: NewAttributes) -> Outcome<Attributes> {
        if self.at(place).is_ok() {
            return Err(Errno::EXIST);
        }
        self.entries(place.dir)?.insert(key(place), inode);
        self.insert(inode, new, Vec::new());
        Ok(self.inodes[&inode].attributes)
    }

    fn check_replace(&self, place: &Place, replace: Replace) -> Outcome<()> {
        match (self.at(place), replace) {
            (Ok(_), Replace::Never) => Err(Errno::EXIST),
            (Ok(old), _) if old.is_directory() => Err(Errno::ISDIR),
            _ => Ok(()),
        }
    }

    fn change(&mut self, inode: InodeId, change: AttributeChange) -> Outcome<Attributes> {
        let attributes = &mut self.inodes.get_mut(&inode).ok_or(Errno::NOENT)?.attributes;
        let fixed = |time| match time {
            NewTime::Now => now(),
            NewTime::At(time) => time,
        };
        attributes.mode = change.mode.unwrap_or(attributes.mode);
        attributes.uid = change.uid.unwrap_or(attributes.uid);
        attributes.gid = change.gid.unwrap_or(attributes.gid);
        attributes.mtime = change.mtime.map_or(attributes.mtime, fixed);
        attributes.atime = change.atime.map_or(attributes.atime, fixed);
        attributes.ctime = now();
        Ok(*attributes)
    }
}

fn key(place: &Place) -> (NameHash, Name) {
    (place.name.hash_in(place.dir), place.name.clone())
}

#[async_trait]
impl Backend for Fake {
    async fn lookup(&self, place: &Place) -> Outcome<Attributes> {
        let inner = self.lock();
        let inode = inner.at(place)?;
        Ok(inner.inodes[&inode].attributes)
    }

    async fn stat(&self, inode: InodeId) -> Outcome<Attributes> {
        let inner = self.lock();
        inner
            .inodes
            .get(&inode)
            .map(|found| found.attributes)
            .ok_or(Errno::NOENT)
    }

    async fn list(&self, from: ListFrom) -> Outcome<Listing> {
        let inner = self.lock();
        let entries = inner.directories.get(&from.dir).ok_or(Errno::NOENT)?;
        let wanted = entries
            .iter()
            .filter(|((hash, name), _)| match &from.after {
                None => true,
                Some(after) => match &after.name {
                    None => *hash >= after.hash,
                    Some(last) => (*hash, name) > (after.hash, last),
                },
            });
        let mut listing = Listing::default();
        for ((hash, name), inode) in wanted {
            if listing.entries.len() == from.limit as usize {
                listing.more = true;
                break;
            }
            listing.entries.push(ListEntry {
                hash: *hash,
                name: name.clone(),
                dentry: Dentry {
                    inode: *inode,
                    created: Time(0),
                    attributes: inner.inodes.get(inode).map(|found| found.attributes),
                },
            });
        }
        Ok(listing)
    }

    async fn read_link(&self, inode: InodeId) -> Outcome<Vec<u8>> {
        let inner = self.lock();
        let found = inner.inodes.get(&inode).ok_or(Errno::NOENT)?;
        Ok(found.content.to_vec())
    }

    async fn make_directory(&self, place: &Place, new: NewAttributes) -> Outcome<Attributes> {
        let mut inner = self.lock();
        let inode = inner.fresh(InodeKind::Directory);
        let made = inner.make(place, inode, new)?;
        inner.directories.insert(inode, BTreeMap::new());
        Ok(made)
    }

    async fn remove_directory(&self, place: &Place) -> Outcome<()> {
        let mut inner = self.lock();
        let dir = inner.at(place)?;
        if !inner.entries(dir).map_err(|_| Errno(20))?.is_empty() {
            return Err(Errno::NOTEMPTY);
        }
        inner.directories.remove(&dir);
        inner.entries(place.dir)?.remove(&key(place));
        Ok(())
    }

    async fn unlink(&self, place: &Place) -> Outcome<()> {
        let mut inner = self.lock();
        if inner.at(place)?.is_directory() {
            return Err(Errno::ISDIR);
        }
        inner.entries(place.dir)?.remove(&key(place));
        Ok(())
    }

    async fn rename(&self, rename: &Rename) -> Outcome<()> {
        let mut inner = self.lock();
        let inode = inner.at(&rename.source)?;
        let (source, target) = (key(&rename.source), key(&rename.target));
        if rename.replace == Replace::Exchange {
            let other = inner.at(&rename.target)?;
            inner.entries(rename.source.dir)?.insert(source, other);
            inner.entries(rename.target.dir)?.insert(target, inode);
            return Ok(());
        }
        if !inode.is_directory() || rename.replace == Replace::Never {
            inner.check_replace(&rename.target, rename.replace)?;
        } else if let Ok(old) = inner.at(&rename.target)
            && !inner.entries(old).map_err(|_| Errno(20))?.is_empty()
        {
            return Err(Errno::NOTEMPTY);
        }
        inner.entries(rename.source.dir)?.remove(&source);
        inner.entries(rename.target.dir)?.insert(target, inode);
        Ok(())
    }

    async fn symlink(
        &self,
        place: &Place,
        target: &[u8],
        new: NewAttributes,
    ) -> Outcome<Attributes> {
        let mut inner = self.lock();
        let inode = inner.fresh(InodeKind::Symlink);
        inner.make(place, inode, new)?;
        inner.insert(inode, new, target.to_vec());
        Ok(inner.inodes[&inode].attributes)
    }

    async fn set_attributes(&self, inode: InodeId, change: AttributeChange) -> Outcome<Attributes> {
        self.lock().change(inode, change)
    }

    async fn xattr(&self, inode: InodeId, name: &XattrName) -> Outcome<Vec<u8>> {
        let mut inner = self.lock();
        inner.xattr_requests += 1;
        let all = inner.xattrs.entry(inode).or_default();
        all.get(name).cloned().ok_or(Errno::NODATA)
    }

    async fn xattrs(&self, inode: InodeId) -> Outcome<Vec<Xattr>> {
        let mut inner = self.lock();
        inner.xattr_requests += 1;
        let all = inner.xattrs.entry(inode).or_default().clone();
        let pair = |(name, value)| Xattr { name, value };
        Ok(all.into_iter().map(pair).collect())
    }

    async fn set_xattr(&self, inode: InodeId, xattr: Xattr, mode: XattrMode) -> Outcome<()> {
        let mut inner = self.lock();
        inner.xattr_requests += 1;
        eggs_fuse::xattrs::set(inner.xattrs.entry(inode).or_default(), xattr, mode)
    }

    async fn remove_xattr(&self, inode: InodeId, name: &XattrName) -> Outcome<()> {
        let mut inner = self.lock();
        inner.xattr_requests += 1;
        let all = inner.xattrs.entry(inode).or_default();
        all.remove(name).map(drop).ok_or(Errno::NODATA)
    }

    async fn open(&self, inode: InodeId) -> Outcome<Arc<dyn Reader>> {
        let inner = self.lock();
        let found = inner.inodes.get(&inode).ok_or(Errno::NOENT)?;
        Ok(Arc::new(FakeReader(found.content.clone())))
    }

    async fn create(
        &self,
        dir: InodeId,
        new: NewAttributes,
        _note: &Name,
    ) -> Outcome<Box<dyn Writer>> {
        Ok(Box::new(FakeWriter {
            fake: self.clone(),
            dir,
            new,
            inode: None,
            content: Vec::new(),
            ended: false,
        }))
    }

    async fn space(&self) -> Outcome<Space> {
        Ok(Space {
            total_bytes: 1 << 40,
            free_bytes: 1 << 39,
            files: self.lock().inodes.len() as u64,
        })
    }
}

struct FakeReader(Arc<Vec<u8>>);

#[async_trait]
impl Reader for FakeReader {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    async fn read_at(&self, offset: u64, len: usize) -> Outcome<Bytes> {
        Ok(part(&self.0, offset, len))
    }
}

fn part(content: &[u8], offset: u64, len: usize) -> Bytes {
    let start = (offset as usize).min(content.len());
    let end = start.saturating_add(len).min(content.len());
    Bytes::copy_from_slice(&content[start..end])
}

struct FakeWriter {
    fake: Fake,
    dir: InodeId,
    new: NewAttributes,
    inode: Option<InodeId>,
    content: Vec<u8>,
    ended: bool,
}

impl FakeWriter {
    fn end(&mut self) {
        if self.inode.is_some() && !std::mem::replace(&mut self.ended, true) {
            self.fake.lock().transients -= 1;
        }
    }
}

impl Drop for FakeWriter {
    fn drop(&mut self) {
        self.end();
    }
}

#[async_trait]
impl Writer for FakeWriter {
    async fn reserve(&mut self) -> Outcome<InodeId> {
        let mut inner = self.fake.lock();
        let inode = match self.inode {
            Some(inode) => inode,
            None => {
                inner.transients += 1;
                inner.fresh(InodeKind::File)
            }
        };
        self.inode = Some(inode);
        Ok(inode)
    }

    async fn write(&mut self, data: Bytes) -> Outcome<()> {
        assert!(
            !self.ended,
            "a file that is linked or given up takes no more"
        );
        if let Some(errno) = self.fake.lock().fault.write {
            return Err(errno);
        }
        self.content.extend_from_slice(&data);
        Ok(())
    }

    async fn hole(&mut self, bytes: u64) -> Outcome<()> {
        assert!(
            !self.ended,
            "a file that is linked or given up takes no more"
        );
        self.fake.lock().holes += bytes;
        self.content.resize(self.content.len() + bytes as usize, 0);
        Ok(())
    }

    async fn read_at(&mut self, offset: u64, len: usize) -> Outcome<Bytes> {
        Ok(part(&self.content, offset, len))
    }

    async fn sync(&mut self) -> Outcome<()> {
        Ok(())
    }

    async fn link(&mut self, link: Link) -> Outcome<InodeId> {
        assert!(!self.ended, "a file is linked once");
        let fault = self.fake.lock().fault;
        tokio::time::sleep(fault.link_delay).await;
        if let Some(errno) = fault.link {
            return Err(errno);
        }
        let inode = self.reserve().await?;
        let place = Place {
            dir: self.dir,
            name: link.name,
        };
        {
            let mut inner = self.fake.lock();
            inner.check_replace(&place, link.replace)?;
            inner.insert(inode, self.new, std::mem::take(&mut self.content));
            inner.change(inode, link.change)?;
            inner.entries(place.dir)?.insert(key(&place), inode);
            inner.xattrs.insert(inode, link.xattrs);
            inner.links += 1;
        }
        self.end();
        Ok(inode)
    }

    async fn scrap(&mut self) {
        self.end();
    }
}
