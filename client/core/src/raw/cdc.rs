//! Messages to the CDC.

use eggs_proto::cdc::{CdcOperation, CdcReply, CdcRequest};
use eggs_proto::{GroupId, MessageKind, Refusal, encode};

use super::{QUERY_ATTEMPT, TRANSACTION_ATTEMPT};
use crate::client::Client;
use crate::deadline::Backoff;
use crate::error::ClientError;
use crate::group_call::{By, GroupCall};

impl Client {
    /// Runs a transaction to its end, exactly once if it is answered.
    pub async fn cdc(&self, operation: CdcOperation) -> Result<CdcReply, ClientError> {
        self.inner.touch();
        let deadline = self.deadline();
        let mut backoff = Backoff::new();
        loop {
            let id = self.inner.next_request_id();
            let operation = operation.clone();
            let call = GroupCall {
                group: GroupId::CDC,
                kind: MessageKind::Cdc,
                body: encode(&CdcRequest::Run { id, operation }).into(),
                attempt: TRANSACTION_ATTEMPT,
                by: By::Leader,
            };
            match self.inner.call_group(&call, deadline).await {
                Err(ClientError::Refused(Refusal::Locked)) if backoff.pause(deadline).await => {}
                decided => return decided,
            }
        }
    }

    /// What the CDC is doing.
    pub async fn cdc_status(&self) -> Result<CdcReply, ClientError> {
        self.cdc_ask(&CdcRequest::Status).await
    }

    /// Asks the CDC something that may be asked twice.
    pub(crate) async fn cdc_ask(&self, request: &CdcRequest) -> Result<CdcReply, ClientError> {
        let call = GroupCall {
            group: GroupId::CDC,
            kind: MessageKind::Cdc,
            body: encode(request).into(),
            attempt: QUERY_ATTEMPT,
            by: By::Leader,
        };
        self.inner.call_group(&call, self.deadline()).await
    }
}
