//! Changes attributes of an inode, transient files included.

use eggs_proto::shard::ShardReply;
use eggs_proto::{AttributeChange, InodeId, Refusal};

use crate::records::{InodeRecord, Life};
use crate::state::State;
use crate::step::Reply;

pub(crate) fn apply(state: &mut State<'_>, inode: InodeId, change: &AttributeChange) -> Reply {
    state.read().check_shard(inode)?;
    let mut record = state.read().inode(inode)?.ok_or(Refusal::NotFound)?;
    record.common_mut().change(change, state.now)?;
    if change.mtime.is_some()
        && let InodeRecord::File(file) = &mut record
        && let Life::Transient(transient) = &mut file.life
    {
        transient.mtime_chosen = true;
    }
    state.put_inode(inode, &record)?;
    Ok(ShardReply::Attributes(record.attributes(inode)))
}

#[cfg(test)]
mod tests {
    use eggs_proto::shard::ShardChange;
    use eggs_proto::{FileTime, InvalidArgument, NewTime, ShardId};

    use super::*;
    use crate::testing::{Answer, Bench, ROOT, directory_id};

    fn set(bench: &mut Bench, inode: InodeId, change: AttributeChange) -> Answer {
        bench.change(ShardChange::SetAttributes { inode, change })
    }

    #[test]
    fn only_what_is_asked_for_changes_and_ctime() {
        let mut bench = Bench::new();
        let file = bench.create_file("f");
        let before = bench.stat(file).unwrap();
        let change = AttributeChange {
            uid: Some(77),
            atime: Some(NewTime::At(FileTime(-5))),
            ..AttributeChange::default()
        };
        let Ok(ShardReply::Attributes(after)) = set(&mut bench, file, change) else {
            panic!("refused");
        };
        let expected = eggs_proto::Attributes {
            uid: 77,
            atime: FileTime(-5),
            ctime: FileTime::from(bench.now),
            ..before
        };
        assert_eq!(after, expected);
        assert_eq!(bench.stat(file).unwrap(), expected);
    }

    #[test]
    fn root_can_be_changed_and_what_is_not_there_cannot() {
        let mut bench = Bench::new();
        let mode = |mode| AttributeChange {
            mode: Some(mode),
            ..AttributeChange::default()
        };
        assert!(set(&mut bench, ROOT, mode(0o1777)).is_ok());
        assert_eq!(bench.stat(ROOT).unwrap().mode, 0o1777);
        let bad = set(&mut bench, ROOT, mode(0o40755));
        assert_eq!(bad, Err(Refusal::Invalid(InvalidArgument::Mode)));
        let missing = set(&mut bench, directory_id(ShardId(0), 3), mode(0));
        assert_eq!(missing, Err(Refusal::NotFound));
        let foreign = set(&mut bench, directory_id(ShardId(1), 3), mode(0));
        assert_eq!(foreign, Err(Refusal::WrongShard));
    }

    #[test]
    fn a_chosen_mtime_survives_writing_and_linking() {
        let mut bench = Bench::new();
        let (file, cookie) = bench.create_transient();
        let change = AttributeChange {
            mtime: Some(NewTime::At(FileTime(1))),
            ..AttributeChange::default()
        };
        set(&mut bench, file, change).unwrap();
        bench.add_extent((file, cookie), 0).unwrap();
        assert_eq!(bench.stat(file).unwrap().mtime, FileTime(1));
    }
}
