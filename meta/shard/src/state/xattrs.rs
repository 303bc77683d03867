//! Extended attributes of an inode.

use std::ops::ControlFlow;

use eggs_machine::bugs::{Bug, planted};
use eggs_machine::{Fault, ScanDirection, from_bytes};
use eggs_proto::{FileTime, InodeId, Refusal, Xattr, XattrName};

use super::{Range, Reader, State, visit};
use crate::keys;
use crate::records::XattrRecord;
use crate::step::Step;

impl Reader<'_> {
    /// One extended attribute.
    pub(crate) fn xattr(self, id: InodeId, name: &XattrName) -> Result<Option<XattrRecord>, Fault> {
        self.get(keys::XATTRS, &keys::xattr(id, name))
    }

    /// All extended attributes of an inode, in order of their names; there are few.
    pub(crate) fn xattrs(self, id: InodeId) -> Result<Vec<Xattr>, Fault> {
        let prefix = keys::inode(id);
        let range = Range {
            table: keys::XATTRS,
            from: prefix.to_vec(),
            until: keys::after_prefix(&prefix),
            direction: ScanDirection::Forward,
        };
        let mut found = Vec::new();
        visit(self.store, &range, |key, value| {
            let (_, name) = keys::parse_xattr(key)?;
            let XattrRecord(value) = from_bytes(value)?;
            found.push(Xattr { name, value });
            Ok::<_, Fault>(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }
}

impl State<'_> {
    /// Sets or removes an extended attribute of an inode that exists.
    pub(crate) fn set_xattr(
        &mut self,
        id: InodeId,
        name: &XattrName,
        value: Option<XattrRecord>,
    ) -> Step<()> {
        let mut record = self.read().inode(id)?.ok_or(Refusal::NotFound)?;
        record.common_mut().ctime = FileTime::from(self.now);
        self.put_inode(id, &record)?;
        let key = keys::xattr(id, name);
        match value {
            Some(value) => self.put(keys::XATTRS, &key, &value),
            None => self.store.delete(keys::XATTRS, &key),
        }
        Ok(())
    }

    /// Removes all of an inode that goes.
    pub(crate) fn remove_xattrs(&mut self, id: InodeId) -> Result<(), Fault> {
        if planted(Bug::XattrsOutliveInode) {
            return Ok(());
        }
        for Xattr { name, .. } in self.read().xattrs(id)? {
            self.store.delete(keys::XATTRS, &keys::xattr(id, &name));
        }
        Ok(())
    }
}
