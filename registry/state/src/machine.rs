//! The machine: one arm per command.

use eggs_machine::{ApplyContext, Fault, Outcome, StateMachine, Store};
use eggs_proto::registry::RegistryReply;
use eggs_proto::{CallError, CallResult, InvalidArgument, Refusal, decode, encode};

use crate::transaction::{Stop, Transaction};
use crate::{RegistryCommand, ops};

/// The registry's state machine. A reply is an encoded [`RegistryOutcome`], which is what a client is answered.
#[derive(Clone, Copy, Debug, Default)]
pub struct RegistryMachine;

/// What a command is answered.
pub type RegistryOutcome = CallResult<RegistryReply>;

impl StateMachine for RegistryMachine {
    fn apply(
        &self,
        store: &mut dyn Store,
        context: ApplyContext,
        command: &[u8],
    ) -> Result<Outcome, Fault> {
        match apply(store, context, command) {
            Ok(reply) => Ok(Outcome::Accepted(answer(Ok(reply)))),
            Err(Stop::Refusal(refusal)) => {
                Ok(Outcome::Refused(answer(Err(CallError::Refused(refusal)))))
            }
            Err(Stop::Fault(fault)) => Err(fault),
        }
    }
}

fn answer(outcome: RegistryOutcome) -> Vec<u8> {
    encode(&outcome)
}

fn apply(
    store: &mut dyn Store,
    context: ApplyContext,
    command: &[u8],
) -> Result<RegistryReply, Stop> {
    // A newer leader may propose what this build does not know; every replica refuses it alike.
    let command = decode::<RegistryCommand>(command)
        .map_err(|_| Refusal::Invalid(InvalidArgument::Encoding))?;
    let mut tx = Transaction::begin(store, context.now)?;
    let mut reply = RegistryReply::Done;
    match command {
        RegistryCommand::RegisterNode(registration) => ops::register_node(&mut tx, registration)?,
        RegistryCommand::SetServiceState { service, state } => {
            ops::set_service_state(&mut tx, service, state)?;
        }
        RegistryCommand::Observe(observation) => ops::observe(&mut tx, &observation)?,
        RegistryCommand::Claim { node, incarnation } => ops::claim(&mut tx, node, incarnation)?,
        RegistryCommand::NoteMembers(groups) => ops::note_members(&mut tx, groups)?,
        RegistryCommand::Retire { node } => ops::retire(&mut tx, node)?,
        RegistryCommand::NoteSpace { node, report } => ops::note_space(&mut tx, node, report)?,
        RegistryCommand::Judge { rules, timed } => ops::judge(&mut tx, &rules, &timed)?,
        RegistryCommand::NoteSchemes { node, in_use } => {
            ops::note_schemes(&mut tx, node, &in_use)?;
        }
        RegistryCommand::Succeed {
            node,
            was,
            incarnation,
        } => {
            let lost = ops::Lost {
                node,
                was,
                incarnation,
            };
            reply = RegistryReply::Succession(ops::succeed(&mut tx, lost)?);
        }
    }
    tx.finish();
    Ok(reply)
}
