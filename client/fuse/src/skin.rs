//! The layer that FUSE calls: translates, spawns, answers. No decisions here.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use eggs_proto::shard::Replace;
use eggs_proto::{AttributeChange, Attributes, InodeId, InodeKind, Xattr};
use fuser::{
    BsdFileFlags, FileAttr, FileHandle, Filesystem, FopenFlags, Generation, INodeNo, InitFlags,
    IoctlFlags, KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyIoctl, ReplyLseek, ReplyOpen,
    ReplyStatfs, ReplyWrite, ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use crate::attr::{file_attr, file_type, inode, new_time, node};
use crate::backend::{Detail, Rename};
use crate::directory::{Item, Taken};
use crate::errno::{Errno, Outcome};
use crate::file_system::{Caller, FileSystem};
use crate::gates::Waits;
use crate::lock::lock;
use crate::ops::{Change, OpenedAs, Seen};
use crate::place::Place;
use crate::xattrs::{self, Space};

/// Largest write request, in bytes; the kernel's own limit.
const WRITE_BYTES_MAX: u32 = 1 << 20;
/// Requests that the kernel sends without waiting: readahead and RELEASE. If RELEASE had to queue for a place, a later
/// request could overtake it.
const BACKGROUND_MAX: u16 = 4096;
/// Beyond this many the kernel holds readahead back.
const CONGESTION: u16 = 64;
/// Block size of `statfs`, in bytes.
const STATFS_BYTES: u32 = 4096;
/// Inode numbers are never used again.
const GENERATION: Generation = Generation(0);

/// What FUSE calls.
pub struct Skin {
    fs: Arc<FileSystem>,
    runtime: Handle,
    tasks: TaskTracker,
}

impl Skin {
    /// `tasks` counts the requests being worked on.
    pub fn new(fs: Arc<FileSystem>, runtime: Handle, tasks: TaskTracker) -> Self {
        Self { fs, runtime, tasks }
    }

    /// Answers later. What an earlier RELEASE has still to publish in `touched` comes first.
    fn later<F>(&self, touched: &[InodeId], work: impl FnOnce(Arc<FileSystem>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let waits: Waits = self.fs.gates.before(touched);
        let work = work(self.fs.clone());
        let task = async move {
            waits.wait().await;
            work.await;
        };
        self.tasks.spawn_on(task, &self.runtime);
    }

    /// Who asks. Anything but a lookup or a question for attributes ends what is remembered of a lookup.
    fn caller(&self, request: &Request) -> Caller {
        self.fs.recent.forget(request.pid());
        Caller::of(request)
    }
}

/// How long the kernel may use attributes.
const fn ttl(seen: &Seen, cache: Duration) -> Duration {
    if seen.pending { Duration::ZERO } else { cache }
}

impl From<Errno> for fuser::Errno {
    fn from(errno: Errno) -> Self {
        Self::from_i32(errno.0)
    }
}

impl Caller {
    fn of(request: &Request) -> Self {
        Self {
            pid: request.pid(),
            uid: request.uid(),
            gid: request.gid(),
        }
    }
}

fn place(dir: INodeNo, name: &OsStr) -> Outcome<Place> {
    Place::new(inode(dir)?, name)
}

/// Takes the value or answers the error.
macro_rules! take {
    ($value:expr, $reply:expr) => {
        match $value {
            Ok(value) => value,
            Err(errno) => return $reply.error(errno.into()),
        }
    };
}

fn answer_empty(reply: ReplyEmpty, outcome: Outcome<()>) {
    match outcome {
        Ok(()) => reply.ok(),
        Err(errno) => reply.error(errno.into()),
    }
}

/// `size` is that of the caller's buffer; 0 asks how large it has to be.
fn answer_xattr(reply: ReplyXattr, size: u32, outcome: Outcome<Vec<u8>>) {
    match outcome {
        // Both are at most 64 KiB.
        Ok(bytes) if size == 0 => reply.size(bytes.len() as u32),
        Ok(bytes) if bytes.len() > size as usize => reply.error(Errno::RANGE.into()),
        Ok(bytes) => reply.data(&bytes),
        Err(errno) => reply.error(errno.into()),
    }
}

fn answer_made(reply: ReplyEntry, outcome: Outcome<Attributes>) {
    match outcome {
        Ok(made) => reply.entry(&Duration::ZERO, &file_attr(&made), GENERATION),
        Err(errno) => reply.error(errno.into()),
    }
}

const fn open_flags(kind: OpenedAs) -> FopenFlags {
    match kind {
        OpenedAs::Immutable => FopenFlags::FOPEN_KEEP_CACHE.union(FopenFlags::FOPEN_NOFLUSH),
        OpenedAs::Uncached => FopenFlags::FOPEN_NOFLUSH,
        OpenedAs::Direct => FopenFlags::FOPEN_DIRECT_IO,
    }
}

impl Filesystem for Skin {
    fn init(&mut self, _req: &Request, config: &mut KernelConfig) -> io::Result<()> {
        let mut wanted = vec![
            InitFlags::FUSE_ATOMIC_O_TRUNC,
            InitFlags::FUSE_PARALLEL_DIROPS,
            InitFlags::FUSE_CACHE_SYMLINKS,
        ];
        if !self.fs.settings.cache.is_zero() {
            // Without caching the kernel would ask for the attributes again anyway.
            wanted.extend([
                InitFlags::FUSE_DO_READDIRPLUS,
                InitFlags::FUSE_READDIRPLUS_AUTO,
            ]);
        }
        for flag in wanted {
            if let Err(missing) = config.add_capabilities(flag) {
                tracing::warn!(?missing, "this kernel's FUSE lacks a capability");
            }
        }
        // Each refuses what is out of range and tells the nearest value, which is then used.
        let _ = config.set_max_write(WRITE_BYTES_MAX);
        if let Err(largest) = config.set_max_readahead(u32::MAX) {
            let _ = config.set_max_readahead(largest);
        }
        let _ = config.set_max_background(BACKGROUND_MAX);
        let _ = config.set_congestion_threshold(CONGESTION);
        Ok(())
    }

    fn lookup(&self, req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let place = take!(place(parent, name), reply);
        let caller = Caller::of(req);
        let cache = self.fs.settings.cache;
        self.later(&[place.dir], |fs| async move {
            match fs.lookup(caller, place).await {
                Ok(seen) => {
                    reply.entry(&ttl(&seen, cache), &file_attr(&seen.attributes), GENERATION);
                }
                Err(errno) => reply.error(errno.into()),
            }
        });
    }

    fn forget(&self, _req: &Request, ino: INodeNo, nlookup: u64) {
        if let Ok(inode) = inode(ino) {
            self.fs.forget(inode, nlookup);
        }
    }

    fn getattr(&self, req: &Request, ino: INodeNo, _fh: Option<FileHandle>, reply: ReplyAttr) {
        let inode = take!(inode(ino), reply);
        let caller = Caller::of(req);
        let cache = self.fs.settings.cache;
        self.later(&[inode], |fs| async move {
            match fs.getattr_by(caller, inode).await {
                Ok(seen) => {
                    reply.attr(&ttl(&seen, cache), &file_attr(&seen.attributes));
                }
                Err(errno) => reply.error(errno.into()),
            }
        });
    }

    fn setattr(
        &self,
        req: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _fh: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let inode = take!(inode(ino), reply);
        let caller = self.caller(req);
        let attributes = AttributeChange {
            mode: mode.map(|mode| mode & eggs_proto::MODE_MASK),
            uid,
            gid,
            mtime: mtime.map(new_time),
            atime: atime.map(new_time),
        };
        let change = Change { size, attributes };
        let cache = self.fs.settings.cache;
        self.later(&[inode], |fs| async move {
            match fs.setattr(caller, inode, change).await {
                Ok(seen) => {
                    reply.attr(&ttl(&seen, cache), &file_attr(&seen.attributes));
                }
                Err(errno) => reply.error(errno.into()),
            }
        });
    }

    fn readlink(&self, req: &Request, ino: INodeNo, reply: ReplyData) {
        let inode = take!(inode(ino), reply);
        self.caller(req);
        self.later(&[inode], |fs| async move {
            match fs.read_link(inode).await {
                Ok(target) => reply.data(&target),
                Err(errno) => reply.error(errno.into()),
            }
        });
    }

    fn mknod(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        _rdev: u32,
        reply: ReplyEntry,
    ) {
        let place = take!(place(parent, name), reply);
        if mode & libc::S_IFMT != libc::S_IFREG {
            return reply.error(Errno::PERM.into());
        }
        let caller = self.caller(req);
        self.later(&[place.dir], |fs| async move {
            answer_made(reply, fs.make_file(caller, place, mode).await);
        });
    }

    fn mkdir(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        reply: ReplyEntry,
    ) {
        let place = take!(place(parent, name), reply);
        let caller = self.caller(req);
        self.later(&[place.dir], |fs| async move {
            answer_made(reply, fs.make_directory(caller, place, mode).await);
        });
    }

    fn unlink(&self, req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let place = take!(place(parent, name), reply);
        self.caller(req);
        self.later(&[place.dir], |fs| async move {
            answer_empty(reply, fs.unlink(place).await);
        });
    }

    fn rmdir(&self, req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let place = take!(place(parent, name), reply);
        self.caller(req);
        let dir = lock(&self.fs.names).inode(&place).unwrap_or(place.dir);
        self.later(&[place.dir, dir], |fs| async move {
            answer_empty(reply, fs.remove_directory(place).await);
        });
    }

    fn symlink(
        &self,
        req: &Request,
        parent: INodeNo,
        link_name: &OsStr,
        target: &Path,
        reply: ReplyEntry,
    ) {
        let place = take!(place(parent, link_name), reply);
        let target = target.as_os_str().as_bytes().to_vec();
        let caller = self.caller(req);
        self.later(&[place.dir], |fs| async move {
            answer_made(reply, fs.symlink(caller, place, target).await);
        });
    }

    fn rename(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let source = take!(place(parent, name), reply);
        self.caller(req);
        let target = take!(place(newparent, newname), reply);
        let replace = if flags.is_empty() {
            Replace::Files
        } else if flags == RenameFlags::RENAME_NOREPLACE {
            Replace::Never
        } else if flags == RenameFlags::RENAME_EXCHANGE {
            Replace::Exchange
        } else {
            return reply.error(Errno::INVAL.into());
        };
        let rename = Rename {
            source,
            target,
            replace,
        };
        let touched = [rename.source.dir, rename.target.dir];
        self.later(&touched, |fs| async move {
            answer_empty(reply, fs.rename(rename).await);
        });
    }

    fn link(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _newparent: INodeNo,
        _newname: &OsStr,
        reply: ReplyEntry,
    ) {
        reply.error(Errno::PERM.into()); // as link(2) says for a file system without hard links
    }

    fn open(&self, req: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let inode = take!(inode(ino), reply);
        let caller = self.caller(req);
        self.later(&[inode], |fs| async move {
            match fs.open(caller, inode, flags.0).await {
                Ok(opened) => reply.opened(FileHandle(opened.handle), open_flags(opened.kind)),
                Err(errno) => reply.error(errno.into()),
            }
        });
    }

    fn create(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let place = take!(place(parent, name), reply);
        let caller = self.caller(req);
        self.later(&[place.dir], |fs| async move {
            match fs.create(caller, place, mode, flags).await {
                Ok((attributes, opened)) => reply.created(
                    &Duration::ZERO,
                    &file_attr(&attributes),
                    GENERATION,
                    FileHandle(opened.handle),
                    open_flags(opened.kind),
                ),
                Err(errno) => reply.error(errno.into()),
            }
        });
    }

    fn read(
        &self,
        _req: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        self.later(&[], |fs| async move {
            match fs.read(fh.0, offset, size).await {
                Ok(data) => reply.data(&data),
                Err(errno) => reply.error(errno.into()),
            }
        });
    }

    fn write(
        &self,
        req: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let caller = self.caller(req);
        let data = Bytes::copy_from_slice(data);
        self.later(&[], |fs| async move {
            match fs.write(caller, fh.0, offset, flags.0, data).await {
                Ok(written) => reply.written(written),
                Err(errno) => reply.error(errno.into()),
            }
        });
    }

    fn flush(
        &self,
        req: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        _lock_owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        let caller = self.caller(req);
        self.later(&[], |fs| async move {
            answer_empty(reply, fs.flush(caller, fh.0).await);
        });
    }

    fn release(
        &self,
        _req: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        // Here, not in the task: what the kernel sends next has to wait for it.
        let ending = self.fs.release(fh.0);
        self.later(&[], |fs| async move {
            if let Some(ending) = ending {
                fs.finish(ending).await;
            }
            reply.ok();
        });
    }

    fn fsync(
        &self,
        _req: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        _datasync: bool,
        reply: ReplyEmpty,
    ) {
        self.later(&[], |fs| async move {
            answer_empty(reply, fs.sync(fh.0).await);
        });
    }

    fn opendir(&self, _req: &Request, ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        let inode = take!(inode(ino), reply);
        let handle = self.fs.open_directory(inode);
        reply.opened(FileHandle(handle), FopenFlags::empty());
    }

    fn readdir(
        &self,
        _req: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let inode = take!(inode(ino), reply);
        let directory = take!(self.fs.directory(fh.0), reply);
        self.later(&[inode], |fs| async move {
            let take = |next, item: Item<'_>| {
                let (inode, name) = named(&item);
                taken(reply.add(node(inode), next, file_type(inode.kind()), name))
            };
            let backend = fs.backend.as_ref();
            match directory.read(backend, Detail::Names, offset, take).await {
                Ok(()) => reply.ok(),
                Err(errno) => reply.error(errno.into()),
            }
        });
    }

    fn readdirplus(
        &self,
        _req: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let inode = take!(inode(ino), reply);
        let directory = take!(self.fs.directory(fh.0), reply);
        let cache = self.fs.settings.cache;
        self.later(&[inode], |fs| async move {
            let take = |next, item: Item<'_>| {
                let (inode, name) = named(&item);
                let (attr, ttl) = match &item {
                    Item::Entry(entry) => match &entry.dentry.attributes {
                        Some(attributes) => (file_attr(attributes), cache),
                        None => (nothing_known(inode), Duration::ZERO),
                    },
                    Item::Dot(_) | Item::Dots(_) => (nothing_known(inode), Duration::ZERO),
                };
                let full = reply.add(node(inode), next, name, &ttl, &attr, GENERATION);
                if !full && let Item::Entry(entry) = &item {
                    let place = Place {
                        dir: directory.dir,
                        name: entry.name.clone(),
                    };
                    lock(&fs.names).looked_up(place, inode);
                }
                taken(full)
            };
            let backend = fs.backend.as_ref();
            let detail = Detail::Attributes;
            match directory.read(backend, detail, offset, take).await {
                Ok(()) => reply.ok(),
                Err(errno) => reply.error(errno.into()),
            }
        });
    }

    fn releasedir(
        &self,
        _req: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        _flags: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.fs.close_directory(fh.0);
        reply.ok();
    }

    fn fsyncdir(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        _datasync: bool,
        reply: ReplyEmpty,
    ) {
        reply.ok(); // every change of a directory is durable before it is answered
    }

    fn statfs(&self, _req: &Request, _ino: INodeNo, reply: ReplyStatfs) {
        self.later(&[], |fs| async move {
            match fs.space().await {
                Ok(space) => {
                    let unit = u64::from(STATFS_BYTES);
                    let free = space.free_bytes / unit;
                    let inodes = space.files.saturating_add(u64::from(u32::MAX));
                    reply.statfs(
                        space.total_bytes / unit,
                        free,
                        free,
                        inodes,
                        inodes - space.files,
                        STATFS_BYTES,
                        eggs_proto::NAME_BYTES_MAX as u32,
                        STATFS_BYTES,
                    );
                }
                Err(errno) => reply.error(errno.into()),
            }
        });
    }

    fn setxattr(
        &self,
        req: &Request,
        ino: INodeNo,
        name: &OsStr,
        value: &[u8],
        flags: i32,
        _position: u32,
        reply: ReplyEmpty,
    ) {
        let name = take!(Space::writable(name.as_bytes()), reply);
        let mode = take!(xattrs::mode(flags), reply);
        let inode = take!(inode(ino), reply);
        self.caller(req);
        let value = value.to_vec();
        self.later(&[inode], |fs| async move {
            let xattr = Xattr { name, value };
            answer_empty(reply, fs.set_xattr(inode, xattr, mode).await);
        });
    }

    /// What is never there is answered at once: the kernel asks before writes.
    fn getxattr(&self, req: &Request, ino: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        let name = take!(Space::readable(name.as_bytes()), reply);
        let inode = take!(inode(ino), reply);
        self.caller(req);
        self.later(&[inode], |fs| async move {
            answer_xattr(reply, size, fs.get_xattr(inode, &name).await);
        });
    }

    fn listxattr(&self, req: &Request, ino: INodeNo, size: u32, reply: ReplyXattr) {
        let inode = take!(inode(ino), reply);
        let caller = self.caller(req);
        self.later(&[inode], |fs| async move {
            answer_xattr(reply, size, fs.list_xattrs(caller, inode).await);
        });
    }

    fn removexattr(&self, req: &Request, ino: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = take!(Space::writable(name.as_bytes()), reply);
        let inode = take!(inode(ino), reply);
        self.caller(req);
        self.later(&[inode], |fs| async move {
            answer_empty(reply, fs.remove_xattr(inode, &name).await);
        });
    }

    fn fallocate(
        &self,
        req: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let caller = self.caller(req);
        let range = offset..offset.saturating_add(length);
        self.later(&[], |fs| async move {
            answer_empty(reply, fs.allocate(caller, fh.0, range, mode).await);
        });
    }

    fn lseek(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        _offset: i64,
        _whence: i32,
        reply: ReplyLseek,
    ) {
        reply.error(fuser::Errno::ENOSYS); // the kernel then takes every file for one without holes
    }

    fn ioctl(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        _flags: IoctlFlags,
        _cmd: u32,
        _in_data: &[u8],
        _out_size: u32,
        reply: ReplyIoctl,
    ) {
        reply.error(fuser::Errno::ENOTTY);
    }
}

fn named<'a>(item: &Item<'a>) -> (InodeId, &'a OsStr) {
    match item {
        Item::Dot(dir) => (*dir, OsStr::new(".")),
        Item::Dots(parent) => (*parent, OsStr::new("..")),
        Item::Entry(entry) => (entry.dentry.inode, OsStr::from_bytes(entry.name.as_bytes())),
    }
}

const fn taken(full: bool) -> Taken {
    if full { Taken::No } else { Taken::Yes }
}

/// Attributes that the kernel does not look at, or asks for again at once.
fn nothing_known(inode: InodeId) -> FileAttr {
    let time = SystemTime::UNIX_EPOCH;
    let kind = inode.kind();
    FileAttr {
        ino: node(inode),
        size: 0,
        blocks: 0,
        atime: time,
        mtime: time,
        ctime: time,
        crtime: time,
        kind: file_type(kind),
        perm: if kind == InodeKind::Directory {
            0o755
        } else {
            0o644
        },
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: STATFS_BYTES,
        flags: 0,
    }
}
