//! A disk that is easily filled: a file system in memory, and files that take its space.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

/// Between looks at what has become free.
const TOP_UP: Duration = Duration::from_millis(50);

/// A mounted disk; goes with this value.
#[derive(Debug)]
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    pub(crate) fn mount(path: PathBuf, mib: u32) -> Result<Self> {
        fs::create_dir_all(&path).context("make a directory")?;
        let size = std::ffi::CString::new(format!("size={mib}m")).context("name a size")?;
        let no_flags = MountFlags::empty();
        mount("none", &path, "tmpfs", no_flags, Some(size.as_c_str()))
            .with_context(|| format!("mount a small disk at {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        unmount(&self.0, UnmountFlags::DETACH).ok(); // the test has failed already, if this does
    }
}

/// A file that takes the space of the disk of a metadata process, also what becomes free later, until this value goes.
#[derive(Debug)]
pub struct Ballast {
    file: PathBuf,
    stop: Arc<AtomicBool>,
    filling: Option<JoinHandle<()>>,
}

impl Ballast {
    /// Leaves so much for the process of this directory, what it has set aside included.
    pub fn leave(dir: &Path, bytes: u64) -> Result<Self> {
        let file = dir.join("ballast");
        let open = File::create(&file).context("make a ballast")?;
        let reserve = dir.join("raft/reserve");
        fill(&open, dir, &reserve, bytes)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, dir) = (stop.clone(), dir.to_path_buf());
        let filling = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                fill(&open, &dir, &reserve, bytes).ok(); // somebody else was faster
                std::thread::sleep(TOP_UP);
            }
        });
        Ok(Self {
            file,
            stop,
            filling: Some(filling),
        })
    }
}

fn fill(ballast: &File, dir: &Path, reserve: &Path, leave: u64) -> Result<()> {
    let disk = statvfs(dir).context("look at a disk")?;
    let reserved = fs::metadata(reserve).map_or(0, |reserve| reserve.len());
    let left = disk.f_bavail * disk.f_frsize + reserved;
    let taken = left.saturating_sub(leave);
    if taken > 0 {
        let end = ballast.metadata().context("look at a ballast")?.len();
        fallocate(ballast, FallocateFlags::empty(), end, taken).context("fill a disk")?;
    }
    Ok(())
}

impl Drop for Ballast {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(filling) = self.filling.take() {
            filling.join().ok(); // it cannot panic
        }
        fs::remove_file(&self.file).ok(); // gone with its disk
    }
}
