//! Keeps what dentries carry of their files the same as what the inodes say.

use std::ops::ControlFlow;

use eggs_machine::bugs::{Bug, planted};
use eggs_machine::{Fault, from_bytes};
use eggs_proto::InodeId;

use super::{Range, State, visit};
use crate::keys;
use crate::records::{Carried, Carrier, DentryRecord, InodeRecord};

/// Whether the dentry that has carried a file so far is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FormerCarrier {
    /// Nobody has looked.
    Perhaps,
    /// It was removed in this change.
    Gone,
}

impl State<'_> {
    /// Makes the dentry that the caller is about to write the carrier of an inode, and returns what it has to carry: nothing of
    /// directories and of what is on other shards.
    pub(crate) fn carry(
        &mut self,
        id: InodeId,
        carrier: Carrier,
        there: FormerCarrier,
    ) -> Result<Option<Carried>, Fault> {
        if id.is_directory() || id.shard() != self.shard {
            return Ok(None);
        }
        let stored = self.read().inode(id)?;
        let Some(InodeRecord::File(file)) = &stored else {
            return Ok(None);
        };
        let (carried, former) = (Carried::of(file), file.carrier);
        if former != Some(carrier) {
            let mut file = file.clone();
            file.carrier = Some(carrier);
            if let (Some(former), FormerCarrier::Perhaps) = (former, there)
                && !planted(Bug::CarriedTwice)
            {
                self.rewrite(former, id, None)?;
            }
            self.put_over(id, stored.as_ref(), &InodeRecord::File(file))?;
        }
        Ok(Some(carried))
    }

    /// An inode was written: its carrier has what is new of it.
    pub(super) fn update_carrier(
        &mut self,
        id: InodeId,
        old: Option<&InodeRecord>,
        new: &InodeRecord,
    ) -> Result<(), Fault> {
        let (Some(InodeRecord::File(old)), InodeRecord::File(new)) = (old, new) else {
            return Ok(());
        };
        let Some(carrier) = new.carrier.filter(|_| old.carrier == new.carrier) else {
            return Ok(());
        };
        let now = Carried::of(new);
        if Carried::of(old) == now || planted(Bug::CarrierNotUpdated) {
            return Ok(());
        }
        self.rewrite(carrier, id, Some(now))
    }

    /// Changes what a carrier has, if it is still there. Files rarely change, so nobody but this looks for it.
    fn rewrite(
        &mut self,
        carrier: Carrier,
        id: InodeId,
        carried: Option<Carried>,
    ) -> Result<(), Fault> {
        let prefix = keys::dentry_position(carrier.dir, carrier.hash);
        let range = Range::prefix(keys::DENTRIES, &prefix, prefix.clone());
        let mut found = None;
        visit(self.read().store, &range, |key, value| {
            let record: DentryRecord = from_bytes(value)?;
            if record.inode != Some(id) || record.carried.is_none() {
                return Ok::<_, Fault>(ControlFlow::Continue(()));
            }
            found = Some((key.to_vec(), record));
            Ok(ControlFlow::Break(()))
        })?;
        if let Some((key, record)) = found {
            let record = DentryRecord { carried, ..record };
            self.put(keys::DENTRIES, &key, &record);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
