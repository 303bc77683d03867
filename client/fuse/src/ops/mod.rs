//! One module per kind of request.

mod attributes;
mod directories;
mod lookup;
mod names;
mod open;
mod release;
mod write;
mod xattrs;

pub use attributes::Change;
pub use lookup::Seen;
pub use open::{Opened, OpenedAs};
pub use release::Ending;
