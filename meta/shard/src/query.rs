//! Reads of a shard: one exhaustive table of what answers what.

use eggs_machine::{Fault, StoreRead};
use eggs_proto::hello::PeerRole;
use eggs_proto::shard::{ShardQuery as Q, ShardReply};
use eggs_proto::{BlockServiceId, Refusal, ServiceKey, ShardId, Time};

use crate::queries;
use crate::state::Reader;
use crate::step::{Reply, split};

/// What a read needs besides the state.
pub struct QueryContext<'a> {
    /// Keys of block services, for erase certificates.
    pub keys: &'a dyn Fn(BlockServiceId) -> Option<ServiceKey>,
    /// Who asks.
    pub origin: PeerRole,
    /// The clock of the replica that answers. Log time stands still while nothing changes; deadlines do not.
    pub now: Time,
}

/// Answers a query from a consistent view.
pub fn query(
    shard: ShardId,
    store: &dyn StoreRead,
    context: &QueryContext<'_>,
    query: &Q,
) -> Result<Result<ShardReply, Refusal>, Fault> {
    split(answer(Reader::new(shard, store), context, query))
}

fn answer(read: Reader<'_>, context: &QueryContext<'_>, query: &Q) -> Reply {
    match query {
        Q::Lookup { dir, name } => queries::lookup::answer(read, *dir, name),
        Q::Stat { inode } => queries::stat::answer(read, *inode),
        Q::List { dir, after, limit } => queries::list::answer(read, *dir, after.as_ref(), *limit),
        Q::ReadLink { inode } => queries::read_link::answer(read, *inode),
        Q::Extents {
            file,
            offset,
            limit,
            cookie,
        } => {
            let right = queries::extents::ReadRight {
                origin: context.origin,
                cookie: *cookie,
            };
            queries::extents::answer(read, *file, *offset, *limit, right)
        }
        Q::Directory { dir } => queries::directory::answer(read, *dir),
        Q::Snapshots { dir, after, limit } => {
            queries::snapshots::answer(read, *dir, after.as_ref(), *limit)
        }
        Q::VisitTransients { after, limit } => {
            queries::visit_transients::answer(read, *after, *limit, context.now)
        }
        Q::VisitDirectories { after, limit } => {
            queries::visit_inodes::directories(read, *after, *limit)
        }
        Q::VisitFiles { after, limit } => queries::visit_inodes::files(read, *after, *limit),
        Q::VisitGarbage { after, limit } => match context.origin {
            PeerRole::Client => Err(Refusal::Forbidden.into()),
            PeerRole::Server => queries::visit_garbage::answer(read, *after, *limit, context.keys),
        },
        Q::FilesOnService {
            service,
            after,
            limit,
        } => queries::files_on_service::answer(read, *service, *after, *limit),
        Q::Walk { dir, names } => queries::walk::answer(read, *dir, names),
        Q::GetXattr { inode, name } => queries::xattrs::one(read, *inode, name),
        Q::ListXattrs { inode } => queries::xattrs::all(read, *inode),
        Q::Audit { after, limit } => queries::audit::answer(read, after.as_ref(), *limit),
        Q::AuditTrees { after, limit } => queries::audit_trees::answer(read, *after, *limit),
        Q::Tree { dir } => queries::tree::answer(read, *dir),
        Q::Usage => queries::usage::answer(read, context.now),
    }
}
