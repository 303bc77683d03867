//! What every verb needs.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

use eggs_client::{Client, ClientError, FollowLast, Resolved};
use eggs_proto::{Name, NewAttributes};
use rustix::fs::Mode;

use crate::failure::Failure;
use crate::output::Format;

pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) format: Format,
    /// How long one group may take to be moved.
    pub(crate) patience: Duration,
    /// The cluster's name, if we know its secret.
    pub(crate) cluster: Option<u64>,
}

impl Context {
    /// The cluster's name: 16 hexadecimal digits.
    pub(crate) fn cluster_name(&self) -> Result<String, Failure> {
        let id = self.cluster.ok_or_else(crate::meta::needs_secret)?;
        Ok(format!("{id:016x}"))
    }

    /// What a path stands for.
    pub(crate) async fn resolve(
        &self,
        path: &OsStr,
        follow: FollowLast,
        doing: &str,
    ) -> Result<Resolved, Failure> {
        let found = self.client.resolve(path.as_bytes(), follow).await;
        found.map_err(|error| Failure::remote(doing, show(path), &error))
    }

    /// The directory that a path stands for.
    pub(crate) async fn directory(&self, path: &OsStr, doing: &str) -> Result<Resolved, Failure> {
        let found = self.resolve(path, FollowLast::Yes, doing).await?;
        if found.inode.is_directory() {
            return Ok(found);
        }
        let error = ClientError::Refused(eggs_proto::Refusal::NotDirectory);
        Err(Failure::remote(doing, show(path), &error))
    }
}

/// Attributes of something that this user makes, with the usual permissions less the umask.
pub(crate) fn attributes(mode: u32) -> NewAttributes {
    NewAttributes {
        mode: mode & !umask(),
        uid: rustix::process::getuid().as_raw(),
        gid: rustix::process::getgid().as_raw(),
        mtime: None,
        atime: None,
    }
}

/// The process's umask, which can only be read by setting it.
fn umask() -> u32 {
    let mask = rustix::process::umask(Mode::from_raw_mode(0o077));
    rustix::process::umask(mask);
    mask.as_raw_mode()
}

/// A path or name for people.
pub(crate) fn show(path: &OsStr) -> String {
    String::from_utf8_lossy(path.as_bytes()).into_owned()
}

/// A name for people, in a listing: control characters must not reach the terminal.
pub(crate) fn show_name(name: &Name) -> String {
    let text = String::from_utf8_lossy(name.as_bytes());
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}
