//! A page of a directory.
//!
//! A locked dentry, placeholders included, may be half of a rename: the page ends before it, and a page that would
//! begin with it is refused as `Locked`, so that no reader sees the rename half done.

use eggs_machine::bugs::{Bug, planted};
use eggs_proto::InodeId;
use eggs_proto::shard::{Dentry, DirectoryCursor, ListEntry, ShardReply};

use super::page::Page;
use crate::keys;
use crate::records::DentryRecord;
use crate::state::{Range, Reader, visit};
use crate::step::{Reply, Step, Stop};
use eggs_machine::from_bytes;

/// About what an entry costs besides its name.
const ENTRY_BYTES: usize = 100;

pub(crate) fn answer(
    read: Reader<'_>,
    dir: InodeId,
    after: Option<&DirectoryCursor>,
    limit: u32,
) -> Reply {
    read.directory(dir)?;
    let from = match after {
        None => keys::inode(dir).to_vec(),
        Some(DirectoryCursor { hash, name: None }) => keys::dentry_position(dir, *hash),
        Some(DirectoryCursor {
            hash,
            name: Some(name),
        }) => keys::after(&keys::dentry(dir, *hash, name)),
    };
    let range = Range::prefix(keys::DENTRIES, &keys::inode(dir), from);
    let mut page = Page::new(limit);
    let mut skip = planted(Bug::CursorThatSkips) && after.is_some();
    visit(read.store, &range, |key, value| {
        if std::mem::take(&mut skip) {
            return Ok(std::ops::ControlFlow::Continue(()));
        }
        let (_, hash, name) = keys::parse_dentry(key)?;
        let record: DentryRecord = from_bytes(value)?;
        let inode = match record.unlocked() {
            Ok(inode) => inode,
            Err(_) if !page.entries.is_empty() => return Ok(page.stop()),
            Err(refusal) => return Err(Stop::Refused(refusal)),
        };
        let bytes = ENTRY_BYTES + name.as_bytes().len();
        let dentry = Dentry {
            inode,
            created: record.created,
            attributes: record.carried.map(|carried| carried.attributes(inode)),
        };
        Ok(page.add(ListEntry { hash, name, dentry }, bytes))
    })?;
    let mut entries = page.entries;
    describe_all(read, &mut entries)?;
    Ok(ShardReply::Listing {
        entries,
        more: page.more,
    })
}

/// Adds the attributes of all else that is on this shard: directories, and files that were named by former versions. Inodes that were
/// made one after the other are neighbours in their table, so they are read in that order.
fn describe_all(read: Reader<'_>, entries: &mut [ListEntry]) -> Step<()> {
    let here = |entry: &&mut ListEntry| {
        entry.dentry.attributes.is_none() && entry.dentry.inode.shard() == read.shard
    };
    let mut here: Vec<&mut ListEntry> = entries.iter_mut().filter(here).collect();
    here.sort_unstable_by_key(|entry| entry.dentry.inode);
    if here.is_empty() {
        return Ok(());
    }
    let inodes: Vec<InodeId> = here.iter().map(|entry| entry.dentry.inode).collect();
    for (entry, found) in here.into_iter().zip(read.inodes(&inodes)?) {
        let inode = entry.dentry.inode;
        entry.dentry.attributes = found.map(|record| record.attributes(inode));
    }
    Ok(())
}
