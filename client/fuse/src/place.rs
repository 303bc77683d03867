//! Where a dentry is.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use eggs_proto::{BadName, InodeId, Name};

use crate::errno::{Errno, Outcome};

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The directory.
    pub dir: InodeId,
    /// The name in it.
    pub name: Name,
}

impl Place {
    /// Checks a name that came from the kernel.
    pub fn new(dir: InodeId, name: &OsStr) -> Outcome<Self> {
        let name = Name::new(name.as_bytes()).map_err(|bad| match bad {
            BadName::TooLong => Errno(libc::ENAMETOOLONG),
            BadName::Empty => Errno::NOENT,
            BadName::Dots | BadName::Separator => Errno::INVAL,
        })?;
        Ok(Self { dir, name })
    }
}
