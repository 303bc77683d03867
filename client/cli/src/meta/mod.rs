//! `meta`: the replicas of the metadata, and moving them. It asks processes as a server, so it needs the cluster secret.

mod args;
mod ask;
mod backup;
mod balance;
mod changes;
mod status;
mod tally;
mod view;

use eggs_proto::moves::Move;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use backup::OtherCluster;
use changes::Intent;

pub use args::MetaVerb;
pub(crate) use ask::needs_secret;

/// Runs one of the verbs.
pub(crate) async fn run(context: &Context, verb: MetaVerb) -> Result<Exit, Failure> {
    match verb {
        MetaVerb::Status { group } => status::run(context, group).await,
        MetaVerb::Transfer { group, node } => changes::transfer(context, group, node).await,
        MetaVerb::Move { group, from, to } => {
            changes::move_one(context, Move { group, from, to }).await
        }
        MetaVerb::Replace { old, new } => changes::replace(context, old, new).await,
        MetaVerb::Balance { apply, .. } => {
            let intent = if apply { Intent::Do } else { Intent::Tell };
            changes::balance(context, intent).await
        }
        MetaVerb::Backup { dir } => backup::take(context, &dir).await,
        MetaVerb::Restore {
            dir,
            image,
            other_cluster,
        } => {
            let other = if other_cluster {
                OtherCluster::Allowed
            } else {
                OtherCluster::Refused
            };
            backup::restore(context, &dir, image, other).await
        }
        MetaVerb::Verify {
            dir: Some(dir),
            image,
        } => backup::verify(context, &dir, image).await,
        MetaVerb::Verify { dir: None, .. } => backup::compare(context).await,
    }
}
