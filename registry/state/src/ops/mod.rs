//! One command per file.

mod claim;
mod judge;
mod note_members;
mod note_schemes;
mod note_space;
mod observe;
mod register_node;
mod retire;
mod set_service_state;
mod succeed;

pub(crate) use claim::claim;
pub(crate) use judge::judge;
pub(crate) use note_members::note_members;
pub(crate) use note_schemes::note_schemes;
pub(crate) use note_space::note_space;
pub(crate) use observe::observe;
pub(crate) use register_node::register_node;
pub(crate) use retire::retire;
pub(crate) use set_service_state::set_service_state;
pub(crate) use succeed::{Lost, succeed};
