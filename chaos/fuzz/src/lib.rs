//! What arrives on a socket, taken for hostile: one function for each family of messages.
//!
//! Each takes any bytes, treats them as messages the way a server does, and panics if something is wrong. The
//! fuzzer (`make fuzz`) looks for such bytes; the tests run everything that it has found so far, which is kept
//! in `corpus/`.
//!
//! **Invariant:** nothing that decodes stops a machine: a change is answered or refused, and all invariants of the
//! state hold afterwards.

mod block;
mod cdc;
mod frame;
mod messages;
mod registry;
mod replica;
mod shard;

pub use block::block;
pub use cdc::cdc;
pub use frame::frame;
pub use messages::push;
pub use registry::registry;
pub use shard::{Session, shard};
