//! Corrects what is known of a directory's parent, after an audit found that no transaction is about to.

use eggs_machine::{Fault, Store};
use eggs_proto::{InodeId, InvalidArgument, Refusal};

use crate::loops::{Place, place};
use crate::{CdcAnswer, state};

pub(crate) fn apply(
    store: &mut dyn Store,
    dir: InodeId,
    known: Option<InodeId>,
    parent: Option<InodeId>,
) -> Result<CdcAnswer, Fault> {
    Ok(CdcAnswer::Repaired(set(store, dir, known, parent)?))
}

fn set(
    store: &mut dyn Store,
    dir: InodeId,
    known: Option<InodeId>,
    parent: Option<InodeId>,
) -> Result<Result<(), Refusal>, Fault> {
    if !dir.is_directory() || dir == InodeId::ROOT {
        return Ok(Err(Refusal::Invalid(InvalidArgument::Kind)));
    }
    let now = state::parent(store, dir)?;
    if now == parent {
        return Ok(Ok(()));
    }
    if now != known {
        return Ok(Err(Refusal::Changed));
    }
    let Some(parent) = parent else {
        state::remove_parent(store, dir);
        return Ok(Ok(()));
    };
    if !parent.is_directory() {
        return Ok(Err(Refusal::Invalid(InvalidArgument::Kind)));
    }
    match place(store, parent, dir)? {
        Place::Outside => state::set_parent(store, dir, parent),
        Place::Inside | Place::TooDeep => return Ok(Err(Refusal::Loop)),
    }
    Ok(Ok(()))
}
