//! Creates a symlink.

use eggs_proto::shard::{Replace, ShardReply};
use eggs_proto::{InodeId, InodeKind, InvalidArgument, Name, NewAttributes, SYMLINK_BYTES_MAX};

use crate::records::{Carried, CommonAttributes, Content, FileRecord, InodeRecord, Life};
use crate::state::{OpenDirectory, State};
use crate::step::Reply;

pub(crate) fn apply(
    state: &mut State<'_>,
    dir: InodeId,
    name: &Name,
    target: Vec<u8>,
    attributes: &NewAttributes,
) -> Reply {
    if target.is_empty() || target.len() > SYMLINK_BYTES_MAX || target.contains(&0) {
        return Err(InvalidArgument::Target.into());
    }
    let attributes = CommonAttributes::new(attributes, state.now)?;
    let mut dir = OpenDirectory::open_attached(state, dir)?;
    let record = FileRecord {
        attributes,
        content: Content::Target(target),
        life: Life::Linked { owners: 1 },
        carrier: Some(dir.carrier(name)),
    };
    let carried = Carried::of(&record);
    let inode = state.fresh_inode(InodeKind::Symlink);
    state.put_fresh_inode(inode, &InodeRecord::File(record));
    dir.make_way(state, name, Replace::Never)?;
    dir.enter_carrying(state, name, inode, Some(carried))?;
    dir.close(state)?;
    Ok(ShardReply::Linked {
        inode,
        created: state.now,
    })
}

#[cfg(test)]
mod tests {
    use eggs_proto::Refusal;
    use eggs_proto::shard::{ShardChange, ShardQuery};

    use super::*;
    use crate::testing::{Answer, Bench, NEW, ROOT, name};

    fn symlink(bench: &mut Bench, text: &str, target: &[u8]) -> Answer {
        bench.change(ShardChange::Symlink {
            dir: ROOT,
            name: name(text),
            target: target.to_vec(),
            attributes: NEW,
        })
    }

    #[test]
    fn a_symlink_keeps_its_target() {
        let mut bench = Bench::new();
        symlink(&mut bench, "s", b"../\xff/x").unwrap();
        let inode = bench.lookup(ROOT, "s").unwrap();
        assert_eq!(inode.kind(), InodeKind::Symlink);
        let target = bench.query(&ShardQuery::ReadLink { inode });
        assert_eq!(target, Ok(ShardReply::Target(b"../\xff/x".to_vec())));
        assert_eq!(bench.stat(inode).unwrap().size, 6);
        assert_eq!(symlink(&mut bench, "s", b"y"), Err(Refusal::Exists));
        let file = bench.create_file("f");
        let kind = bench.query(&ShardQuery::ReadLink { inode: file });
        assert_eq!(kind, Err(Refusal::Invalid(InvalidArgument::Kind)));
    }

    #[test]
    fn bad_targets_are_refused() {
        let mut bench = Bench::new();
        for target in [&b""[..], b"a\0b", &[b'x'; SYMLINK_BYTES_MAX + 1]] {
            let refused = symlink(&mut bench, "s", target);
            assert_eq!(refused, Err(Refusal::Invalid(InvalidArgument::Target)));
        }
    }
}
