//! The smallest machine there is.

use eggs_machine::{ApplyContext, Fault, Outcome, StateMachine, Store, Table, TableSpec};

const TABLE: Table = Table(16);

/// Its tables.
pub fn tables() -> Vec<TableSpec> {
    vec![TableSpec {
        table: TABLE,
        name: "register",
    }]
}

/// Keeps the last value.
pub struct Register;

impl StateMachine for Register {
    fn apply(
        &self,
        store: &mut dyn Store,
        _: ApplyContext,
        command: &[u8],
    ) -> Result<Outcome, Fault> {
        store.put(TABLE, &command[..command.len().min(8)], command);
        Ok(Outcome::Accepted(Vec::new()))
    }
}
