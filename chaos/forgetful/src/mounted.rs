//! Putting it into the directory tree and taking it out again.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fuser::{BackgroundSession, Config, MountOption};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};

use crate::{Power, Tree, skin::Skin};

/// What the mount and the test share.
#[derive(Debug)]
pub(crate) struct Machine {
    pub tree: Tree,
    pub power: Power,
}

pub(crate) type Shared = Arc<Mutex<Machine>>;

pub(crate) fn lock(machine: &Shared) -> MutexGuard<'_, Machine> {
    machine.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A mounted file system that forgets. Unmounted when dropped.
#[derive(Debug)]
pub struct Mounted {
    machine: Shared,
    point: PathBuf,
    /// `None` once it is unmounted.
    session: Option<BackgroundSession>,
}

impl Mounted {
    /// Mounts what there is at an empty directory. `None`, and a word on standard error, where this process may not mount: that
    /// needs root and `/dev/fuse`.
    pub fn new(tree: Tree, power: Power, point: &Path) -> io::Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() || !Path::new("/dev/fuse").exists() {
            eprintln!("skipped: mounting needs root and /dev/fuse");
            return Ok(None);
        }
        let machine = Arc::new(Mutex::new(Machine { tree, power }));
        let mut config = Config::default();
        config.mount_options = vec![
            MountOption::FSName("forgetful".to_owned()),
            MountOption::DefaultPermissions,
        ];
        let session = fuser::spawn_mount(Skin::new(machine.clone()), point, &config)?;
        Ok(Some(Self {
            machine,
            point: point.to_owned(),
            session: Some(session),
        }))
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.point
    }

    /// What has happened to its power.
    pub fn power(&self) -> Power {
        lock(&self.machine).power
    }

    /// Cuts the power now.
    pub fn cut_power(&self) {
        lock(&self.machine).power.cut();
    }

    /// Unmounts it; gives what there was, synced or not: see [`Tree::survivor`]. Gives itself back while somebody uses it.
    pub fn unmount(mut self) -> Result<Tree, Self> {
        match unmount(&self.point, UnmountFlags::empty()) {
            Err(Errno::BUSY) => return Err(self),
            // Whoever reads its requests ends by itself, and says how, which does not matter any more.
            Ok(()) | Err(_) => drop(self.session.take().map(BackgroundSession::umount_and_join)),
        }
        Ok(lock(&self.machine).tree.clone())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let Some(session) = self.session.take() else {
            return;
        };
        if session.umount_and_join().is_err() {
            // In use, after a test that failed: its name goes at once, the rest when nobody uses it any more.
            let _ = unmount(&self.point, UnmountFlags::DETACH);
        }
    }
}
