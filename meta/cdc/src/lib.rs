//! The cross-directory coordinator as a pure machine: mkdir, rmdir, and renames that one shard cannot do
//! alone.
//!
//! A *transaction* is a record in the machine's state that says which *step* comes next. Whoever drives the
//! coordinator reads the pending steps from the state ([`pending`]), sends each to its shard, and puts the
//! answer back into the log ([`CdcCommand::StepDone`]), which moves the transaction on. Nothing about a
//! transaction is remembered anywhere else, so that a new leader reads what is pending and goes on.
//!
//! Names are locked in one global order, checked, and changed after the *commit point*: the moment at which a
//! log entry of the coordinator decides the outcome. Before it, every refusal rolls back; after it, the
//! transaction only goes forward. Making a directory needs no lock: linking it is one shard's decision.
//!
//! **Invariant:** no transaction waits for a name while it holds one that sorts after it.
//!
//! **Invariant:** `parents` holds every directory that has a name, and a directory only moves if the walk
//! from its new parent to the root does not meet it; the walk and the move are one log entry.
//!
//! **Invariant:** a step is sent again with the same request id until it has a definite answer. `Locked` is one: the
//! next attempt has a serial, and with it a request id, of its own, and that is in the log before anybody sends it. So
//! when a transaction ends, every request that any driver ever sent for it, or is still going to, has been answered
//! and is known to its shard: no copy that arrives late can do anything.
//!
//! **Invariant:** a finished transaction leaves nothing but its outcome, and that for [`eggs_proto::REPLY_MS`].

mod begin;
mod command;
mod detach;
mod exchange;
mod invariants;
mod keys;
mod loops;
mod machine;
mod make_directory;
mod next;
mod outcomes;
mod remove_directory;
mod rename;
mod repair_parent;
mod restored;
mod rollback;
mod state;
mod transaction;
mod undelete_directory;
mod views;

pub use command::{CdcAnswer, CdcCommand, StepOutcome, TransactionOutcome};
pub use invariants::{audit, check};
pub use keys::CDC_TABLES;
pub use machine::CdcMachine;
pub use next::{NextStep, locked_delay_ms, next_step, pending};
pub use views::{Status, Stuck, parent_of, parents, recorded, status, stuck};

/// How long a transaction waits for names that others have locked, in milliseconds of log time.
pub const LOCK_WAIT_MS: u64 = 10_000;
/// How long a transaction that holds names waits for a directory in which a name is locked, in milliseconds
/// of log time since it began: whoever locked that name may wait for one of ours.
pub const DETACH_WAIT_MS: u64 = 2_000;
/// Most transactions under way.
pub const RUNNING_MAX: u64 = 65_536;
