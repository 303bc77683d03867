//! Reads as they are served.

use eggs_proto::cdc::EntryName;
use eggs_proto::shard::{DirectoryCursor, ListEntry, ShardQuery, ShardReply};
use eggs_proto::{
    Extent, ExtentBody, InodeId, Name, NameHash, PolicyKind, Refusal, ShardId, XattrName,
};

use super::Part;
use crate::world::World;

impl World {
    /// A read was served: it must show what the oracle knows now.
    pub(crate) fn watch_read(
        &mut self,
        shard: ShardId,
        query: &ShardQuery,
        answer: &Result<ShardReply, Refusal>,
    ) {
        if *answer == Err(Refusal::Locked) {
            return; // says nothing; that it ends is checked at the end
        }
        let seen = match query {
            ShardQuery::Lookup { dir, name } => self.see_lookup(*dir, name, answer),
            ShardQuery::List { dir, after, .. } => self.see_page(*dir, after.as_ref(), answer),
            ShardQuery::Walk { dir, names } => self.see_walk(*dir, names, answer),
            ShardQuery::Extents {
                file, cookie: None, ..
            } => self.see_extents(*file, answer),
            ShardQuery::GetXattr { inode, name } => self.see_value(*inode, name, answer),
            ShardQuery::ListXattrs { inode } => self.see_values(*inode, answer),
            ShardQuery::Directory { dir } => self.see_policies(*dir, answer),
            // What they show is compared at the end, or by the invariants of the shard, or says nothing that lasts.
            ShardQuery::Extents {
                cookie: Some(_), ..
            }
            | ShardQuery::Stat { .. }
            | ShardQuery::ReadLink { .. }
            | ShardQuery::Snapshots { .. }
            | ShardQuery::VisitTransients { .. }
            | ShardQuery::VisitDirectories { .. }
            | ShardQuery::VisitFiles { .. }
            | ShardQuery::VisitGarbage { .. }
            | ShardQuery::FilesOnService { .. }
            | ShardQuery::Usage
            | ShardQuery::Audit { .. }
            | ShardQuery::Tree { .. }
            | ShardQuery::AuditTrees { .. } => Ok(()),
        };
        if let Err(what) = seen {
            self.violate(|| {
                format!("shard {shard}: a reader saw that {what} ({query:?} -> {answer:?})")
            });
        }
    }

    fn see_lookup(
        &self,
        dir: InodeId,
        name: &Name,
        answer: &Result<ShardReply, Refusal>,
    ) -> Result<(), String> {
        let entry = EntryName {
            dir,
            name: name.clone(),
        };
        let expected = self.oracle.names.get(&entry);
        let seen = match answer {
            Ok(ShardReply::Dentry(dentry)) => {
                let created = self.oracle.created.get(&dentry.inode);
                if created.is_some_and(|created| *created != dentry.created) {
                    let seen = dentry.created;
                    return Err(format!(
                        "{entry:?} was made at {seen} and not at {created:?}"
                    ));
                }
                Some(dentry.inode)
            }
            Ok(_) | Err(_) => None,
        };
        if seen == expected {
            return Ok(());
        }
        Err(format!("{entry:?} is {seen:?} and not {expected:?}"))
    }

    fn see_walk(
        &self,
        dir: InodeId,
        names: &[Name],
        answer: &Result<ShardReply, Refusal>,
    ) -> Result<(), String> {
        let Ok(ShardReply::Walked { dentries, .. }) = answer else {
            return Ok(());
        };
        let mut at = dir;
        for (name, dentry) in names.iter().zip(dentries) {
            let entry = EntryName {
                dir: at,
                name: name.clone(),
            };
            let expected = self.oracle.names.get(&entry);
            if expected != Some(dentry.inode) {
                return Err(format!(
                    "{entry:?} is {} and not {expected:?}",
                    dentry.inode
                ));
            }
            at = dentry.inode;
        }
        Ok(())
    }

