//! Answers as clients get them.

use eggs_proto::cdc::CdcReply;
use eggs_proto::shard::ShardReply;
use eggs_proto::{CallError, CallResult, GroupId, MacTag, Refusal, RequestId, ShardId, decode};

use crate::world::World;

impl World {
    /// A client was answered: what it was told must have been committed.
    pub(crate) fn told_of_change(
        &mut self,
        shard: ShardId,
        request: RequestId,
        answer: &CallResult<ShardReply>,
    ) {
        let answer = match answer {
            Ok(reply) => Ok(unsigned(reply.clone())),
            // The one refusal that is given without the log, because of who asks.
            Err(CallError::Refused(Refusal::Forbidden)) => return,
            Err(CallError::Refused(refusal)) => Err(refusal.clone()),
            Err(_) => return,
        };
        if answer.is_ok() {
            self.oracle.acknowledged += 1;
        }
        let key = (GroupId::of_shard(shard), request);
        let committed = self
            .oracle
            .answers
            .get(&key)
            .map(|bytes| decode::<Result<ShardReply, Refusal>>(bytes));
        match committed {
            Some(Ok(committed)) if committed == answer => {}
            Some(committed) => self.violate(|| {
                format!(
                    "shard {shard}: {request:?} was answered {answer:?}, committed {committed:?}"
                )
            }),
            None => self.violate(|| {
                format!("shard {shard}: {request:?} was answered {answer:?} and never committed")
            }),
        }
    }

    /// A client was told how its transaction ended.
    pub(crate) fn told_of_transaction(
        &mut self,
        request: RequestId,
        answer: &CallResult<CdcReply>,
    ) {
        match answer {
            Ok(_) | Err(CallError::Refused(_)) => {}
            Err(_) => return,
        }
        let committed = self.oracle.outcomes.get(&request).cloned();
        let committed = committed.map(eggs_cdc::TransactionOutcome::into_answer);
        if committed.as_ref() != Some(answer) {
            self.violate(|| {
                format!("cdc: {request:?} was answered {answer:?}, committed {committed:?}")
            });
        } else if answer.is_ok() {
            self.oracle.acknowledged += 1;
        }
    }
}

/// The reply as it was replicated: signatures are made on the way out.
fn unsigned(mut reply: ShardReply) -> ShardReply {
    if let ShardReply::Placed(blocks) | ShardReply::Started { blocks, .. } = &mut reply {
        for block in blocks {
            block.certificate = MacTag([0; 16]);
        }
    }
    reply
}
