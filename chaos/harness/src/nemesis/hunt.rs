//! Finds out who leads a group that clients use now, and kills or pauses it.

use std::time::Duration;

use anyhow::Result;
use eggs_proto::GroupId;

use super::field::Field;
use super::{kill, pause};
use crate::Random;

pub(super) async fn run(field: &Field, random: &mut Random) -> Result<()> {
    let group = match random.below(5) {
        0 => GroupId::CDC,
        1 => GroupId::REGISTRY,
        _ => {
            let dirs = field.workload.directories();
            let dir = random.pick(&dirs);
            dir.map_or(GroupId::CDC, |dir| GroupId::of_shard(dir.shard()))
        }
    };
    // Drawn before the answer, which is not a function of the seed.
    let (kills, millis) = (random.percent(50), random.between(900, 4000));
    let Some(leader) = field.leader(group).await? else {
        return Ok(());
    };
    field.recorder.note(&format!("{leader} leads {group}"));
    if kills {
        kill::kill(field, &[leader]).await
    } else {
        pause::pause(field, &[leader], Duration::from_millis(millis)).await
    }
}
