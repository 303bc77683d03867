//! Why a replica does not start, or had to stop. Each is one sentence that says what to do where that is known.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use eggs_proto::NodeId;

use crate::label::LabelError;

/// Why a replica does not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The process is not one of the registry's.
    #[error(
        "--id {id} is not among --peers ({peers}); every process has to be named there, this one included"
    )]
    NotAPeer {
        /// Its number.
        id: u32,
        /// Those that are named.
        peers: String,
    },
    /// A port cannot be had.
    #[error("cannot listen on {address} ({option}): {}", advice(.cause))]
    Listen {
        /// The option that names it.
        option: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        cause: io::Error,
    },
    /// The directory is another's, or unusable.
    #[error(transparent)]
    Directory(#[from] LabelError),
    /// The replica does not start.
    #[error("the replica in --dir does not start: {0}")]
    Replica(#[from] eggs_raft::StartError),
    /// A fault that only a restart may heal.
    #[error("stopped because of a fault: {0}")]
    Fault(String),
    /// Another directory has the name.
    #[error("{0}")]
    LostName(String),
    /// The registry is lost with all its directories, or they are elsewhere.
    #[error("{0}")]
    NothingLeft(String),
    /// HTTP stopped by itself.
    #[error("the HTTP server stopped: {0}")]
    Http(#[source] io::Error),
}

impl RunError {
    /// Another directory has acted under this name, or nobody may any more.
    pub(crate) fn lost_name(node: NodeId) -> Self {
        Self::LostName(format!(
            "another directory has acted as {node}, or {node} has been replaced: this one must not. If the disk of \
             {node} is lost, {}",
            remedy(node)
        ))
    }

    /// The other processes do not let this one begin again.
    pub(crate) fn not_named(node: NodeId, why: &str) -> Self {
        Self::LostName(format!(
            "the replica of {node} is lost, and it cannot begin again under a new name: {why}. To replace it by hand, {}",
            remedy(node)
        ))
    }

    /// There was a store in the directory, and it is not there any more.
    pub(crate) fn gone(node: NodeId, dir: &Path) -> Self {
        Self::NothingLeft(format!(
            "the store of {node} is gone from {} (--dir): what it has promised is not known. If its disk is not mounted, mount it \
             and start this process again. If it is lost and there are other processes of the registry, {}. If it was the \
             only one, remove the directory and found the registry anew: `eggsrun --dir DIR --found-anew`",
            dir.display(),
            remedy(node)
        ))
    }

    /// Nobody has anything of the registry that there was.
    pub(crate) fn nothing_left(node: NodeId) -> Self {
        Self::NothingLeft(format!(
            "there has been a registry, but the directory of {node} is empty (--dir), and so are those of all the others, if \
             there are others. If a disk is not mounted, mount it and start this process again. If all is lost, found the \
             registry anew: `eggsrun --dir DIR --found-anew`; without eggsrun, --found-anew instead of --join"
        ))
    }
}

/// What to type when a process's disk is lost.
pub(crate) fn remedy(node: NodeId) -> String {
    let place = node.place();
    format!(
        "type `eggsrun --dir DIR replace {place}`; without eggsrun, start a process with --join, an empty directory and a \
         number never used, and type `eggscli meta replace {node} shuckleN --cluster-secret-file FILE`, N being that number"
    )
}

fn advice(cause: &io::Error) -> String {
    match cause.kind() {
        io::ErrorKind::AddrInUse => {
            "another process uses this port; stop it or choose another port".into()
        }
        io::ErrorKind::PermissionDenied => {
            "not permitted; ports below 1024 need privileges, choose another port".into()
        }
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address".into(),
        _ => cause.to_string(),
    }
}
