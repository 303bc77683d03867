//! The walk from a directory to the root.

use eggs_machine::{Fault, StoreRead};
use eggs_proto::{DEPTH_MAX, InodeId};

use crate::state;

/// Where a directory is in relation to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It is the other one, or below it.
    Inside,
    /// It is not; or it has been removed, so that nothing can be put there anyway.
    Outside,
    /// It is deeper than anybody wants to walk.
    TooDeep,
}

/// Where `dir` is in relation to `ancestor`.
pub(crate) fn place(
    store: &dyn StoreRead,
    dir: InodeId,
    ancestor: InodeId,
) -> Result<Place, Fault> {
    let mut at = dir;
    for _ in 0..DEPTH_MAX {
        if at == ancestor {
            return Ok(Place::Inside);
        }
        match state::parent(store, at)? {
            Some(parent) => at = parent,
            None => return Ok(Place::Outside),
        }
    }
    Ok(Place::TooDeep)
}
