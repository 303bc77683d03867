//! One run: a cluster, a plan, and the time to come to rest afterwards.

use std::rc::Rc;

use eggs_machine::{Entry, MemoryStore};
use eggs_proto::hello::PeerRole;
use eggs_proto::{GroupId, NodeId, ProcessRole};

use crate::announce::announce;
use crate::client::Client;
use crate::collector::collect_for_ever;
use crate::coverage::Coverage;
use crate::driver::drive;
use crate::group::Group;
use crate::operations::operate;
use crate::plan::{Config, Operation, Plan, What};
use crate::random::Random;
use crate::sim::Sim;
use crate::tasks::Tasks;
use crate::totals::keep_totals;
use crate::world::{Action, Event, World};

/// Clients of a run.
pub const CLIENTS: u32 = 8;
/// How long operations may go on after faults have stopped, in seconds.
const DAWDLE_S: u64 = 1500;
/// How long transactions have to come to rest, in seconds.
const REST_S: u64 = 120;
/// After this long everything that was left over has expired, in seconds: transient files, certificates, and what
/// clocks may be off.
const LIFE_S: u64 = 600 + 300;
/// How long the collector has then, in seconds.
const COLLECT_S: u64 = 900;

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
    /// A confused server.
    server: Rc<Client>,
    /// For clients that begin later.
    random: Random,
}

/// Runs a configuration to its end, or to the first thing that is wrong.
pub fn run(config: &Config) -> Report {
    let mut run = begin(config, false);
    run.whole(config.seconds);
    run.report()
}

/// Runs the operations and faults of a configuration and gives the logs of all groups.
pub fn record(config: &Config) -> Vec<Log> {
    let mut run = begin(config, true);
    run.until(config.seconds);
    run.sim.with(|world| {
        let groups = std::mem::take(&mut world.groups).into_values();
        let log = |group: Group| Log {
            group: group.id,
            entries: group.log.unwrap_or_default(),
            state: group.state,
        };
        groups.map(log).collect()
    })
}

/// What a group has applied, and what came of it.
#[derive(Clone, Debug)]
pub struct Log {
    /// The group.
    pub group: GroupId,
    /// In order.
    pub entries: Vec<Entry>,
    /// The state that they led to.
    pub state: MemoryStore,
}

fn begin(config: &Config, keep_logs: bool) -> Run {
    let plan = Plan::new(config.seed, config.seconds);
    let mut world = World::new(config.seed, config.verbose);
    world.oracle.keep_ms_min = plan.keep_ms;
    world.oracle.versions_may_count = plan.versions_count;
    world.keep_logs = keep_logs;
    world.populate();
    world.preamble();
    for (index, item) in plan.items.iter().enumerate() {
        let wanted = config
            .only
            .as_ref()
            .is_none_or(|only| only.contains(&index));
        if wanted {
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
    let node = NodeId::new(ProcessRole::Gc, 1);
    let server = Rc::new(Client::new(
        sim.clone(),
        node,
        PeerRole::Server,
        &mut random,
    ));
    Run {
        sim,
        server,
        tasks: Tasks::default(),
        plan,
        clients,
        random,
    }
}

impl Run {
    fn whole(&mut self, seconds: u64) {
        self.until(seconds);
        self.sim.with(World::mend_all);
        // Writers may dawdle for as long as a file lives.
        self.wait_for(|world| world.open_operations == 0, DAWDLE_S);
        let rests = |world: &mut World| {
            world.oracle.is_quiet() && world.is_reported() && world.is_all_heard()
        };
        self.wait_for(rests, REST_S);
        if self.is_wrong() {
            return;
        }
        self.sim.with(World::check_at_rest);
        // All that is left over expires by itself, and then it has to go.
        let expired = self.sim.with(|world| world.elapsed_ms()) / 1000 + LIFE_S;
        self.until(expired);
        self.wait_for(World::is_collected, COLLECT_S);
        let ends = |world: &mut World| rests(world) && world.is_collected();
        self.wait_for(ends, REST_S);
        if !self.is_wrong() {
            self.sim.with(World::check_collected);
        }
    }

    /// Lets time pass until something is so, or for so many seconds.
    fn wait_for(&mut self, is_so: impl Fn(&mut World) -> bool, seconds: u64) {
        for _ in 0..seconds {
            if self.is_wrong() || self.sim.with(&is_so) {
                return;
            }
            let next = self.sim.with(|world| world.elapsed_ms()) / 1000 + 1;
            self.until(next);
        }
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
                    Action::Serve(node) => self.serve(node),
                }
            }
        }
    }

    /// What a process does by itself.
    fn serve(&mut self, node: NodeId) {
        let mut client = || {
            let (sim, role) = (self.sim.clone(), PeerRole::Server);
            Client::new(sim, node, role, &mut self.random)
        };
        match node.role() {
            ProcessRole::Gc => self.tasks.spawn(node, collect_for_ever(client())),
            ProcessRole::Registry | ProcessRole::Cdc | ProcessRole::Blocks => {
                self.tasks.spawn(node, announce(client()));
            }
            ProcessRole::Shard => {
                self.tasks.spawn(node, announce(client()));
                self.tasks.spawn(node, keep_totals(client()));
            }
            ProcessRole::Client => {}
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
                let client = match operation {
                    Operation::Meddle | Operation::SetService | Operation::Heal => {
                        self.server.clone()
                    }
                    Operation::CreateFile
                    | Operation::WriteFile
                    | Operation::Symlink
                    | Operation::Unlink
                    | Operation::RenameHere
                    | Operation::MakeDirectory
                    | Operation::RemoveDirectory
                    | Operation::Move
                    | Operation::Lookup
                    | Operation::List
                    | Operation::Read
                    | Operation::SetAttributes
                    | Operation::SetPolicy
                    | Operation::Undelete
                    | Operation::JuggleOver
                    | Operation::JuggleUnder
                    | Operation::Xattrs
                    | Operation::Cheat => self.clients[who].clone(),
                };
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
