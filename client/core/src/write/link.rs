//! Making a file visible.

use eggs_proto::shard::{Replace, ShardChange, ShardReply};
use eggs_proto::{AttributeChange, InodeId, Name, NewAttributes, NewTime, Time};

use super::writer::FileWriter;
use crate::error::{ClientError, ClosedReason};
use crate::raw::shard::unexpected;

/// A file became visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linked {
    /// Its inode.
    pub inode: InodeId,
    /// When, in log time of its shard.
    pub created: Time,
}

impl FileWriter {
    /// Stores what is left and makes the file visible. After a refusal, like `Exists`, it may be linked by another
    /// name.
    pub async fn link(
        &mut self,
        name: &Name,
        replace: Replace,
        attributes: AttributeChange,
    ) -> Result<Linked, ClientError> {
        self.check_open()?;
        let nothing_stored = self.len() == self.tail.len() as u64;
        let inline = nothing_stored && self.fits_inline().await?;
        let change = if self.pump.is_none() && inline {
            ShardChange::CreateFile {
                dir: self.dir,
                name: name.clone(),
                replace,
                attributes: changed(self.attributes, attributes),
                content: self.tail.to_vec(),
            }
        } else if self.reserved && inline {
            let transient = self.started().transient().await?;
            let (file, cookie) = (transient.file, transient.cookie);
            ShardChange::CreateReserved {
                file,
                cookie,
                dir: self.dir,
                name: name.clone(),
                replace,
                attributes: changed(self.attributes, attributes),
                content: self.tail.to_vec(),
            }
        } else {
            self.push_tail().await?;
            let dir = self.dir;
            let attributes = self.all_attributes(attributes);
            let pump = self.started();
            let certify = pump.drain().await?;
            let transient = pump.transient().await?;
            ShardChange::CertifyAndLink {
                file: transient.file,
                cookie: transient.cookie,
                certify,
                dir,
                name: name.clone(),
                replace,
                attributes,
            }
        };
        let shard = self.dir.shard();
        let reply = self.client.shard_change(shard, change).await?;
        let ShardReply::Linked { inode, created } = reply else {
            return Err(unexpected(shard));
        };
        self.closed = Some(ClosedReason::Linked);
        if let Some(pump) = self.pump.take() {
            pump.settle();
        }
        Ok(Linked { inode, created })
    }

    /// A file that was reserved gets all of its attributes now.
    fn all_attributes(&self, change: AttributeChange) -> AttributeChange {
        if !self.reserved {
            return change;
        }
        let own = self.attributes;
        AttributeChange {
            mode: change.mode.or(Some(own.mode)),
            uid: change.uid.or(Some(own.uid)),
            gid: change.gid.or(Some(own.gid)),
            mtime: change.mtime.or(own.mtime.map(NewTime::At)),
            atime: change.atime.or(own.atime.map(NewTime::At)),
        }
    }

    /// Whether the whole file can go into the metadata in one request.
    async fn fits_inline(&mut self) -> Result<bool, ClientError> {
        if self.tail.is_empty() {
            return Ok(true);
        }
        let policies = self.policies().await?;
        Ok(self.tail.len() <= policies.inline.inline_bytes_max as usize)
    }
}

/// The attributes after a change.
fn changed(old: NewAttributes, change: AttributeChange) -> NewAttributes {
    let time = |old, new: Option<NewTime>| match new {
        None => old,
        Some(NewTime::Now) => None,
        Some(NewTime::At(time)) => Some(time),
    };
    NewAttributes {
        mode: change.mode.unwrap_or(old.mode),
        uid: change.uid.unwrap_or(old.uid),
        gid: change.gid.unwrap_or(old.gid),
        mtime: time(old.mtime, change.mtime),
        atime: time(old.atime, change.atime),
    }
}
