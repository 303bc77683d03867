//! What a directory thinks of as its parent.

use eggs_proto::{InodeId, InvalidArgument, Refusal};

use crate::state::State;
use crate::step::Step;

/// The parent that a directory thinks of, and the right one.
pub(super) struct Parents {
    pub(super) known: InodeId,
    pub(super) parent: InodeId,
}

pub(super) fn set(state: &mut State<'_>, dir: InodeId, parents: Parents) -> Step<()> {
    let mut record = state.read().directory(dir)?;
    if dir == InodeId::ROOT || !parents.parent.is_directory() {
        return Err(InvalidArgument::Kind.into());
    }
    if record.parent == parents.parent {
        return Ok(());
    }
    if record.parent != parents.known {
        return Err(Refusal::Changed.into());
    }
    record.parent = parents.parent;
    state.put_directory(dir, record)?;
    state.mark_tree(dir);
    Ok(())
}
