//! `mv`: another name, another directory, or both.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use eggs_client::{FollowLast, NewEntry, RenameEntry};
use eggs_proto::cdc::EntryName;
use eggs_proto::shard::Replace;

use super::put::destination;
use crate::context::{Context, show};
use crate::failure::{Exit, Failure};

/// What the flags mean.
pub(crate) const fn replace(no_clobber: bool, exchange: bool) -> Replace {
    match (no_clobber, exchange) {
        (_, true) => Replace::Exchange,
        (true, false) => Replace::Never,
        (false, false) => Replace::Files,
    }
}

pub(crate) async fn run(
    context: &Context,
    source: &OsStr,
    target: &OsStr,
    replace: Replace,
) -> Result<Exit, Failure> {
    let found = context.resolve(source, FollowLast::No, "move").await?;
    let Some(name) = found.name else {
        let sentence = format!(
            "cannot move {}: it is not a name in a directory",
            show(source)
        );
        return Err(Failure::usage(sentence));
    };
    let failed = |error| {
        Failure::remote(
            "move",
            format!("{} to {}", show(source), show(target)),
            &error,
        )
    };
    let place = match replace {
        Replace::Exchange => context
            .client
            .parent_of(target.as_bytes())
            .await
            .map_err(failed)?,
        Replace::Never | Replace::Files => {
            let own_name = OsStr::from_bytes(name.as_bytes());
            if found.inode.is_directory() {
                directory_destination(context, target, &name).await?
            } else {
                destination(context, target, Some(own_name)).await?
            }
        }
    };
    let entry = RenameEntry {
        source: EntryName {
            dir: found.parent,
            name,
        },
        target: EntryName {
            dir: place.dir,
            name: place.name,
        },
    };
    context
        .client
        .rename(entry, replace)
        .await
        .map_err(failed)?;
    Ok(Exit::Fine)
}

/// Like [`destination`], but the new path of a directory may end with `/`.
async fn directory_destination(
    context: &Context,
    target: &OsStr,
    name: &eggs_proto::Name,
) -> Result<NewEntry, Failure> {
    let failed = |error| Failure::remote("move to", show(target), &error);
    match context
        .client
        .resolve(target.as_bytes(), FollowLast::Yes)
        .await
    {
        Ok(found) if found.inode.is_directory() => Ok(NewEntry {
            dir: found.inode,
            name: name.clone(),
            must_be_directory: false,
        }),
        Ok(_) => context
            .client
            .parent_of(target.as_bytes())
            .await
            .map_err(failed),
        Err(error) if error.is_not_found() => context
            .client
            .parent_of(target.as_bytes())
            .await
            .map_err(failed),
        Err(error) => Err(failed(error)),
    }
}
