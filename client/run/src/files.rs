//! Small files written whole or not at all.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use eggs_durable::WholeFile;

/// Writes a file under a temporary name, syncs it, and gives it its name.
pub fn write_durably(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let file = WholeFile {
        path,
        unfinished: &path.with_extension("new"),
        mode,
    };
    file.write(bytes)
        .with_context(|| format!("write {}", path.display()))
}

/// Removes a file that may be gone already.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", path.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
