//! Directories and the names in them.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{self, Path};

/// Makes the names in a directory durable.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes a directory and those above it, unless they are there, and makes their names durable, also if they were there:
/// whoever made them may have been interrupted.
///
/// Goes up as far as the file system goes, and to the first directory that may not be read, which was not made by us.
pub fn make_directory(path: &Path) -> io::Result<()> {
    let path = path::absolute(path)?;
    fs::create_dir_all(&path)?;
    let device = fs::metadata(&path)?.dev();
    for above in path.ancestors().skip(1) {
        if fs::metadata(above)?.dev() != device {
            break;
        }
        match sync_directory(above) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::PermissionDenied => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
