//! One command per file.

mod observe;
mod register_node;
mod set_service_state;

pub(crate) use observe::observe;
pub(crate) use register_node::register_node;
pub(crate) use set_service_state::set_service_state;