    fn see_page(
        &self,
        dir: InodeId,
        after: Option<&DirectoryCursor>,
        answer: &Result<ShardReply, Refusal>,
    ) -> Result<(), String> {
        let directory = self.oracle.names.attached(dir);
        let Ok(ShardReply::Listing { entries, more }) = answer else {
            return match directory {
                Some(_) => Err(format!("{dir} cannot be listed")),
                None => Ok(()),
            };
        };
        let is_after = |(hash, name): &(NameHash, Name)| match after {
            None => true,
            Some(cursor) => match &cursor.name {
                None => *hash >= cursor.hash,
                Some(last) => (*hash, name) > (cursor.hash, last),
            },
        };
        let all = directory.map(|directory| &directory.entries);
        let mut expected = all.into_iter().flatten();
        let mut expected = expected.by_ref().filter(|(key, _)| is_after(key));
        for ListEntry { hash, name, dentry } in entries {
            match expected.next() {
                Some(((h, n), inode)) if (h, n, *inode) == (hash, name, dentry.inode) => {}
                other => return Err(format!("{dir} holds {name} instead of {other:?}")),
            }
        }
        match expected.next() {
            Some(missed) if !more => Err(format!("{dir} does not hold {missed:?}")),
            Some(_) | None => Ok(()),
        }
    }

    fn see_extents(
        &self,
        file: InodeId,
        answer: &Result<ShardReply, Refusal>,
    ) -> Result<(), String> {
        let (Ok(ShardReply::Extents { extents, .. }), Some(parts)) =
            (answer, self.oracle.contents.get(&file))
        else {
            return Ok(());
        };
        if self.oracle.deadlines.contains_key(&file) {
            return Ok(()); // a server looks at a file being written
        }
        for extent in extents {
            let seen = part(extent);
            if !parts.contains(&seen) {
                return Err(format!("{file} holds {seen:?}, which nobody wrote"));
            }
        }
        Ok(())
    }
}

impl World {
    fn see_value(
        &self,
        inode: InodeId,
        name: &XattrName,
        answer: &Result<ShardReply, Refusal>,
    ) -> Result<(), String> {
        let seen = match answer {
            Ok(ShardReply::Xattr(value)) => Some(value),
            Err(Refusal::NoAttribute) => None,
            Ok(_) | Err(_) => return Ok(()),
        };
        let all = self.oracle.xattrs.get(&inode);
        let expected = all.and_then(|all| all.get(name));
        if seen == expected {
            return Ok(());
        }
        Err(format!(
            "{name} of {inode} is {seen:?} and not {expected:?}"
        ))
    }

    fn see_values(
        &self,
        inode: InodeId,
        answer: &Result<ShardReply, Refusal>,
    ) -> Result<(), String> {
        let Ok(ShardReply::Xattrs(all)) = answer else {
            return Ok(());
        };
        let seen = all.iter().map(|one| (&one.name, &one.value));
        let expected = self.oracle.xattrs.get(&inode).into_iter().flatten();
        if seen.eq(expected) {
            return Ok(());
        }
        Err(format!("the extended attributes of {inode} are others"))
    }

    fn see_policies(
        &self,
        dir: InodeId,
        answer: &Result<ShardReply, Refusal>,
    ) -> Result<(), String> {
        let Ok(ShardReply::Directory(info)) = answer else {
            return Ok(());
        };
        let first = (dir, PolicyKind::Snapshot);
        let last = (dir, PolicyKind::Inline);
        let expected = self.oracle.policies.range(first..=last);
        if expected.map(|(_, policy)| policy).eq(&info.policies) {
            return Ok(());
        }
        Err(format!("the policies of {dir} are {:?}", info.policies))
    }
}

fn part(extent: &Extent) -> Part {
    match &extent.body {
        ExtentBody::Inline(bytes) => Part::Inline(bytes.clone()),
        ExtentBody::Hole => Part::Hole(extent.size),
        ExtentBody::Blocks { blocks, .. } => Part::Blocks {
            offset: extent.offset,
            size: extent.size,
            checksums: blocks.iter().map(|block| block.checksum).collect(),
        },
    }
}
