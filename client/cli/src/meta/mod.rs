//! `meta`: the replicas of the metadata, and moving them. It asks processes as a server, so it needs the cluster secret.

mod args;
mod ask;
mod changes;
mod plan;
mod status;
mod tally;
mod view;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use changes::Intent;
use plan::Move;

pub use args::MetaVerb;

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
    }
}
