//! One read per file.

pub(crate) mod audit;
pub(crate) mod audit_trees;
pub(crate) mod directory;
pub(crate) mod extents;
pub(crate) mod files_on_service;
pub(crate) mod list;
pub(crate) mod lookup;
mod page;
pub(crate) mod read_link;
pub(crate) mod snapshots;
pub(crate) mod stat;
pub(crate) mod tree;
pub(crate) mod usage;
pub(crate) mod visit_garbage;
pub(crate) mod visit_inodes;
pub(crate) mod visit_transients;
pub(crate) mod walk;
pub(crate) mod xattrs;

#[cfg(test)]
mod tests;
