//! Each server in a network namespace of its own, with real packets between them that can be lost, doubled and refused.
//!
//! The test runs in a namespace, the *hub*, which has nothing but its loopback interface ([`enter_hub`]). A server that
//! is started gets another one, with one link to the hub, which forwards between them all: so each packet passes one
//! place, `faults` in the table `eggs` of the hub. Addresses stay as they are, 127.0.0.1 and a port: every namespace sends
//! what is for another port than its own server's to the hub, which knows from the port whose it is.
//!
//! **Invariant:** nothing is left behind, however a run ends: namespaces have no names, so they and their links go with the
//! last process in them, and what is inside of them reaches nothing outside.

mod hub;
mod rules;
mod tools;

pub use hub::{Hub, enter_hub};
pub use rules::{Matter, Packets};
