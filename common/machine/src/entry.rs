//! Log entries: a batch of commands, applied one by one with their effects kept apart.

use eggs_proto::{RequestId, Time};
use serde::{Deserialize, Serialize};

use crate::bugs::{Bug, planted};
use crate::memo::Memo;
use crate::{ApplyContext, Changes, Fault, Outcome, Overlay, StateMachine, StoreRead, replies};

/// What the leader says about a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandHeader {
    /// The leader's clock when it proposed the command.
    pub now: Time,
    /// Names the change, so that a retry is recognised; `None` for what the leader itself decides.
    pub request: Option<RequestId>,
}

/// One command of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// From the leader.
    pub header: CommandHeader,
    /// In the machine's own encoding.
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}

/// Commands that share one place in the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// In order.
    pub commands: Vec<Command>,
}

/// What applying an entry came to.
#[derive(Debug, Default)]
pub struct AppliedEntry {
    /// To be committed in one batch together with the index of the entry.
    pub changes: Changes,
    /// One for each command.
    pub replies: Vec<Vec<u8>>,
}

/// Applies a committed entry to a view of the group's state.
///
/// **Invariant:** a refused command changes nothing but log time and the reply table; a command whose request
/// id is remembered changes nothing at all.
pub fn apply_entry(
    machine: &dyn StateMachine,
    base: &dyn StoreRead,
    entry: &Entry,
) -> Result<AppliedEntry, Fault> {
    let base = Memo::new(base);
    let mut view = Overlay::new(&base);
    let mut answers = Vec::with_capacity(entry.commands.len());
    for command in &entry.commands {
        answers.push(apply_command(machine, &mut view, command)?);
    }
    Ok(AppliedEntry {
        changes: view.into_changes(),
        replies: answers,
    })
}

fn apply_command(
    machine: &dyn StateMachine,
    view: &mut Overlay<'_>,
    command: &Command,
) -> Result<Vec<u8>, Fault> {
    if let Some(id) = command.header.request
        && let Some(reply) = replies::recall(view, id)?
    {
        return Ok(reply);
    }
    let last = replies::last_time(view)?;
    let now = if planted(Bug::TimeRunsBackwards) {
        command.header.now
    } else {
        command.header.now.max(last.plus_ms(1))
    };
    let mut attempt = Overlay::new(view);
    let outcome = machine.apply(&mut attempt, ApplyContext { now }, &command.body)?;
    let kept = attempt.into_changes();
    let reply = match outcome {
        Outcome::Accepted(reply) => {
            view.absorb(kept);
            reply
        }
        Outcome::Refused(reply) => {
            if planted(Bug::RefusalLeavesTraces) {
                view.absorb(kept);
            }
            reply
        }
    };
    replies::set_last_time(view, now);
    if let Some(id) = command.header.request {
        replies::remember(view, id, now, &reply)?;
    }
    Ok(reply)
}
