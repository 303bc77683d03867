//! One verb per file.

mod cat;
mod disk;
mod drain;
mod du;
mod fsck;
mod get;
mod history;
mod ln;
mod ls;
mod mkdir;
mod mv;
mod policy;
mod put;
mod rm;
mod secret;
mod snapshots;
mod stat;
mod status;
mod transient_files;
mod undelete;
mod write;
mod xattr;

use std::time::Duration;

use crate::access::{cluster, connect};
use crate::args::{Args, Verb};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::meta;
use crate::output::Format;

/// How long what was read is waited for to come into the cache on disk.
const CACHE_SETTLES: Duration = Duration::from_secs(1);

/// Runs a verb.
pub(crate) async fn run(args: Args) -> Result<Exit, Failure> {
    let format = if args.json {
        Format::Json
    } else {
        Format::Text
    };
    if let Verb::Secret(verb) = &args.verb {
        return secret::run(format, verb); // before there is a cluster
    }
    let client = connect(&args).await?;
    let patience = if let Verb::Meta { patience, .. } = &args.verb {
        Duration::from_secs(*patience)
    } else {
        Duration::ZERO
    };
    let context = &Context {
        cluster: cluster(&args),
        client,
        format,
        patience,
    };
    let done = act(context, args.verb).await;
    if let Some(cache) = context.client.cache() {
        cache.settle(CACHE_SETTLES).await;
    }
    done
}

async fn act(context: &Context, verb: Verb) -> Result<Exit, Failure> {
    match verb {
        Verb::Ls { long, path } => {
            let detail = if long {
                ls::Detail::Long
            } else {
                ls::Detail::Names
            };
            ls::run(context, &path, detail).await
        }
        Verb::Cat { version, paths } => cat::run(context, &paths, version).await,
        Verb::Put { local, path } | Verb::CopyInto { path, local } => {
            put::run(context, &local, &path).await
        }
        Verb::Get {
            version,
            path,
            local,
        } => get::run(context, &path, version, &local).await,
        Verb::Write {
            path,
            text,
            newline,
        } => write::run(context, &path, text, newline.into()).await,
        Verb::Mkdir { parents, paths } => mkdir::run(context, &paths, parents.into()).await,
        Verb::Rm {
            recursive,
            force,
            paths,
        } => {
            let options = rm::Options { recursive, force };
            rm::run(context, &paths, options).await
        }
        Verb::Mv {
            no_clobber,
            exchange,
            source,
            target,
        } => {
            let replace = mv::replace(no_clobber, exchange);
            mv::run(context, &source, &target, replace).await
        }
        Verb::Stat { dereference, path } => stat::run(context, &path, dereference).await,
        Verb::Ln { target, path, .. } => ln::run(context, &target, &path).await,
        Verb::Policy(verb) => policy::run(context, verb).await,
        Verb::Secret(verb) => secret::run(context.format, &verb), // not reached: see above
        Verb::Xattr(verb) => xattr::run(context, verb).await,
        Verb::Snapshots { path } => snapshots::run(context, &path).await,
        Verb::History { path } => history::run(context, &path).await,
        Verb::Undelete {
            recursive,
            name,
            version,
            deleted_after,
            replace,
            dry_run,
            path,
        } => {
            let options = undelete::Options {
                depth: undelete::Depth::of(recursive),
                name,
                version,
                deleted_after,
                replace: undelete::replace(replace),
                intent: undelete::intent(dry_run),
            };
            undelete::run(context, &path, options).await
        }
        Verb::TransientFiles => transient_files::run(context).await,
        Verb::Fsck {
            shard,
            dry_run,
            repair,
            ..
        } => fsck::run(context, shard, fsck::mode(dry_run, repair)).await,
        Verb::Du { path } => du::run(context, &path).await,
        Verb::Disk(verb) => disk::run(context, verb).await,
        Verb::Status => status::run(context).await,
        Verb::Meta { verb, .. } => meta::run(context, verb).await,
    }
}
