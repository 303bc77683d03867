//! Creates and links a file with inline content in one step.

use eggs_proto::shard::{Replace, ShardReply};
use eggs_proto::{Extent, ExtentBody, InodeId, InodeKind, Name, NewAttributes, Time};

use super::add_inline::check_size;
use crate::records::{
    Carried, CommonAttributes, Content, ExtentRecord, FileRecord, InodeRecord, Life,
    WHOLE_BYTES_MAX,
};
use crate::state::{OpenDirectory, State};
use crate::step::{Reply, Step};

pub(crate) fn apply(
    state: &mut State<'_>,
    dir: InodeId,
    name: &Name,
    replace: Replace,
    attributes: &NewAttributes,
    content: Vec<u8>,
) -> Reply {
    let attributes = CommonAttributes::new(attributes, state.now)?;
    let mut dir = OpenDirectory::open_attached(state, dir)?;
    let inode = state.fresh_inode(InodeKind::File);
    let record = FileRecord {
        attributes,
        content: keep(state, inode, content)?,
        life: Life::Linked { owners: 1 },
        carrier: Some(dir.carrier(name)),
    };
    let carried = Carried::of(&record);
    state.put_fresh_inode(inode, &InodeRecord::File(record));
    dir.make_way(state, name, replace)?;
    dir.enter_carrying(state, name, inode, Some(carried))?;
    dir.close(state)?;
    Ok(ShardReply::Linked {
        inode,
        created: state.now,
    })
}

/// Keeps the content with the inode if it is small, as an extent otherwise.
fn keep(state: &mut State<'_>, file: InodeId, content: Vec<u8>) -> Step<Content> {
    if content.len() <= WHOLE_BYTES_MAX {
        return Ok(Content::Whole(content));
    }
    check_size(content.len())?;
    let size = content.len() as u64;
    let extent = Extent {
        offset: 0,
        size,
        body: ExtentBody::Inline(content),
    };
    let record = ExtentRecord {
        extent,
        write_expiry: Time(0),
    };
    state.put_fresh_extent(file, &record)?;
    Ok(Content::Extents {
        size,
        physical_bytes: 0,
    })
}

#[cfg(test)]
mod tests {
    use eggs_proto::shard::ShardChange;
    use eggs_proto::{ExtentProblem, INLINE_BYTES_MAX, Refusal, TransactionId};

    use super::*;
    use crate::keys::EXTENTS;
    use crate::testing::{Answer, Bench, NEW, ROOT, name};

    fn create(bench: &mut Bench, text: &str, bytes: usize) -> Answer {
        bench.change(ShardChange::CreateFile {
            dir: ROOT,
            name: name(text),
            replace: Replace::Never,
            attributes: NEW,
            content: vec![3; bytes],
        })
    }

    #[test]
    fn a_file_is_made_whole_in_one_step() {
        let mut bench = Bench::new();
        assert!(create(&mut bench, "empty", 0).is_ok());
        let rows = |bench: &Bench| {
            let all = bench.store.iter();
            all.filter(|(table, ..)| *table == EXTENTS).count()
        };
        let sizes = [1, WHOLE_BYTES_MAX, WHOLE_BYTES_MAX + 1, INLINE_BYTES_MAX];
        for (bytes, rows_then) in sizes.into_iter().zip([0, 0, 1, 2]) {
            let text = format!("of {bytes}");
            assert!(create(&mut bench, &text, bytes).is_ok());
            let file = bench.lookup(ROOT, &text).unwrap();
            let extents = bench.extents(file);
            assert_eq!(extents.len(), 1, "{bytes}");
            assert_eq!(extents[0].body, ExtentBody::Inline(vec![3; bytes]));
            assert_eq!(bench.stat(file).unwrap().size, bytes as u64);
            assert_eq!(rows(&bench), rows_then, "{bytes}");
        }
        let large = create(&mut bench, "large", INLINE_BYTES_MAX + 1);
        let refused = Refusal::BadExtent(ExtentProblem::InlineTooLarge);
        assert_eq!(large, Err(refused));
        assert_eq!(create(&mut bench, "empty", 1), Err(Refusal::Exists));
        let usage = bench.usage();
        let bytes: usize = sizes.iter().sum();
        assert_eq!((usage.files, usage.bytes), (5, bytes as u64));
    }

    #[test]
    fn a_directory_that_is_being_removed_gets_no_entries() {
        let mut bench = Bench::new();
        let dir = bench.create_directory("d", 1);
        let transaction = TransactionId(5);
        bench
            .serve(ShardChange::DetachDirectory { dir, transaction })
            .unwrap();
        let locked = bench.create_file_as(dir, "f", Replace::Never);
        assert_eq!(locked, Err(Refusal::Locked));
        bench
            .serve(ShardChange::SettleDirectory {
                dir,
                outcome: eggs_proto::shard::DirectoryOutcome::Removed,
                transaction,
            })
            .unwrap();
        let gone = bench.create_file_as(dir, "f", Replace::Never);
        assert_eq!(gone, Err(Refusal::NotFound));
    }
}
