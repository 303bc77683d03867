//! `ln -s`: symlinks.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use crate::context::{Context, attributes, show};
use crate::failure::{Exit, Failure};

pub(crate) async fn run(context: &Context, target: &OsStr, path: &OsStr) -> Result<Exit, Failure> {
    let failed = |error| Failure::remote("make symlink", show(path), &error);
    let place = context
        .client
        .parent_of(path.as_bytes())
        .await
        .map_err(failed)?;
    let new = eggs_proto::NewAttributes {
        mode: 0o777,
        ..attributes(0)
    };
    let made = context
        .client
        .symlink(place.dir, &place.name, target.as_bytes(), new)
        .await;
    made.map_err(failed)?;
    Ok(Exit::Fine)
}
