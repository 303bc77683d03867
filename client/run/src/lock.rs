//! One supervisor per directory.

use std::fs::{self, File, OpenOptions};
use std::io::Write;

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};
use rustix::process::Pid;

use crate::layout::Layout;

/// Held as long as it lives.
pub struct Lock {
    _file: File,
}

/// Takes the lock; `None` if another supervisor has it.
pub fn take(layout: &Layout) -> Result<Option<Lock>> {
    let path = layout.lock();
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .with_context(|| format!("open {}", path.display()))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("lock {}", path.display())),
    }
    file.set_len(0).context("write the pid of the supervisor")?;
    writeln!(file, "{}", std::process::id()).context("write the pid of the supervisor")?;
    Ok(Some(Lock { _file: file }))
}

/// The supervisor of the directory, if there is one.
pub fn holder(layout: &Layout) -> Result<Option<Pid>> {
    let path = layout.lock();
    if !path.exists() {
        return Ok(None);
    }
    let file = File::open(&path).with_context(|| format!("open {}", path.display()))?;
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(None),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let text = fs::read_to_string(&path).context("read the pid of the supervisor")?;
            Ok(text.trim().parse().ok().and_then(Pid::from_raw))
        }
        Err(error) => Err(error).with_context(|| format!("lock {}", path.display())),
    }
}
