//! What happens before the beginning: directories of one shard, which the coordinator's turn would not give
//! within a run.

use eggs_cdc::{CdcCommand, StepOutcome, next_step};
use eggs_machine::{Command, CommandHeader};
use eggs_proto::cdc::{CdcOperation, EntryName};
use eggs_proto::hello::PeerRole;
use eggs_proto::shard::{ShardChange, ShardReply, ShardRequest};
use eggs_proto::{
    GroupId, InodeId, Name, NodeId, Policy, ProcessRole, Refusal, RequestId, ShardId,
    SnapshotPolicy, decode, encode,
};
use eggs_shard::PrepareContext;

use crate::group::{Known, Proposal, Waiter};
use crate::operations::ATTRIBUTES;
use crate::world::World;

/// Names that clients do not choose by themselves.
const NAMES: [&str; 3] = ["p", "q", "r"];

impl World {
    /// Makes a few directories on one shard, which is sometimes that of root.
    pub(crate) fn preamble(&mut self) {
        let shard = if self.random.permille(400) {
            InodeId::ROOT.shard()
        } else {
            ShardId(self.random.below(256) as u8)
        };
        let policy = Policy::Snapshot(SnapshotPolicy {
            keep_ms: Some(self.oracle.keep_ms_min),
            keep_versions: None,
        });
        let dir = InodeId::ROOT;
        let id = RequestId {
            client: 2,
            sequence: 1,
        };
        self.change_now(dir.shard(), id, ShardChange::SetPolicy { dir, policy });
        let mut sequence = 0;
        for text in NAMES {
            for _ in 0..256 {
                sequence += 1;
                if self.instantly(sequence, text, shard) {
                    break;
                }
            }
        }
    }

    /// Begins to make a directory, and goes on if it is going to be on this shard.
    fn instantly(&mut self, sequence: u64, text: &str, shard: ShardId) -> bool {
        let Ok(name) = Name::new(text) else {
            return false;
        };
        let id = RequestId {
            client: 1,
            sequence,
        };
        let dir = InodeId::ROOT;
        let operation = CdcOperation::MakeDirectory {
            entry: EntryName { dir, name },
            attributes: ATTRIBUTES,
        };
        self.transaction_command(CdcCommand::Begin { id, operation });
        let Some(transaction) = self.oracle.begun.get(&id).copied() else {
            return false;
        };
        let mut wanted = None;
        loop {
            let state = &self.group(GroupId::CDC).state;
            let Ok(Some(step)) = next_step(state, transaction) else {
                return wanted == Some(true);
            };
            let fits = *wanted.get_or_insert(step.shard == shard);
            let outcome = if fits {
                match step.call().request {
                    ShardRequest::Change { id, change } => self.change_now(step.shard, id, change),
                    ShardRequest::Query(_) | ShardRequest::QueryAny(_) => {
                        StepOutcome::Refused(Refusal::Unsupported)
                    }
                }
            } else {
                StepOutcome::Refused(Refusal::NotFound)
            };
            self.transaction_command(CdcCommand::StepDone {
                transaction,
                serial: step.serial,
                outcome,
            });
        }
    }

    fn transaction_command(&mut self, command: CdcCommand) {
        let body = command.encode();
        let header = CommandHeader {
            now: self.clock(NodeId::new(ProcessRole::Cdc, 0)),
            request: None,
        };
        let proposal = Proposal {
            command: Command { header, body },
            known: Known::Cdc(command),
            waiter: Waiter::Nobody,
        };
        let node = NodeId::new(ProcessRole::Cdc, 0);
        self.commit(GroupId::CDC, node, vec![proposal], false);
    }

    /// Applies a change at once.
    fn change_now(&mut self, shard: ShardId, id: RequestId, change: ShardChange) -> StepOutcome {
        let node = NodeId::new(ProcessRole::Shard, 0);
        let now = self.clock(node);
        let context = PrepareContext {
            map: &eggs_proto::ClusterMap::default(),
            keys: &|_| None,
            most_free: eggs_proto::MostFree::default(),
            shares: &eggs_shard::Shares::ALL_FULL,
            entropy: [0; 32],
            origin: PeerRole::Server,
            now,
        };
        let group = GroupId::of_shard(shard);
        let state = &self.group(group).state;
        let prepared = eggs_shard::prepare(shard, state, &context, change.clone());
        let Ok(Ok(command)) = prepared else {
            return StepOutcome::Refused(Refusal::Unsupported);
        };
        let header = CommandHeader {
            now,
            request: Some(id),
        };
        let proposal = Proposal {
            command: Command {
                header,
                body: encode(&command),
            },
            known: Known::Shard {
                change,
                origin: PeerRole::Server,
            },
            waiter: Waiter::Nobody,
        };
        self.commit(group, node, vec![proposal], false);
        let answer = self.oracle.answers.get(&(group, id));
        let answer = answer.and_then(|bytes| decode::<Result<ShardReply, Refusal>>(bytes).ok());
        match answer {
            Some(Ok(_)) => StepOutcome::Done,
            Some(Err(refusal)) => StepOutcome::Refused(refusal),
            None => StepOutcome::Refused(Refusal::Unsupported),
        }
    }
}
