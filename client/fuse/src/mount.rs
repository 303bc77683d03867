//! Putting the file system into the directory tree and taking it out again.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use fuser::{Config, MountOption, Session, SessionACL, SessionUnmounter};
use rustix::mount::{UnmountFlags, unmount};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use crate::file_system::FileSystem;
use crate::skin::Skin;

/// How long a mount point may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Dead mounts stacked on one mount point that are cleared away.
const DEAD_MAX: usize = 16;
/// How much the kernel reads ahead, in KiB; its own limit for FUSE is 128.
const READ_AHEAD_KIB: u32 = 4096;
const DEVICE: &str = "/dev/fuse";

/// Who may use the mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only the user who mounted it.
    Owner,
    /// Everybody, as permissions allow.
    All,
}

/// Why there is no mount. Each is a sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// No FUSE.
    #[error(
        "{DEVICE} cannot be opened ({0}): load the kernel module with `modprobe fuse`, or pass the device to the container"
    )]
    Device(#[source] io::Error),
    /// No such directory.
    #[error("the mount point {} cannot be used: {source}", point.display())]
    Unusable {
        /// The mount point.
        point: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something is in it.
    #[error("the mount point {} is not an empty directory", .0.display())]
    NotEmpty(PathBuf),
    /// It is mounted.
    #[error("an EggsFS is mounted at {} already: unmount it with `umount {}`", .0.display(), .0.display())]
    AlreadyMounted(PathBuf),
    /// Whatever is there does not answer.
    #[error("what is mounted at {} does not answer: remove it with `umount -l {}`", .0.display(), .0.display())]
    Hung(PathBuf),
    /// The kernel refused.
    #[error("cannot mount at {}: {source}", point.display())]
    Refused {
        /// The mount point.
        point: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A mounted file system.
pub struct Mount {
    point: PathBuf,
    unmounter: SessionUnmounter,
    ended: oneshot::Receiver<io::Result<()>>,
    tasks: TaskTracker,
}

/// Mounts. A dead mount of an earlier process at the same place is removed first.
pub async fn mount(fs: Arc<FileSystem>, point: &Path, access: Access) -> Result<Mount, MountError> {
    let unusable = |source| MountError::Unusable {
        point: point.to_owned(),
        source,
    };
    std::fs::File::options()
        .read(true)
        .write(true)
        .open(DEVICE)
        .map_err(MountError::Device)?;
    let point = std::path::absolute(point).map_err(unusable)?;
    prepare(&point)?;
    let runtime = Handle::current();
    let tasks = TaskTracker::new();
    let skin = Skin::new(fs.clone(), runtime.clone(), tasks.clone());
    let refused = |source| MountError::Refused {
        point: point.clone(),
        source,
    };
    let mut session = Session::new(skin, &point, &config(access)).map_err(refused)?;
    fs.set_notifier(session.notifier());
    let unmounter = session.unmount_callable();
    let (sender, ended) = oneshot::channel();
    thread::Builder::new()
        .name("fuse-reader".to_owned())
        // Nobody may be waiting for it any more.
        .spawn(move || drop(sender.send(session.run())))
        .map_err(refused)?;
    let mount = Mount {
        point: point.clone(),
        unmounter,
        ended,
        tasks,
    };
    mount.answers().await.map_err(refused)?;
    raise_read_ahead(&point);
    Ok(mount)
}

fn config(access: Access) -> Config {
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::FSName("eggsfs".to_owned()),
        MountOption::CUSTOM("subtype=eggsfs".to_owned()),
        MountOption::DefaultPermissions,
        MountOption::NoAtime,
    ];
    config.acl = match access {
        Access::Owner => SessionACL::Owner,
        Access::All => SessionACL::All,
    };
    config.n_threads = Some(1); // the order of requests is the order of marking
    config
}

impl Mount {
    /// Where it is.
    pub fn point(&self) -> &Path {
        &self.point
    }

    /// Ends when somebody else unmounts it.
    pub async fn ended(&mut self) -> io::Result<()> {
        match (&mut self.ended).await {
            Ok(result) => result,
            Err(_) => Err(io::Error::other("the thread that reads requests is gone")),
        }
    }

    /// Asks the mount something and waits for the answer.
    async fn answers(&self) -> io::Result<()> {
        let point = self.point.clone();
        let asked = tokio::task::spawn_blocking(move || std::fs::metadata(point).map(drop));
        match asked.await {
            Ok(result) => result,
            Err(_) => Err(io::Error::other("the check of the mount did not end")),
        }
    }

    /// Unmounts, lazily if it is in use, and waits at most `patience` for requests under way.
    pub async fn unmount(mut self, patience: Duration) {
        // A request through the same queue: whatever was closed before is being published now.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.answers()).await;
        self.tasks.close();
        let _ = tokio::time::timeout(patience, self.tasks.wait()).await;
        if let Err(error) = self.unmounter.unmount() {
            tracing::warn!(point = %self.point.display(), %error, "in use, unmounting lazily");
            if let Err(error) = unmount(&self.point, UnmountFlags::DETACH) {
                tracing::warn!(point = %self.point.display(), %error, "not unmounted");
            }
        } else {
            let _ = tokio::time::timeout(Duration::from_secs(1), self.ended()).await;
        }
        let _ = tokio::time::timeout(patience, self.tasks.wait()).await;
    }
}

/// Makes sure that the mount point is an empty directory that nothing alive is mounted at.
fn prepare(point: &Path) -> Result<(), MountError> {
    for _ in 0..DEAD_MAX {
        let path = point.to_owned();
        match answer(move || std::fs::metadata(path)) {
            None => return Err(MountError::Hung(point.to_owned())),
            Some(Err(error)) if error.raw_os_error() == Some(libc::ENOTCONN) => {
                tracing::info!(point = %point.display(), "removing the dead mount of an earlier process");
                unmount(point, UnmountFlags::DETACH).map_err(|errno| MountError::Refused {
                    point: point.to_owned(),
                    source: errno.into(),
                })?;
            }
            Some(_) => break,
        }
    }
    if mounted_at(point).is_some_and(|found| found.kind == "fuse.eggsfs") {
        return Err(MountError::AlreadyMounted(point.to_owned()));
    }
    let unusable = |source| MountError::Unusable {
        point: point.to_owned(),
        source,
    };
    let mut entries = std::fs::read_dir(point).map_err(unusable)?;
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(MountError::NotEmpty(point.to_owned())),
    }
}

/// `None` if it takes too long; its thread is left behind then.
fn answer<T: Send + 'static>(ask: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || drop(sender.send(ask())));
    receiver.recv_timeout(ANSWER_MAX).ok()
}

