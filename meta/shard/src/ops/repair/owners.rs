//! How many names of its shard own a file. Who asks has looked at all names; that those it found own the file
//! is checked here, that there are no others cannot be.

use eggs_proto::audit::OwnerKey;
use eggs_proto::{InodeId, InvalidArgument, LIST_ENTRIES_MAX, Refusal};

use crate::records::Life;
use crate::state::State;
use crate::step::Step;

pub(super) fn set(state: &mut State<'_>, id: InodeId, owners: &[OwnerKey]) -> Step<()> {
    let mut file = state.read().file(id)?;
    let count = match u32::try_from(owners.len()) {
        Ok(count) if count <= LIST_ENTRIES_MAX => count,
        Ok(_) | Err(_) => return Err(InvalidArgument::List.into()),
    };
    if !owners.is_sorted_by(|a, b| a < b) {
        return Err(InvalidArgument::List.into()); // one of them twice, perhaps
    }
    for owner in owners {
        if !owns(state, owner, id)? {
            return Err(Refusal::Changed.into());
        }
    }
    match &mut file.life {
        Life::Linked { owners } => *owners = count,
        Life::Transient(_) => return Err(Refusal::Changed.into()),
    }
    Ok(state.put_file(id, file)?)
}

fn owns(state: &State<'_>, owner: &OwnerKey, inode: InodeId) -> Step<bool> {
    let read = state.read();
    Ok(match owner {
        OwnerKey::Current { name, created } => read
            .dentry(name.dir, &name.name)?
            .is_some_and(|dentry| dentry.inode == Some(inode) && dentry.created == *created),
        OwnerKey::Snapshot { dir, key } => read
            .snapshot(*dir, key)?
            .is_some_and(|snapshot| snapshot.inode == inode && snapshot.owned),
    })
}
