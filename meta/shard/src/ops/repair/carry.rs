//! Lets a name carry what its file says. Fine if there is no such name (any more).

use eggs_proto::{InodeId, Name};

use crate::records::DentryRecord;
use crate::state::{FormerCarrier, OpenDirectory, State};
use crate::step::Step;

pub(super) fn apply(state: &mut State<'_>, dir: InodeId, name: &Name) -> Step<()> {
    let mut dir = OpenDirectory::open(state, dir)?;
    let Some(dentry) = dir.get(state, name)? else {
        return Ok(());
    };
    let carried = match dentry.inode {
        Some(inode) => state.carry(inode, dir.carrier(name), FormerCarrier::Perhaps)?,
        None => None,
    };
    dir.set(state, name, Some(DentryRecord { carried, ..dentry }))?;
    dir.close_untouched(state)
}
