//! The loop: events change the world, tasks go on, until there is nothing left to wait for.

use std::cell::RefCell;
use std::rc::Rc;

use eggs_machine::Command;
use eggs_proto::{GroupId, NodeId};

use crate::group::{Known, Waiter};
use crate::message::{Answer, Request};
use crate::tasks::Slot;
use crate::world::{Event, World};

/// A world that tasks share.
#[derive(Clone)]
pub struct Sim(Rc<RefCell<World>>);

impl Sim {
    /// Shares a world.
    pub fn new(world: World) -> Self {
        Self(Rc::new(RefCell::new(world)))
    }

    /// Does something with the world.
    pub fn with<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        work(&mut self.0.borrow_mut())
    }

    /// True time, in microseconds.
    pub fn now_us(&self) -> u64 {
        self.with(|world| world.now_us)
    }

    /// Lets time pass.
    pub async fn sleep_us(&self, us: u64) {
        let slot = Slot::new();
        self.with(|world| world.after(us, Event::Timer(slot.clone())));
        slot.await;
    }

    /// Asks somebody.
    pub async fn call(
        &self,
        from: NodeId,
        to: NodeId,
        request: Request,
        timeout_us: u64,
    ) -> Answer {
        let slot = self.with(|world| world.call(from, to, request, timeout_us));
        slot.await
    }

    /// Proposes a command as a process that believes to lead; `None` if nobody knows what became of it.
    pub async fn propose(
        &self,
        process: NodeId,
        group: GroupId,
        command: Command,
        known: Known,
    ) -> Option<Vec<u8>> {
        let slot = Slot::new();
        let waiter = Waiter::Task(slot.clone());
        self.with(|world| world.propose_command(process, group, command, known, waiter));
        slot.await
    }
}
