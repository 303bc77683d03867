//! What a system call returns when it fails.

use std::fmt;

/// An errno value of Linux. The reasons behind it are logged where they are known.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub struct Errno(pub i32);

/// The result of an operation of the mount.
pub type Outcome<T> = Result<T, Errno>;

impl Errno {
    /// Not permitted.
    pub const PERM: Self = Self(libc::EPERM);
    /// No such file or directory.
    pub const NOENT: Self = Self(libc::ENOENT);
    /// Something broke.
    pub const IO: Self = Self(libc::EIO);
    /// Not an open file of the right kind.
    pub const BADF: Self = Self(libc::EBADF);
    /// Another handle is writing the file.
    pub const BUSY: Self = Self(libc::EBUSY);
    /// The name is taken.
    pub const EXIST: Self = Self(libc::EEXIST);
    /// Is a directory.
    pub const ISDIR: Self = Self(libc::EISDIR);
    /// Invalid argument.
    pub const INVAL: Self = Self(libc::EINVAL);
    /// Too large.
    pub const FBIG: Self = Self(libc::EFBIG);
    /// No such extended attribute.
    pub const NODATA: Self = Self(libc::ENODATA);
    /// No room.
    pub const NOSPC: Self = Self(libc::ENOSPC);
    /// Too long or too large.
    pub const RANGE: Self = Self(libc::ERANGE);
    /// Published content never changes.
    pub const ROFS: Self = Self(libc::EROFS);
    /// Not empty.
    pub const NOTEMPTY: Self = Self(libc::ENOTEMPTY);
    /// Not supported.
    pub const OPNOTSUPP: Self = Self(libc::EOPNOTSUPP);
    /// The kernel holds an outdated inode and should look the name up again.
    pub const STALE: Self = Self(libc::ESTALE);
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        std::io::Error::from_raw_os_error(self.0).fmt(f)
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Errno({self})")
    }
}

impl From<std::io::Error> for Errno {
    fn from(error: std::io::Error) -> Self {
        error.raw_os_error().map_or(Self::IO, Self)
    }
}
