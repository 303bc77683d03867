//! A few seeds of the simulation. `tests/bugs.rs` is apart: it needs a build of its own.

mod determinism;
mod seeds;
