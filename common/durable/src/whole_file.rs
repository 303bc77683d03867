//! A small file that is written whole or not at all.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::sync_directory;

/// Where a small file is, and how it gets there.
///
/// **Invariant:** under its name there is always one of the contents that were written, whole; after a successful write the last
/// one, also after a power cut.
#[derive(Clone, Copy, Debug)]
pub struct WholeFile<'a> {
    /// Its name.
    pub path: &'a Path,
    /// The name that it has until it is whole, on the same file system. Whatever has it is removed.
    pub unfinished: &'a Path,
    /// Permissions.
    pub mode: u32,
}

impl WholeFile<'_> {
    /// Writes it, in the place of what has its name.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        match fs::remove_file(self.unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        // Made anew, so that it has these permissions, and nobody else has it open.
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(self.mode)
            .open(self.unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(self.unfinished, self.path)?;
        match self.path.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => sync_directory(dir),
            Some(_) | None => sync_directory(Path::new(".")),
        }
    }
}
