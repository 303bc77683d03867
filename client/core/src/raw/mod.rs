//! Single messages, for programs that need what the file system operations do not offer.

pub(crate) mod block;
mod cdc;
mod meta;
mod registry;
pub(crate) mod shard;
mod subject;

use std::time::Duration;

pub use registry::Health;

/// How long one attempt of a query may take.
pub(crate) const QUERY_ATTEMPT: Duration = Duration::from_secs(1);
/// How long one attempt of a change may take.
pub(crate) const CHANGE_ATTEMPT: Duration = Duration::from_secs(3);
/// How long one question about replicas may take.
pub(crate) const META_ATTEMPT: Duration = Duration::from_secs(5);
/// How long one attempt of a transaction may take: it waits for several groups.
pub(crate) const TRANSACTION_ATTEMPT: Duration = Duration::from_secs(6);
/// How long one block request may take by itself.
pub(crate) const BLOCK_ATTEMPT: Duration = Duration::from_secs(5);
