//! What processes say about the members of their groups.

use std::time::Instant;

use eggs_machine::Fault;
use eggs_proto::meta::GroupMembers;
use eggs_proto::registry::RegistryReply;
use eggs_proto::{CallError, InvalidArgument, NodeId, Refusal, RequestId};
use eggs_registry_state::{GROUPS_MAX, RegistryCommand, RegistryOutcome, members};

use crate::queries::unreadable;
use crate::replica::{Replica, not_read};

/// Keeps what is newer than what is known, and answers what is older. What is known already costs no log entry.
pub(crate) async fn note(
    replica: &Replica,
    (id, node): (RequestId, NodeId),
    groups: Vec<GroupMembers>,
    deadline: Instant,
) -> RegistryOutcome {
    if groups.len() > GROUPS_MAX {
        return Err(CallError::Refused(Refusal::Invalid(InvalidArgument::List)));
    }
    let compared = replica
        .group
        .read(
            |store| {
                let (mut news, mut newer) = (Vec::new(), Vec::new());
                for said in groups {
                    match members(store, said.group)? {
                        Some(known) if known.version == said.version => {}
                        Some(known) if known.version > said.version => newer.push(known),
                        Some(_) | None => news.push(said),
                    }
                }
                Ok::<_, Fault>((news, newer))
            },
            deadline,
        )
        .await;
    let (news, newer) = compared
        .map_err(not_read)?
        .map_err(|fault| unreadable(&fault))?;
    if !news.is_empty() {
        tracing::info!(%node, groups = news.len(), "members of groups have changed");
        let command = RegistryCommand::NoteMembers(news);
        replica.propose(&command, Some(id), deadline).await?;
    }
    Ok(RegistryReply::Members(newer))
}
