//! Extended attributes.

use std::collections::BTreeMap;

use eggs_machine::Fault;
use eggs_proto::{InodeId, XATTR_VALUE_BYTES_MAX, XATTRS_BYTES_MAX, XATTRS_MAX};

use super::{Audit, Violation};
use crate::keys;
use crate::records::XattrRecord;

pub(super) fn check(audit: &mut Audit<'_>) -> Result<(), Fault> {
    // Number and bytes, and whether each is small enough.
    let mut found: BTreeMap<InodeId, (usize, usize, bool)> = BTreeMap::new();
    audit.each(keys::XATTRS, |key, XattrRecord(value): XattrRecord| {
        let (inode, name) = keys::parse_xattr(key)?;
        let (count, bytes, small) = found.entry(inode).or_insert((0, 0, true));
        *count += 1;
        *bytes += name.as_bytes().len() + value.len();
        *small &= value.len() <= XATTR_VALUE_BYTES_MAX;
        Ok(())
    })?;
    for (inode, (count, bytes, small)) in found {
        if !audit.inodes.contains_key(&inode) {
            audit.violate(Violation::XattrWithoutInode { inode });
        }
        if count > XATTRS_MAX || bytes > XATTRS_BYTES_MAX || !small {
            audit.violate(Violation::XattrsTooLarge { inode });
        }
    }
    Ok(())
}
