//! How things are read from and shown to people. Pure.

pub(crate) mod disk;
pub(crate) mod mode;
pub(crate) mod policy;
pub(crate) mod size;
pub(crate) mod table;
pub(crate) mod time;
