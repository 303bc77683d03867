//! Makes a directory inode. Fine if the same transaction made it.

use eggs_proto::shard::ShardReply;
use eggs_proto::{InodeId, InvalidArgument, NewAttributes, Refusal, TransactionId};

use crate::records::{CommonAttributes, DirectoryRecord, InodeRecord};
use crate::state::State;
use crate::step::Reply;

/// A directory and its parent.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) dir: InodeId,
    pub(crate) parent: InodeId,
}

pub(crate) fn apply(
    state: &mut State<'_>,
    Place { dir, parent }: Place,
    attributes: &NewAttributes,
    transaction: TransactionId,
) -> Reply {
    state.read().check_shard(dir)?;
    if !dir.is_directory() || !parent.is_directory() {
        return Err(InvalidArgument::Kind.into());
    }
    match state.read().inode(dir)? {
        None => {
            let attributes = CommonAttributes::new(attributes, state.now)?;
            let record = DirectoryRecord::new(attributes, parent, Some(transaction));
            state.put_directory(dir, record)?;
            Ok(ShardReply::Done)
        }
        Some(InodeRecord::Directory(known)) if known.made_by == Some(transaction) => {
            Ok(ShardReply::Done)
        }
        Some(_) => Err(Refusal::Exists.into()),
    }
}
