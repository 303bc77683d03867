//! A machine with its store, driven as a server drives it.

use eggs_machine::{Command, CommandHeader, Entry, MemoryStore, StateMachine, apply_entry};
use eggs_proto::{RequestId, Time};

/// One replica.
#[derive(Default)]
pub(crate) struct Replica {
    pub(crate) store: MemoryStore,
    pub(crate) now: Time,
}

impl Replica {
    /// Applies one command. A fault would stop the replica, so there must be none.
    pub(crate) fn apply(
        &mut self,
        machine: &dyn StateMachine,
        request: Option<RequestId>,
        body: Vec<u8>,
    ) -> Vec<u8> {
        let header = CommandHeader {
            now: self.now,
            request,
        };
        let commands = vec![Command { header, body }];
        let mut applied = apply_entry(machine, &self.store, &Entry { commands })
            .expect("no command may stop a replica");
        self.store.commit(&applied.changes);
        applied.replies.remove(0)
    }
}
