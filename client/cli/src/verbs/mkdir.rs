//! `mkdir`: directories.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use eggs_client::{ClientError, FollowLast};
use eggs_proto::Refusal;

use crate::context::{Context, attributes, show};
use crate::failure::{Exit, Failure};

/// Whether missing parents are made, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parents {
    Make,
    MustExist,
}

impl From<bool> for Parents {
    fn from(flag: bool) -> Self {
        if flag { Self::Make } else { Self::MustExist }
    }
}

pub(crate) async fn run(
    context: &Context,
    paths: &[OsString],
    parents: Parents,
) -> Result<Exit, Failure> {
    for path in paths {
        match parents {
            Parents::MustExist => make(context, path)
                .await
                .map_err(|error| Failure::remote("make directory", show(path), &error))?,
            Parents::Make => make_all(context, path).await?,
        }
    }
    Ok(Exit::Fine)
}

async fn make(context: &Context, path: &OsStr) -> Result<(), ClientError> {
    let place = context.client.parent_of(path.as_bytes()).await?;
    let made = context
        .client
        .make_directory(place.dir, &place.name, attributes(0o777));
    made.await.map(|_| ())
}

/// Makes what is missing, from the top.
async fn make_all(context: &Context, path: &OsStr) -> Result<(), Failure> {
    let ancestors: Vec<&Path> = Path::new(path).ancestors().collect();
    for ancestor in ancestors.into_iter().rev() {
        let part = ancestor.as_os_str();
        if part.is_empty() || part == "/" {
            continue;
        }
        let failed = |error| Failure::remote("make directory", show(part), &error);
        match context
            .client
            .resolve(part.as_bytes(), FollowLast::Yes)
            .await
        {
            Ok(found) if found.inode.is_directory() => continue,
            Ok(_) => return Err(failed(Refusal::NotDirectory.into())),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(failed(error)),
        }
        match make(context, part).await {
            Ok(()) | Err(ClientError::Refused(Refusal::Exists)) => {} // somebody else was faster
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(())
}