/// Lets the kernel read ahead further than it does for FUSE; only root may, and reading works without.
fn raise_read_ahead(point: &Path) {
    let Some(found) = mounted_at(point) else {
        return;
    };
    let file = format!("/sys/class/bdi/{}/read_ahead_kb", found.device);
    if let Err(error) = std::fs::write(&file, READ_AHEAD_KIB.to_string()) {
        tracing::debug!(%error, file, "readahead stays as it is");
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Found {
    device: String,
    kind: String,
}

/// What is mounted at a place, topmost.
fn mounted_at(point: &Path) -> Option<Found> {
    let table = std::fs::read("/proc/self/mountinfo").ok()?;
    let canonical = point.canonicalize().unwrap_or_else(|_| point.to_owned());
    find_mount(&table, &canonical)
}

/// See proc_pid_mountinfo(5).
fn find_mount(table: &[u8], point: &Path) -> Option<Found> {
    let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
    let lines = table.split(|byte| *byte == b'\n');
    let mut matching = lines.filter_map(|line| {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let dash = fields.iter().position(|field| *field == b"-")?;
        let at = unescape(fields.get(4)?);
        (Path::new(&at) == point).then_some(Found {
            device: text(fields.get(2)?),
            kind: text(fields.get(dash + 1)?),
        })
    });
    matching.next_back()
}

/// Space, tab, newline and backslash are written as `\ooo`.
fn unescape(field: &[u8]) -> OsString {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        let octal = tail.get(..3).filter(|_| *first == b'\\');
        let value = octal
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match value {
            Some(value) => {
                bytes.push(value);
                rest = &tail[3..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn the_topmost_mount_counts_and_names_are_unescaped() {
        let table = b"29 1 254:0 / / rw - ext4 /dev/vda rw\n\
            50 29 0:44 / /mnt/a\\040b rw,nosuid shared:7 - tmpfs none rw\n\
            51 50 0:45 / /mnt/a\\040b rw,nosuid - fuse.eggsfs eggsfs rw,user_id=0\n";
        let found = find_mount(table, Path::new("/mnt/a b")).unwrap();
        assert_eq!((&*found.device, &*found.kind), ("0:45", "fuse.eggsfs"));
        assert_eq!(find_mount(table, Path::new("/mnt")), None);
        assert_eq!(unescape(b"a\\134b\\").as_bytes(), b"a\\b\\");
    }

    #[test]
    fn a_mount_point_must_be_an_empty_directory() {
        let dir = tempfile::tempdir().unwrap();
        assert!(prepare(dir.path()).is_ok());
        std::fs::write(dir.path().join("x"), "x").unwrap();
        assert!(matches!(prepare(dir.path()), Err(MountError::NotEmpty(_))));
        let inside = dir.path().join("x");
        assert!(matches!(prepare(&inside), Err(MountError::Unusable { .. })));
        let missing = dir.path().join("y");
        assert!(matches!(
            prepare(&missing),
            Err(MountError::Unusable { .. })
        ));
    }
}
