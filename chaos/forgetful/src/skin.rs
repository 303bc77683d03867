//! The layer that FUSE calls: translates, asks for power, answers.

use std::ffi::OsStr;
use std::io;
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow,
    WriteFlags,
};
use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use crate::mounted::{Machine, Shared, lock};
use crate::tree::{Facts, Kind, Place, Tree};

/// Nobody changes anything but through the kernel, which may remember all it has seen.
const TTL: Duration = Duration::from_secs(3600);
const GENERATION: Generation = Generation(0);
const PAGE_BYTES: u32 = 4096;
/// Little, so that one block or log record is several writes with boundaries between them.
const WRITE_BYTES_MAX: u32 = 2 * PAGE_BYTES;
/// What `statfs` tells: a terabyte, all of it free.
const PAGES: u64 = 1 << 28;

pub(crate) struct Skin {
    machine: Shared,
}

const fn file_type(kind: Kind) -> FileType {
    match kind {
        Kind::File => FileType::RegularFile,
        Kind::Directory => FileType::Directory,
    }
}

const fn attr(facts: &Facts) -> FileAttr {
    let time = SystemTime::UNIX_EPOCH;
    let perm = match facts.kind {
        Kind::File => 0o600,
        Kind::Directory => 0o700,
    };
    FileAttr {
        ino: INodeNo(facts.number),
        size: facts.bytes,
        blocks: facts.bytes.div_ceil(512),
        atime: time,
        mtime: time,
        ctime: time,
        crtime: time,
        kind: file_type(facts.kind),
        perm,
        nlink: facts.links,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: PAGE_BYTES,
        flags: 0,
    }
}

fn errno(error: Errno) -> fuser::Errno {
    fuser::Errno::from_i32(error.raw_os_error())
}

fn answer_empty(reply: ReplyEmpty, outcome: Result<(), Errno>) {
    match outcome {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(errno(error)),
    }
}

fn answer_entry(reply: ReplyEntry, outcome: Result<Facts, Errno>) {
    match outcome {
        Ok(facts) => reply.entry(&TTL, &attr(&facts), GENERATION),
        Err(error) => reply.error(errno(error)),
    }
}

const fn place(dir: INodeNo, name: &OsStr) -> Place<'_> {
    Place { dir: dir.0, name }
}

impl Skin {
    pub fn new(machine: Shared) -> Self {
        Self { machine }
    }

    /// Looks at something, while there is power.
    fn look<T>(&self, at: impl FnOnce(&Tree) -> Result<T, Errno>) -> Result<T, Errno> {
        let machine = lock(&self.machine);
        machine.power.check()?;
        at(&machine.tree)
    }

    /// Changes something, if there is power for it.
    fn change<T>(&self, make: impl FnOnce(&mut Tree) -> Result<T, Errno>) -> Result<T, Errno> {
        let mut machine = lock(&self.machine);
        let Machine { tree, power } = &mut *machine;
        power.spend()?;
        make(tree)
    }
}

impl Filesystem for Skin {
    fn init(&mut self, _req: &Request, config: &mut KernelConfig) -> io::Result<()> {
        match config.set_max_write(WRITE_BYTES_MAX) {
            Ok(_) => Ok(()),
            Err(nearest) => Err(io::Error::other(format!(
                "writes cannot be {WRITE_BYTES_MAX} bytes at most, but {nearest}"
            ))),
        }
    }

    fn lookup(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        answer_entry(reply, self.look(|tree| tree.lookup(place(parent, name))));
    }

    fn getattr(&self, _req: &Request, ino: INodeNo, _fh: Option<FileHandle>, reply: ReplyAttr) {
        match self.look(|tree| tree.facts(ino.0)) {
            Ok(facts) => reply.attr(&TTL, &attr(&facts)),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn setattr(
        &self,
        _req: &Request,
        ino: INodeNo,
        _mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _fh: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let outcome = match size {
            Some(len) => self.change(|tree| {
                tree.content_mut(ino.0)?.set_len(len)?;
                tree.facts(ino.0)
            }),
            None => self.look(|tree| tree.facts(ino.0)),
        };
        match outcome {
            Ok(facts) => reply.attr(&TTL, &attr(&facts)),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn mkdir(
        &self,
        _req: &Request,
        parent: INodeNo,
        name: &OsStr,
        _mode: u32,
        _umask: u32,
        reply: ReplyEntry,
    ) {
        let made = self.change(|tree| tree.create(place(parent, name), Kind::Directory));
        answer_entry(reply, made);
    }

    fn unlink(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let removed = self.change(|tree| tree.remove(place(parent, name), Kind::File));
        answer_empty(reply, removed);
    }

    fn rmdir(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let removed = self.change(|tree| tree.remove(place(parent, name), Kind::Directory));
        answer_empty(reply, removed);
    }

    fn rename(
        &self,
        _req: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        if !flags.is_empty() {
            return reply.error(fuser::Errno::EINVAL);
        }
        let (source, target) = (place(parent, name), place(newparent, newname));
        answer_empty(reply, self.change(|tree| tree.rename(source, target)));
    }

    fn create(
        &self,
        _req: &Request,
        parent: INodeNo,
        name: &OsStr,
        _mode: u32,
        _umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        match self.change(|tree| tree.create(place(parent, name), Kind::File)) {
            Ok(facts) => reply.created(
                &TTL,
                &attr(&facts),
                GENERATION,
                FileHandle(0),
                FopenFlags::empty(),
            ),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn read(
        &self,
        _req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let read = |tree: &Tree| Ok(tree.content(ino.0)?.read(offset, size as usize).to_vec());
        match self.look(read) {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn write(
        &self,
        _req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.change(|tree| tree.content_mut(ino.0)?.write(offset, data)) {
            Ok(()) => reply.written(data.len() as u32),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn fallocate(
        &self,
        _req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let outcome = match FallocateFlags::from_bits_retain(mode as u32) {
            FallocateFlags::KEEP_SIZE => Ok(()), // space is not counted
            flags if flags.is_empty() => {
                self.change(|tree| tree.content_mut(ino.0)?.allocate(offset, length))
            }
            _ => Err(Errno::OPNOTSUPP),
        };
        answer_empty(reply, outcome);
    }

    fn fsync(
        &self,
        _req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        _datasync: bool,
        reply: ReplyEmpty,
    ) {
        answer_empty(reply, self.change(|tree| tree.sync(ino.0)));
    }

    fn fsyncdir(
        &self,
        _req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        _datasync: bool,
        reply: ReplyEmpty,
    ) {
        answer_empty(reply, self.change(|tree| tree.sync(ino.0)));
    }

    /// The kernel need not ask, then, and remembers what it has listed.
    fn opendir(&self, _req: &Request, _ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        reply.error(fuser::Errno::ENOSYS);
    }

    fn readdir(
        &self,
        _req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let list = |tree: &Tree| {
            for entry in tree.list(ino.0, offset)? {
                let Facts { number, kind, .. } = entry.facts;
                if reply.add(INodeNo(number), entry.mark, file_type(kind), entry.name) {
                    break;
                }
            }
            Ok(())
        };
        match self.look(list) {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn statfs(&self, _req: &Request, _ino: INodeNo, reply: ReplyStatfs) {
        let name_bytes_max = 255;
        reply.statfs(
            PAGES,
            PAGES,
            PAGES,
            PAGES,
            PAGES,
            PAGE_BYTES,
            name_bytes_max,
            PAGE_BYTES,
        );
    }
}
