//! What can be known to go wrong before anything is started.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{layout::Layout, mounts};

/// Makes the directories of a cluster.
pub fn directories(layout: &Layout) -> Result<()> {
    for dir in [
        layout.dir().to_path_buf(),
        layout.run(),
        layout.logs(),
        layout.dir().join("data"),
    ] {
        fs::create_dir_all(&dir).with_context(|| {
            format!(
                "create {}: check its permissions or give another --dir",
                dir.display()
            )
        })?;
    }
    Ok(())
}

/// Checks that mounting can work, and makes the mount point.
pub fn mount_point(path: &Path) -> Result<PathBuf> {
    fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/fuse")
        .context(
            "open /dev/fuse: load the fuse module ('modprobe fuse'), run as a user who may use it, \
         or start with --no-mount",
        )?;
    mounts::detach(path); // left by a daemon that was killed
    fs::create_dir_all(path)
        .with_context(|| format!("create the mount point {}", path.display()))?;
    let mut entries =
        fs::read_dir(path).with_context(|| format!("read the mount point {}", path.display()))?;
    if entries.next().is_some() {
        bail!(
            "the mount point {} is not empty: empty it or give another --mount",
            path.display()
        );
    }
    path.canonicalize()
        .with_context(|| format!("resolve the mount point {}", path.display()))
}

/// An equal share of the file system for each disk directory.
pub fn disk_share(layout: &Layout, disks: u32) -> Result<u64> {
    let stat = rustix::fs::statvfs(layout.dir())
        .with_context(|| format!("ask for the free space of {}", layout.dir().display()))?;
    Ok(stat.f_blocks.saturating_mul(stat.f_frsize) / u64::from(disks.max(1)))
}
