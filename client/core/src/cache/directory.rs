//! The directory of a cache: one user at a time, and nothing left of other versions.

use std::fs::{DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::format::{FILE_NAME, FILE_PREFIX};

/// Why a directory cannot be used as a cache.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Another process uses it. A program may go on without a cache.
    #[error("the cache {path} is in use by another process")]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The size is not possible.
    #[error("a cache of {bytes} bytes is not possible: it takes 16 MiB to 16 TiB")]
    Size {
        /// What was wanted.
        bytes: u64,
    },
    /// A call to the system failed.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
}

pub(super) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CacheError {
    let path = path.to_owned();
    move |source| CacheError::Io {
        action,
        path,
        source,
    }
}

/// A directory that is ours until this is dropped.
#[derive(Debug)]
pub(super) struct Directory {
    /// The file of our version.
    pub file: File,
    pub lock: File,
}

impl Directory {
    /// Makes the directory if there is none, takes it, and removes files of other versions. Only the owner may look into what is
    /// made: it holds content of files whatever their modes are.
    pub fn take(path: &Path) -> Result<Self, CacheError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(failed("create directory", path))?;
        let lock_path = path.join("lock");
        let lock = private(&lock_path).map_err(failed("open", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let path = path.to_owned();
                return Err(CacheError::InUse { path });
            }
            Err(TryLockError::Error(error)) => return Err(failed("lock", &lock_path)(error)),
        }
        remove_other_versions(path)?;
        let file_path = path.join(FILE_NAME);
        let file = private(&file_path).map_err(failed("open", &file_path))?;
        Ok(Self { file, lock })
    }
}

fn private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    options.mode(0o600).open(path)
}

/// Files of the user's that lie there are none of our business.
fn remove_other_versions(path: &Path) -> Result<(), CacheError> {
    for entry in std::fs::read_dir(path).map_err(failed("list directory", path))? {
        let entry = entry.map_err(failed("list directory", path))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let version = name.strip_prefix(FILE_PREFIX).unwrap_or_default();
        let is_version = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
        if is_version && name != FILE_NAME {
            let path = entry.path();
            std::fs::remove_file(&path).map_err(failed("remove", &path))?;
            tracing::info!(path = %path.display(), "the cache of another version was removed");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_directory_has_one_user_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        let first = Directory::take(&path).unwrap();
        assert!(matches!(
            Directory::take(&path),
            Err(CacheError::InUse { .. })
        ));
        drop(first);
        Directory::take(&path).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(&path.join(FILE_NAME)), 0o600);
    }

    #[test]
    fn files_of_other_versions_go_and_those_of_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        let names = [
            "cache-0",
            "cache-12",
            "cache-1",
            "cache-",
            "cache-1.bak",
            "notes",
        ];
        for name in names {
            std::fs::write(dir.path().join(name), name).unwrap();
        }
        Directory::take(dir.path()).unwrap();
        let there: Vec<bool> = names.iter().map(|n| dir.path().join(n).exists()).collect();
        assert_eq!(there, [false, false, true, true, true, true]);
    }

    #[test]
    fn what_is_no_directory_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Directory::take(file.path()).unwrap_err().to_string();
        assert!(
            error.contains(&file.path().display().to_string()),
            "{error}"
        );
    }
}
