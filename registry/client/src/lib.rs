//! Asking the registry: one call at a time with [`RegistryClient`], and the two things that every server
//! does all the time, keeping its view of the cluster fresh ([`ClusterView`]) and telling that it is
//! alive ([`announce`]). Servers with replicas also say who votes in their groups ([`report_members`]) and how much
//! space they have ([`report_space`]), shards how blocks are stored ([`report_schemes`]); they get a new name when these are lost ([`succeed`]), and are rebuilt under it ([`Rebuild`]).
//!
//! **Invariant:** every call ends by its deadline, however many replicas are dead.
//!
//! **Invariant:** the epoch of a [`ClusterView`] never goes back.

mod announce;
mod client;
mod error;
mod rebuild;
mod report;
mod schemes;
mod space;
mod succession;
mod view;

pub use announce::{Condition, Member, announce};
pub use client::{Confirmation, RegistryClient};
pub use error::RegistryError;
pub use rebuild::Rebuild;
pub use report::report_members;
pub use schemes::report_schemes;
pub use space::report_space;
pub use succession::{Lost, Missing, NotNamed, succeed, wait_for_objections};
pub use view::{ClusterView, Snapshot};
