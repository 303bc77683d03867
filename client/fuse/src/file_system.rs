//! The file system behind the mount: what every operation shares.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use eggs_proto::InodeId;
use fuser::Notifier;

use crate::backend::Backend;
use crate::gates::Gates;
use crate::handles::Handles;
use crate::lock::lock;
use crate::names::Names;
use crate::recent::Recent;
use crate::write_file::Published;
use crate::writes::Writes;

/// Files whose pages have to be dropped at the next open; with that many, no open trusts the page cache.
const UNCLEAN_MAX: usize = 4096;

/// How the mount behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long the kernel may use attributes and names without asking; zero for linearizable reads.
    pub cache: Duration,
    /// Where files are kept that are not written front to back.
    pub spool_dir: Arc<Path>,
}

/// The file system.
pub struct FileSystem {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) settings: Settings,
    pub(crate) names: Mutex<Names>,
    pub(crate) writes: Writes,
    pub(crate) handles: Handles,
    pub(crate) gates: Gates,
    pub(crate) recent: Recent,
    /// Published files of which the kernel may hold pages from before.
    unclean: Mutex<HashSet<InodeId>>,
    notifier: OnceLock<Notifier>,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// Thread.
    pub pid: u32,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl FileSystem {
    /// A file system that nobody has asked anything yet.
    pub fn new(backend: Arc<dyn Backend>, settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            backend,
            settings,
            names: Mutex::default(),
            writes: Writes::default(),
            handles: Handles::default(),
            gates: Gates::default(),
            recent: Recent::default(),
            unclean: Mutex::default(),
            notifier: OnceLock::new(),
        })
    }

    /// Tells how to reach the kernel.
    pub fn set_notifier(&self, notifier: Notifier) {
        // Set once per mount; a second one would be of the same mount.
        let _ = self.notifier.set(notifier);
    }

    /// Number of files that are open for writing.
    pub fn files_being_written(&self) -> usize {
        self.writes.len()
    }

    /// What the kernel knows is outdated.
    pub(crate) fn published(&self, published: &Published) {
        if published.may_be_cached {
            let mut unclean = lock(&self.unclean);
            if unclean.len() < UNCLEAN_MAX {
                unclean.insert(published.inode);
            }
        }
        if self.settings.cache.is_zero() {
            return;
        }
        let Some(notifier) = self.notifier.get().cloned() else {
            return;
        };
        let dir = crate::attr::node(published.place.dir);
        let name = published.place.name.clone();
        // The kernel takes the directory's lock for it, which somebody may hold while waiting for us.
        tokio::task::spawn_blocking(move || {
            let name = std::os::unix::ffi::OsStrExt::from_bytes(name.as_bytes());
            if let Err(error) = notifier.inval_entry(dir, name) {
                tracing::debug!(%error, "the kernel does not drop a name");
            }
        });
    }

    /// Whether pages of the file have to be dropped; true only once.
    pub(crate) fn take_unclean(&self, inode: InodeId) -> bool {
        let mut unclean = lock(&self.unclean);
        let full = unclean.len() >= UNCLEAN_MAX;
        unclean.remove(&inode) || full
    }
}
