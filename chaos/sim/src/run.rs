//! One run: a cluster, a plan, and the time to come to rest afterwards.

use std::rc::Rc;

use eggs_proto::hello::PeerRole;
use eggs_proto::{NodeId, ProcessRole};

use crate::client::Client;
use crate::coverage::Coverage;
use crate::driver::drive;
use crate::operations::operate;
use crate::plan::{Config, Plan, What};
use crate::random::Random;
use crate::sim::Sim;
use crate::tasks::Tasks;
use crate::world::{Action, Event, World};

/// Clients of a run.
pub const CLIENTS: u32 = 8;
/// How long everything has to come to rest once faults have stopped, in seconds.
const REST_S: u64 = 120;

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was wrong, if anything.
    pub wrong: Option<String>,
    /// When the run ended, in milliseconds from the beginning.
    pub ended_ms: u64,
    /// Hash of everything that happened.
    pub hash: u64,
    /// Number of events.
    pub events: u64,
    /// Changes that were answered with success.
    pub acknowledged: u64,
    /// What was reached.
    pub coverage: Coverage,
    /// The last events, if they were asked for.
    pub lines: Vec<String>,
}

struct Run {
    sim: Sim,
    tasks: Tasks,
    plan: Plan,
    clients: Vec<Rc<Client>>,
}

/// Runs a configuration to its end, or to the first thing that is wrong.
pub fn run(config: &Config) -> Report {
    let plan = Plan::new(config.seed, config.seconds);
    let mut world = World::new(config.seed, config.verbose);
    world.oracle.keep_ms_min = plan.keep_ms;
    world.populate();
    for (index, item) in plan.items.iter().enumerate() {
        if config.without.binary_search(&index).is_err() {
            world.after(item.at_ms * 1000, Event::Planned(index));
        }
    }
    world.after(1_000_000, Event::Check);
    let mut random = Random::new(config.seed.rotate_left(32) ^ 0xc11e_4775);
    let sim = Sim::new(world);
    let client = |index| {
        let node = NodeId::new(ProcessRole::Client, index);
        Rc::new(Client::new(
            sim.clone(),
            node,
            PeerRole::Client,
            &mut random,
        ))
    };
    let clients = (0..CLIENTS).map(client).collect();
    let mut run = Run {
        sim,
        tasks: Tasks::default(),
        plan,
        clients,
    };
    run.whole(config.seconds);
    run.report()
}

impl Run {
    fn whole(&mut self, seconds: u64) {
        self.until(seconds);
        self.sim.with(World::mend_all);
        let rested = |world: &World| world.open_operations == 0 && world.oracle.is_quiet();
        let deadline = seconds + REST_S;
        // Writers may dawdle for as long as a file lives.
        while !self.sim.with(|world| rested(world))
            && self.sim.with(|w| w.elapsed_ms()) < (deadline + 1500) * 1000
        {
            let next = self.sim.with(|world| world.elapsed_ms() / 1000 + 1);
            self.until(next);
            if self.is_wrong() {
                return;
            }
        }
        self.sim.with(World::check_at_rest);
    }

    fn is_wrong(&self) -> bool {
        self.sim.with(|world| world.wrong.is_some())
    }

    /// Lets everything happen that happens before a time.
    fn until(&mut self, seconds: u64) {
        let end_us = crate::world::BEGIN_US + seconds * 1_000_000;
        loop {
            let event = self.sim.with(|world| world.next_event(end_us));
            let Some(event) = event else { break };
            self.sim.with(|world| world.handle(event));
            self.act();
            self.tasks.run();
            self.act();
            if self.is_wrong() {
                return;
            }
        }
        self.sim
            .with(|world| world.now_us = world.now_us.max(end_us));
    }

    fn act(&mut self) {
        loop {
            let actions = self.sim.with(|world| std::mem::take(&mut world.actions));
            if actions.is_empty() {
                return;
            }
            for action in actions {
                match action {
                    Action::Kill(node) => self.tasks.kill(node),
                    Action::Drive(node, transaction) => {
                        self.tasks
                            .spawn(node, drive(self.sim.clone(), node, transaction));
                    }
                    Action::Operate(index) => self.operate(index),
                }
            }
        }
    }

    fn operate(&mut self, index: usize) {
        let Some(item) = self.plan.items.get(index).copied() else {
            return;
        };
        match item.what {
            What::Break(fault) => {
                let clock_ms_max = self.plan.clock_ms_max;
                self.sim
                    .with(|world| world.break_something(fault, item.dice, clock_ms_max));
            }
            What::Operate(operation) => {
                let who = (item.dice % u64::from(CLIENTS)) as usize;
                let client = self.clients[who].clone();
                self.sim.with(|world| world.open_operations += 1);
                let work = operate(client.clone(), operation, item.dice);
                self.tasks.spawn(client.node, work);
            }
        }
    }

    fn report(self) -> Report {
        self.sim.with(|world| Report {
            wrong: world.wrong.take(),
            ended_ms: world.elapsed_ms(),
            hash: world.trace.hash(),
            events: world.trace.events(),
            acknowledged: world.oracle.acknowledged,
            coverage: std::mem::take(&mut world.coverage),
            lines: world.trace.lines().map(str::to_owned).collect(),
        })
    }
}
