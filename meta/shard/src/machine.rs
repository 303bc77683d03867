//! The machine that the log drives.

use eggs_machine::{
    ApplyContext, Fault, Outcome, PutRow, RestoredRow, StateMachine, Store, StoreRead,
};
use eggs_proto::shard::ShardReply;
use eggs_proto::{Refusal, ShardId, Time, decode, encode};

use crate::apply::apply;
use crate::state::State;
use crate::step::Stop;
use crate::{ShardCommand, restored};

/// One shard. A command is an encoded [`ShardCommand`], its reply an encoded `Result<ShardReply, Refusal>`.
#[derive(Clone, Copy, Debug)]
pub struct ShardMachine {
    /// Which one.
    pub shard: ShardId,
}

impl StateMachine for ShardMachine {
    fn apply(
        &self,
        store: &mut dyn Store,
        context: ApplyContext,
        command: &[u8],
    ) -> Result<Outcome, Fault> {
        let command: ShardCommand = decode(command)
            .map_err(|_| Fault::Entry(format!("a command of shard {}", self.shard)))?;
        let mut state = State::new(self.shard, context.now, store)?;
        let answer: Result<ShardReply, Refusal> = match apply(&mut state, command) {
            Ok(reply) => {
                state.finish();
                Ok(reply)
            }
            Err(Stop::Refused(refusal)) => Err(refusal),
            Err(Stop::Fault(fault)) => return Err(fault),
        };
        let bytes = encode(&answer);
        Ok(match answer {
            Ok(_) => Outcome::Accepted(bytes),
            Err(_) => Outcome::Refused(bytes),
        })
    }

    fn is_empty(&self, store: &dyn StoreRead) -> Result<bool, Fault> {
        restored::is_empty(store)
    }

    fn restored(&self, now: Time, row: RestoredRow<'_>, put: &mut PutRow<'_>) -> Result<(), Fault> {
        restored::take(now, row, put)
    }
}
