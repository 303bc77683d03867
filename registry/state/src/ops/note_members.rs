//! A process says who votes in its groups.

use eggs_proto::meta::GroupMembers;
use eggs_proto::{InvalidArgument, Refusal};

use super::register_node::role_of;
use crate::record::{GroupRecord, MembersRecord};
use crate::tables::{self, GROUPS, MEMBERS};
use crate::transaction::{Stop, Transaction};
use crate::{GROUPS_MAX, REPLICAS_MAX};

/// Keeps what is newer than what is known. From then on what processes say when they register counts no more for that
/// group: they may have been told long ago.
pub(crate) fn note_members(
    tx: &mut Transaction<'_>,
    groups: Vec<GroupMembers>,
) -> Result<(), Stop> {
    if groups.len() > GROUPS_MAX {
        return Err(Refusal::Invalid(InvalidArgument::List).into());
    }
    groups.iter().try_for_each(check)?;
    for said in groups {
        let known: Option<MembersRecord> = tables::get(tx.store, MEMBERS, said.group)?;
        if known.is_some_and(|known| known.version >= said.version) {
            continue;
        }
        let record = MembersRecord {
            version: said.version,
            voters: said.voters.clone(),
        };
        tables::put(tx.store, MEMBERS, said.group, &record);
        let group: GroupRecord = tables::get(tx.store, GROUPS, said.group)?.unwrap_or_default();
        if group.replicas != said.voters {
            let leader = group.leader.filter(|leader| said.voters.contains(leader));
            let replicas = said.voters;
            let record = GroupRecord { replicas, leader };
            tables::put(tx.store, GROUPS, said.group, &record);
            tx.tell_clients();
        }
    }
    Ok(())
}

fn check(said: &GroupMembers) -> Result<(), Refusal> {
    let role = role_of(said.group)?;
    if said.voters.len() > REPLICAS_MAX {
        return Err(Refusal::Invalid(InvalidArgument::List));
    }
    let ascending = said.voters.is_sorted_by(|a, b| a < b);
    if said.voters.is_empty() || !ascending || said.voters.iter().any(|v| v.role() != role) {
        return Err(Refusal::Invalid(InvalidArgument::Range));
    }
    Ok(())
}
