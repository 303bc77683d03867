//! Makes a directory inode. Fine if the same transaction made it.

use eggs_proto::shard::ShardReply;
use eggs_proto::{InodeId, InvalidArgument, NewAttributes, Refusal, TransactionId};

use crate::records::{CommonAttributes, DirectoryRecord, InodeRecord};
use crate::state::State;
use crate::step::Reply;

/// A directory and its parent.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) dir: InodeId,
    pub(crate) parent: InodeId,
}

pub(crate) fn apply(
    state: &mut State<'_>,
    Place { dir, parent }: Place,
    attributes: &NewAttributes,
    transaction: TransactionId,
) -> Reply {
    state.read().check_shard(dir)?;
    if !dir.is_directory() || !parent.is_directory() {
        return Err(InvalidArgument::Kind.into());
    }
    match state.read().inode(dir)? {
        None => {
            let attributes = CommonAttributes::new(attributes, state.now)?;
            let record = DirectoryRecord::new(attributes, parent, Some(transaction));
            state.put_fresh_inode(dir, &InodeRecord::Directory(record));
            Ok(ShardReply::Done)
        }
        Some(InodeRecord::Directory(known)) if known.made_by == Some(transaction) => {
            Ok(ShardReply::Done)
        }
        Some(_) => Err(Refusal::Exists.into()),
    }
}

#[cfg(test)]
mod tests {
    use eggs_proto::shard::{Replace, ShardChange, ShardQuery};
    use eggs_proto::{InodeKind, ShardId};

    use super::*;
    use crate::testing::{Answer, Bench, NEW, ROOT, T1, T2, directory_id, name};

    fn create(bench: &mut Bench, dir: InodeId, transaction: TransactionId) -> Answer {
        bench.serve(ShardChange::CreateDirectory {
            dir,
            parent: ROOT,
            attributes: NEW,
            transaction,
        })
    }

    fn link(bench: &mut Bench, text: &str, dir: InodeId) -> Answer {
        bench.serve(ShardChange::LinkDirectory {
            parent: ROOT,
            name: name(text),
            dir,
            transaction: T1,
        })
    }

    #[test]
    fn a_directory_is_made_once_and_only_by_its_transaction() {
        let mut bench = Bench::new();
        let dir = directory_id(ShardId(0), 5);
        let done = Ok(ShardReply::Done);
        assert_eq!(create(&mut bench, dir, T1), done);
        assert_eq!(create(&mut bench, dir, T1), done);
        assert_eq!(create(&mut bench, dir, T2), Err(Refusal::Exists));
        assert_eq!(create(&mut bench, ROOT, T1), Err(Refusal::Exists));
        let foreign = directory_id(ShardId(1), 5);
        assert_eq!(create(&mut bench, foreign, T1), Err(Refusal::WrongShard));
        let file = InodeId::new(InodeKind::File, ShardId(0), 5);
        let kind = create(&mut bench, file, T1);
        assert_eq!(kind, Err(Refusal::Invalid(InvalidArgument::Kind)));
        assert_eq!(bench.usage().directories, 2);
        let all = ShardQuery::VisitDirectories {
            after: None,
            limit: 10,
        };
        let inodes = vec![ROOT, dir];
        let more = false;
        assert_eq!(bench.query(&all), Ok(ShardReply::Inodes { inodes, more }));
    }

    #[test]
    fn an_abandoned_directory_is_gone_unless_it_holds_something() {
        let mut bench = Bench::new();
        let dir = directory_id(ShardId(0), 5);
        create(&mut bench, dir, T1).unwrap();
        let abandon = |transaction| ShardChange::AbandonDirectory { dir, transaction };
        assert_eq!(bench.serve(abandon(T2)), Err(Refusal::Changed));
        bench.create_file_as(dir, "f", Replace::Never).unwrap();
        assert_eq!(bench.serve(abandon(T1)), Err(Refusal::NotEmpty));
        let empty = directory_id(ShardId(0), 6);
        create(&mut bench, empty, T1).unwrap();
        let abandon = ShardChange::AbandonDirectory {
            dir: empty,
            transaction: T1,
        };
        assert_eq!(bench.serve(abandon.clone()), Ok(ShardReply::Done));
        assert_eq!(bench.serve(abandon), Ok(ShardReply::Done));
        assert_eq!(bench.stat(empty), Err(Refusal::NotFound));
    }

    #[test]
    fn a_directory_gets_its_name_once() {
        let mut bench = Bench::new();
        let dir = directory_id(ShardId(77), 5); // of any shard
        let first = link(&mut bench, "d", dir);
        assert!(matches!(first, Ok(ShardReply::Linked { .. })));
        assert_eq!(link(&mut bench, "d", dir), first);
        let other = directory_id(ShardId(77), 6);
        assert_eq!(link(&mut bench, "d", other), Err(Refusal::Exists));
        assert_eq!(bench.lookup(ROOT, "d"), Ok(dir));
    }

    #[test]
    fn only_servers_may_take_steps() {
        let mut bench = Bench::new();
        let change = ShardChange::CreateDirectory {
            dir: directory_id(ShardId(0), 5),
            parent: ROOT,
            attributes: NEW,
            transaction: T1,
        };
        assert_eq!(bench.change(change), Err(Refusal::Forbidden));
    }
}
