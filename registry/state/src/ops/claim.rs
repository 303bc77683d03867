//! A directory becomes the only one that may act as a process.
//!
//! **Invariant:** a process's name belongs to at most one incarnation for ever. A replica that lost its disk has lost
//! its incarnation with it, so it cannot come back under its old name and vote against what it has promised.

use eggs_proto::{InvalidArgument, NodeId, ProcessRole, Refusal};

use crate::record::{IdentityRecord, IdentityState, SuccessorRecord};
use crate::tables::{self, IDENTITIES, SUCCESSORS};
use crate::transaction::{Stop, Transaction};

/// Binds a process to its incarnation.
pub(crate) fn claim(tx: &mut Transaction<'_>, node: NodeId, incarnation: u64) -> Result<(), Stop> {
    match node.role() {
        ProcessRole::Registry | ProcessRole::Shard | ProcessRole::Cdc => {}
        // They have no replicas to lose.
        ProcessRole::Blocks | ProcessRole::Gc | ProcessRole::Client => {
            return Err(Refusal::Invalid(InvalidArgument::Range).into());
        }
    }
    let successor: Option<SuccessorRecord> = tables::get(tx.store, SUCCESSORS, node)?;
    if successor.is_some() {
        return Err(Refusal::Exists.into()); // its directory is lost, even if it is there
    }
    let known: Option<IdentityRecord> = tables::get(tx.store, IDENTITIES, node)?;
    match known {
        None => {
            let record = IdentityRecord {
                incarnation,
                state: IdentityState::Claimed,
            };
            tables::put(tx.store, IDENTITIES, node, &record);
            Ok(())
        }
        Some(known)
            if known.incarnation == incarnation && known.state == IdentityState::Claimed =>
        {
            Ok(())
        }
        Some(_) => Err(Refusal::Exists.into()),
    }
}
