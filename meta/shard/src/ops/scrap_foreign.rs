//! Dooms a file of this shard whose snapshot, on another shard, is being collected. Fine if it is gone.
//!
//! A file that a dentry of this shard owns is refused: it cannot be the one that is meant.

use eggs_proto::shard::ShardReply;
use eggs_proto::{InodeId, Refusal};

use crate::records::Life;
use crate::state::State;
use crate::step::{Reply, Stop};

pub(crate) fn apply(state: &mut State<'_>, inode: InodeId) -> Reply {
    let mut file = match state.read().file(inode) {
        Err(Stop::Refused(Refusal::NotFound)) => return Ok(ShardReply::Done),
        other => other?,
    };
    match file.life {
        Life::Linked { owners: 0 } => {
            file.doom(state.now, String::new());
            state.put_file(inode, file)?;
            Ok(ShardReply::Done)
        }
        Life::Linked { .. } => Err(Refusal::NoSnapshot.into()),
        Life::Transient(transient) if transient.cookie.is_none() => Ok(ShardReply::Done),
        Life::Transient(_) => Err(Refusal::NoSnapshot.into()),
    }
}

#[cfg(test)]
mod tests {
    use eggs_proto::shard::{LockPurpose, ReleaseAction, ShardChange};
    use eggs_proto::{InodeKind, ShardId};

    use super::*;
    use crate::testing::{Bench, ROOT, T1, name};

    #[test]
    fn only_a_file_that_moved_away_is_scrapped() {
        let mut bench = Bench::new();
        let inode = bench.create_file("a");
        let scrap = ShardChange::ScrapForeign { inode };
        let refused = bench.serve(scrap.clone());
        assert_eq!(refused, Err(Refusal::NoSnapshot));
        let purpose = LockPurpose::Source { expected: None };
        let (dir, name, transaction) = (ROOT, name("a"), T1);
        let lock = ShardChange::LockDentry {
            dir,
            name: name.clone(),
            purpose,
            transaction,
        };
        bench.serve(lock).unwrap();
        let action = ReleaseAction::RemoveMoved;
        let release = ShardChange::ReleaseDentry {
            dir,
            name,
            action,
            transaction,
        };
        bench.serve(release).unwrap();
        assert_eq!(bench.serve(scrap.clone()), Ok(ShardReply::Done));
        assert_eq!(bench.serve(scrap.clone()), Ok(ShardReply::Done));
        assert_eq!(bench.destroy(inode), Ok(1));
        assert_eq!(bench.serve(scrap), Ok(ShardReply::Done));
    }

    #[test]
    fn what_is_being_written_or_elsewhere_is_left_alone() {
        let mut bench = Bench::new();
        let (inode, _) = bench.create_transient();
        let refused = bench.serve(ShardChange::ScrapForeign { inode });
        assert_eq!(refused, Err(Refusal::NoSnapshot));
        let inode = InodeId::new(InodeKind::File, ShardId(3), 1);
        let refused = bench.serve(ShardChange::ScrapForeign { inode });
        assert_eq!(refused, Err(Refusal::WrongShard));
    }
}
