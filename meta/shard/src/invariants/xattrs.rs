//! Extended attributes.

use eggs_machine::{Fault, from_bytes};
use eggs_proto::audit::{Finding, FindingCode};
use eggs_proto::{InodeId, XATTR_VALUE_BYTES_MAX, XATTRS_BYTES_MAX, XATTRS_MAX};

use super::tally::Tally;
use super::walk::Walk;
use crate::keys;
use crate::records::{InodeRecord, XattrRecord};

impl Walk<'_> {
    pub(super) fn xattr(
        &mut self,
        tally: &mut Tally,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), Fault> {
        let (inode, name) = keys::parse_xattr(key)?;
        let XattrRecord(value) = from_bytes(value)?;
        self.spend(0);
        tally.xattrs += 1;
        tally.xattr_bytes += (name.as_bytes().len() + value.len()) as u64;
        if value.len() > XATTR_VALUE_BYTES_MAX {
            let detail = format!("one has {} bytes", value.len());
            self.find(Finding::new(FindingCode::XattrsTooLarge, detail).of_inode(inode));
        }
        Ok(())
    }

    pub(super) fn judge_xattrs(
        &mut self,
        inode: InodeId,
        record: Option<&InodeRecord>,
        tally: &Tally,
    ) {
        let detail = format!("{} of {} bytes", tally.xattrs, tally.xattr_bytes);
        if tally.xattrs > 0 && record.is_none() {
            let finding = Finding::new(FindingCode::XattrWithoutInode, detail.as_str());
            self.find(finding.of_inode(inode));
        }
        if tally.xattrs > XATTRS_MAX as u64 || tally.xattr_bytes > XATTRS_BYTES_MAX as u64 {
            self.find(Finding::new(FindingCode::XattrsTooLarge, detail).of_inode(inode));
        }
    }
}
