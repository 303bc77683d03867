//! Requests to the coordinator, and what shards may answer to its steps.

use eggs_cdc::{CdcCommand, CdcMachine, StepOutcome};
use eggs_proto::cdc::CdcRequest;
use eggs_proto::{Refusal, Time};

use crate::messages::{Message, read, split};
use crate::replica::Replica;

/// After so many steps every transaction has ended.
const STEPS_MAX: usize = 4096;

/// Tag 0: a request. Tag 1: an outcome of the first pending step. Otherwise: any command.
pub fn cdc(bytes: &[u8]) {
    let mut replica = Replica {
        now: Time(1_000_000),
        ..Replica::default()
    };
    for message in split(bytes) {
        replica.now = replica.now.plus_ms(10);
        if let Some(command) = command(&replica, &message) {
            replica.apply(&CdcMachine, None, command.encode());
        }
    }
    refuse_everything(&mut replica);
}

fn command(replica: &Replica, message: &Message<'_>) -> Option<CdcCommand> {
    match message.tag {
        0 => match read::<CdcRequest>(message.body)? {
            CdcRequest::Run { id, operation } => Some(CdcCommand::Begin { id, operation }),
            CdcRequest::Status => {
                eggs_cdc::status(&replica.store).expect("the state can be read");
                None
            }
            CdcRequest::Audit { after, limit } => {
                eggs_cdc::audit(&replica.store, after, limit).expect("the state can be read");
                None
            }
            CdcRequest::RepairParent { dir, known, parent } => {
                Some(CdcCommand::RepairParent { dir, known, parent })
            }
        },
        1 => {
            let step = pending(replica).into_iter().next()?;
            Some(CdcCommand::StepDone {
                transaction: step.transaction,
                serial: step.serial,
                outcome: read::<StepOutcome>(message.body)?,
            })
        }
        _ => read::<CdcCommand>(message.body),
    }
}

fn pending(replica: &Replica) -> Vec<eggs_cdc::NextStep> {
    eggs_cdc::pending(&replica.store, None, usize::MAX).expect("the state can be read")
}

/// Whatever happened: when shards answer again, all transactions end.
fn refuse_everything(replica: &mut Replica) {
    for _ in 0..STEPS_MAX {
        let Some(step) = pending(replica).into_iter().next() else {
            return;
        };
        replica.now = replica.now.plus_ms(100);
        let command = CdcCommand::StepDone {
            transaction: step.transaction,
            serial: step.serial,
            outcome: StepOutcome::Refused(Refusal::NotFound),
        };
        replica.apply(&CdcMachine, None, command.encode());
    }
    panic!("transactions never end: {:?}", pending(replica));
}
