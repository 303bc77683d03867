//! The cluster map as a machine: one invariant or one kind of decision in each module.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

mod support;

mod golden;
mod health;
mod members;
mod properties;
mod register;
mod schemes;
mod silence;
mod slow;
mod succession;
