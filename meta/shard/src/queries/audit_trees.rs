//! What directories know of those in them, and what those have to say, for comparing both.
//!
//! A directory whose total differs from what it has reported is left out: its report is on its way.

use std::ops::ControlFlow;

use eggs_machine::{Fault, from_bytes};
use eggs_proto::InodeId;
use eggs_proto::audit::{ReportedTree, TreeAuditPage, TreeCursor};
use eggs_proto::shard::ShardReply;
use eggs_proto::tree::TreeReport;

use super::page::Page;
use crate::keys;
use crate::records::InodeRecord;
use crate::state::{Range, Reader, TreeChild, visit};
use crate::step::Reply;

/// About how many bytes an entry has.
const ENTRY_BYTES: usize = 80;

pub(crate) fn answer(read: Reader<'_>, after: Option<TreeCursor>, limit: u32) -> Reply {
    let mut page = TreeAuditPage::default();
    match after {
        None => reported(read, None, limit, &mut page)?,
        Some(TreeCursor::Directory(last)) => reported(read, Some(last), limit, &mut page)?,
        Some(TreeCursor::Child(dir, child)) => known(read, (dir, child), limit, &mut page)?,
    }
    Ok(ShardReply::TreeAudit(page))
}

/// Directories, and the first children after the last of them.
fn reported(
    read: Reader<'_>,
    after: Option<InodeId>,
    limit: u32,
    page: &mut TreeAuditPage,
) -> Result<(), Fault> {
    let from = after.map_or_else(Vec::new, |last| keys::after(&keys::inode(last)));
    let mut found: Page<ReportedTree> = Page::new(limit);
    let (mut looked, mut last) = (0u32, None);
    visit(
        read.store,
        &Range::from(keys::INODES, from),
        |key, value| {
            let dir = keys::parse_inode(key)?;
            if !dir.is_directory() {
                return Ok::<_, Fault>(ControlFlow::Break(())); // directories come first
            }
            if looked == limit.max(1) {
                return Ok(found.stop());
            }
            looked += 1;
            if let Some(tree) = reported_tree(read, dir, &from_bytes(value)?)?
                && found.add(tree, ENTRY_BYTES).is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
            last = Some(dir);
            Ok(ControlFlow::Continue(()))
        },
    )?;
    page.reported = found.entries;
    if found.more {
        page.next = last.or(after).map(TreeCursor::Directory);
        return Ok(());
    }
    let root = InodeId::ROOT; // before all children: nothing has a smaller number
    known(read, (root, root), limit, page)
}

fn reported_tree(
    read: Reader<'_>,
    dir: InodeId,
    record: &InodeRecord,
) -> Result<Option<ReportedTree>, Fault> {
    let InodeRecord::Directory(record) = record else {
        return Err(Fault::Damaged(format!(
            "inode {dir} is stored as another kind"
        )));
    };
    let waits = read
        .store
        .get(keys::TREE_DIRTY, &keys::inode(dir))?
        .is_some();
    if waits || dir == InodeId::ROOT {
        return Ok(None);
    }
    Ok(Some(ReportedTree {
        dir,
        parent: record.parent,
        totals: read.tree(dir)?.total(),
    }))
}

fn known(
    read: Reader<'_>,
    (dir, child): (InodeId, InodeId),
    limit: u32,
    page: &mut TreeAuditPage,
) -> Result<(), Fault> {
    let from = keys::after(&keys::tree_child(dir, child));
    let mut found: Page<TreeReport> = Page::new(limit);
    let (mut looked, mut last) = (0u32, (dir, child));
    visit(
        read.store,
        &Range::from(keys::TREE_CHILDREN, from),
        |key, value| {
            if looked == limit.max(1) {
                return Ok::<_, Fault>(found.stop());
            }
            looked += 1;
            let (parent, child) = keys::parse_tree_child(key)?;
            let record: TreeChild = from_bytes(value)?;
            let report = TreeReport {
                parent,
                child,
                version: record.version,
                totals: record.totals,
            };
            if child.is_directory() && record.stands() && found.add(report, ENTRY_BYTES).is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
            last = (parent, child);
            Ok(ControlFlow::Continue(()))
        },
    )?;
    page.known = found.entries;
    page.next = found.more.then_some(TreeCursor::Child(last.0, last.1));
    Ok(())
}
