//! Why a disk cannot be opened, and why an operation on it came to nothing.

use std::io;
use std::path::{Path, PathBuf};

use eggs_proto::block::BlockRefusal;

/// Why a disk cannot be opened. Each is one sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
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
    /// Another process uses it.
    #[error("disk {path} is in use by another process: stop that one first")]
    InUse {
        /// The disk.
        path: PathBuf,
    },
    /// It holds no label.
    #[error("{path} is not an EggsFS disk: it holds no file `label`")]
    NotADisk {
        /// The directory.
        path: PathBuf,
    },
    /// It was to be made a disk but holds something already.
    #[error("{path} cannot be made an EggsFS disk: it is not empty")]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// The label cannot be understood.
    #[error(
        "the label of disk {path} is damaged ({reason}): restore it from a copy, its key is nowhere else"
    )]
    DamagedLabel {
        /// The disk.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Another version of the format.
    #[error("disk {path} has format version {found}, this build understands only {expected}")]
    Version {
        /// The disk.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// Ours.
        expected: u32,
    },
    /// The disk is of another class.
    #[error("disk {path} is labelled {labelled} but was given as {given}")]
    Class {
        /// The disk.
        path: PathBuf,
        /// What the label says.
        labelled: eggs_proto::StorageClass,
        /// What the options say.
        given: eggs_proto::StorageClass,
    },
}

impl OpenError {
    /// Whether the disk is not there or broken, rather than asked for in a wrong way.
    pub const fn is_of_the_disk(&self) -> bool {
        match self {
            Self::Io { .. } | Self::NotADisk { .. } | Self::DamagedLabel { .. } => true,
            Self::InUse { .. }
            | Self::NotEmpty { .. }
            | Self::Version { .. }
            | Self::Class { .. } => false,
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}

/// Why an operation came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is fine and says no.
    #[error(transparent)]
    Refused(#[from] BlockRefusal),
    /// The disk failed. Counted, and a failed fsync or change fences the disk.
    #[error("{action}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// What went wrong.
        source: io::Error,
    },
    /// An earlier fsync or change failed: nothing is acknowledged any more.
    #[error(
        "the disk is fenced because it failed to carry out a change; restart eggsblocks after checking the disk"
    )]
    Fenced,
}

impl From<StoreError> for BlockRefusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(refusal) => refusal,
            StoreError::Io { .. } | StoreError::Fenced => Self::DiskFailed(error.to_string()),
        }
    }
}
