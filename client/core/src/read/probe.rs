//! Asking a suspected block service for one page, in the background, to know whether it answers in time again.

use bytes::Bytes;
use eggs_proto::ExtentBlock;
use eggs_proto::block::BlockRequest;
use tokio::time::timeout;

use super::fetch::may_pass;
use crate::client::Inner;
use crate::error::ClientError;
use crate::raw::BLOCK_ATTEMPT;

/// Asks for the first page of a block. Nobody waits for it.
pub(super) fn probe(inner: &Inner, block: &ExtentBlock) {
    let Some(inner) = inner.shared() else {
        return;
    };
    let (service, block) = (block.service, block.block);
    inner.runtime.clone().spawn(async move {
        let request = BlockRequest::Read {
            service,
            block,
            page: 0,
            pages: 1,
        };
        let asked = inner.block(service, &request, Bytes::new(), BLOCK_ATTEMPT);
        // An answer for which a read would not have waited is none.
        let answers = match timeout(inner.latencies.hedge_after(), asked).await {
            Ok(Ok(_)) => true,
            Ok(Err(ClientError::Block { refusal, .. })) => !may_pass(&refusal),
            Ok(Err(_)) | Err(_) => false,
        };
        if answers {
            tracing::debug!(%service, "a suspected block service answers in time");
            inner.suspects.trust(service);
        }
    });
}
