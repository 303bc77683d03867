//! Log entries: a batch of commands, applied one by one with their effects kept apart.

use eggs_proto::{RequestId, Time};
use serde::{Deserialize, Serialize};

use crate::bugs::{Bug, planted};
use crate::log_clock::LogClock;
use crate::memo::Memo;
use crate::replies::ReplyTable;
use crate::{ApplyContext, Changes, Fault, Outcome, Overlay, StateMachine, StoreRead};

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
    let memo = Memo::new(base);
    // One command reads next to nothing twice.
    let base: &dyn StoreRead = if entry.commands.len() > 1 {
        &memo
    } else {
        base
    };
    let view = Overlay::new(base);
    let clock = LogClock::read(&view)?;
    let mut applying = Applying {
        machine,
        replies: ReplyTable::read(&view, clock.now())?,
        clock,
        view,
    };
    let mut answers = Vec::with_capacity(entry.commands.len());
    for command in &entry.commands {
        answers.push(applying.command(command)?);
    }
    Ok(AppliedEntry {
        changes: applying.finish(),
        replies: answers,
    })
}

/// An entry that is being applied.
struct Applying<'a> {
    machine: &'a dyn StateMachine,
    view: Overlay<'a>,
    clock: LogClock,
    replies: ReplyTable,
}

impl Applying<'_> {
    fn command(&mut self, command: &Command) -> Result<Vec<u8>, Fault> {
        if let Some(id) = command.header.request
            && let Some(reply) = self.replies.recall(&self.view, self.clock.now(), id)?
        {
            return Ok(reply);
        }
        let now = self.clock.advance(command.header.now);
        self.view.savepoint();
        let context = ApplyContext { now };
        let reply = match self.machine.apply(&mut self.view, context, &command.body)? {
            Outcome::Accepted(reply) => {
                self.view.release();
                reply
            }
            Outcome::Refused(reply) => {
                if !planted(Bug::RefusalLeavesTraces) {
                    self.view.rollback();
                }
                self.view.release();
                reply
            }
        };
        if let Some(id) = command.header.request {
            self.replies.remember(&mut self.view, now, id, &reply);
        }
        Ok(reply)
    }

    /// What all commands came to.
    fn finish(mut self) -> Changes {
        self.clock.keep(&mut self.view);
        self.view.into_changes()
    }
}
