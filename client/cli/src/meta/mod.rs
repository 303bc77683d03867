//! `meta`: the replicas of the metadata, and moving them. It asks processes as a server, so it needs the cluster secret.

mod args;
mod ask;
mod backup;
mod balance;
mod changes;
mod spread;
mod status;
mod tally;
mod view;

use eggs_proto::moves::Move;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use backup::{OtherCluster, Tight};
use changes::{Crowding, Intent};

pub use args::MetaVerb;
pub(crate) use ask::needs_secret;

/// Runs one of the verbs.
pub(crate) async fn run(context: &Context, verb: MetaVerb) -> Result<Exit, Failure> {
    match verb {
        MetaVerb::Status { group } => status::run(context, group).await,
        MetaVerb::Transfer { group, node } => changes::transfer(context, group, node).await,
        MetaVerb::Move {
            group,
            from,
            to,
            fewer_hosts,
        } => {
            let wanted = Move { group, from, to };
            changes::move_one(context, wanted, Crowding::of(fewer_hosts)).await
        }
        MetaVerb::Replace {
            old,
            new,
            fewer_hosts,
        } => changes::replace(context, (old, new), Crowding::of(fewer_hosts)).await,
        MetaVerb::Balance { apply, .. } => {
            let intent = if apply { Intent::Do } else { Intent::Tell };
            changes::balance(context, intent).await
        }
        MetaVerb::Backup { dir, keep } => backup::take(context, &dir, keep).await,
        MetaVerb::Restore {
            dir,
            image,
            other_cluster,
            little_space,
        } => {
            let other = if other_cluster {
                OtherCluster::Allowed
            } else {
                OtherCluster::Refused
            };
            let tight = if little_space {
                Tight::Allowed
            } else {
                Tight::Refused
            };
            backup::restore(context, &dir, image, (other, tight)).await
        }
        MetaVerb::Verify {
            dir: Some(dir),
            image,
        } => backup::verify(context, &dir, image).await,
        MetaVerb::Verify { dir: None, .. } => backup::compare(context).await,
    }
}
