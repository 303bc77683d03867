//! Signing of write certificates, on the way out.

use eggs_proto::shard::ShardReply;
use eggs_proto::{BlockServiceId, ServiceKey, Statement};

/// Signs the certificates of a `Placed` or `Started` reply; other replies stay as they are. Leader only, after
/// commit, also for a remembered reply. The certificate of a service whose key is unknown stays zero: the service will
/// refuse it and the client asks for a replacement.
pub fn finish(reply: &mut ShardReply, keys: &dyn Fn(BlockServiceId) -> Option<ServiceKey>) {
    if let ShardReply::Placed(blocks) | ShardReply::Started { blocks, .. } = reply {
        for block in blocks {
            if let Some(key) = keys(block.facts.service) {
                block.certificate = key.sign(Statement::MayWrite(block.expiry), &block.facts);
            }
        }
    }
}
