//! Renames within one directory. The source leaves a snapshot that owns nothing; a file that is replaced
//! becomes an owned snapshot.

use eggs_proto::shard::{Replace, ShardReply};
use eggs_proto::{InodeId, Name, Refusal};

use crate::state::{OpenDirectory, Ownership, State};
use crate::step::{Reply, Step};

/// Both names, in one directory.
pub(crate) struct Names {
    pub(crate) source: Name,
    pub(crate) target: Name,
}

pub(crate) fn apply(state: &mut State<'_>, dir: InodeId, names: &Names, replace: Replace) -> Reply {
    let mut dir = OpenDirectory::open(state, dir)?;
    let (_, inode) = dir.get_unlocked(state, &names.source)?;
    if names.source == names.target {
        return Ok(ShardReply::Done);
    }
    let in_the_way = match dir.get(state, &names.target)? {
        Some(dentry) => Some(dentry.unlocked()?),
        None => None,
    };
    match (replace, in_the_way) {
        (Replace::Exchange, None) => return Err(Refusal::NotFound.into()),
        (Replace::Exchange, Some(other)) => {
            dir.bury(state, &names.source, Ownership::Elsewhere)?;
            dir.bury(state, &names.target, Ownership::Elsewhere)?;
            dir.enter(state, &names.source, other)?;
        }
        (Replace::Never, Some(_)) => return Err(Refusal::Exists.into()),
        (Replace::Files, Some(other)) => {
            check_kinds(inode, other)?;
            dir.bury(state, &names.source, Ownership::Elsewhere)?;
            dir.bury(state, &names.target, Ownership::Owned)?;
        }
        (Replace::Never | Replace::Files, None) => {
            dir.bury(state, &names.source, Ownership::Elsewhere)?;
        }
    }
    dir.enter(state, &names.target, inode)?;
    dir.close(state)?;
    Ok(ShardReply::Done)
}

fn check_kinds(source: InodeId, target: InodeId) -> Step<()> {
    match (source.is_directory(), target.is_directory()) {
        (false, false) => Ok(()),
        (true, true) => Err(Refusal::NeedsCoordinator.into()),
        (false, true) => Err(Refusal::IsDirectory.into()),
        (true, false) => Err(Refusal::NotDirectory.into()),
    }
}
