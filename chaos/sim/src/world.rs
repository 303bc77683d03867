//! Everything there is, and what happens next.
//!
//! **Invariant:** what happens is a function of the configuration alone. There is one queue of events, ordered by time
//! and then by the order in which they were put there.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};

use eggs_proto::{BlockServiceId, GroupId, NodeId, ShardId, TransactionId};

use crate::coverage::Coverage;
use crate::disk::Disk;
use crate::group::Group;
use crate::message::{Answer, Request, Response};
use crate::network::Network;
use crate::oracle::Oracle;
use crate::process::{Caller, Process};
use crate::random::Random;
use crate::tasks::Slot;
use crate::trace::Trace;

/// When a simulation begins, in microseconds: a time at which clocks may run backwards.
pub const BEGIN_US: u64 = 1_000_000_000_000;

/// What happens at a moment.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // lives only in the queue
pub enum Event {
    /// A question arrives.
    Request {
        /// Who waits for the answer.
        caller: Caller,
        /// Whom it reaches.
        to: NodeId,
        /// The question.
        request: Request,
        /// When the caller stops waiting; the deadline travels with the question.
        deadline_us: u64,
    },
    /// An answer arrives.
    Response {
        /// Who waits for it.
        caller: Caller,
        /// The answer.
        response: Response,
    },
    /// A caller stops waiting.
    Timeout(u64),
    /// A task goes on.
    Timer(Slot<()>),
    /// A batch has been replicated, or was going to be.
    Commit {
        /// Of this group.
        group: GroupId,
        /// By this process.
        process: NodeId,
        /// Its number.
        batch: u64,
    },
    /// A disk does what it was asked.
    Disk {
        /// Which.
        service: BlockServiceId,
        /// The process that was asked.
        node: NodeId,
        /// Incarnation of the process that was asked.
        incarnation: u64,
        /// Who waits.
        caller: Caller,
        /// What it was asked.
        request: eggs_proto::block::BlockRequest,
    },
    /// Groups without a leader may elect one.
    Elections,
    /// Leaders of the registry propose what they have heard, servers fetch the map.
    Observations,
    /// Leaders of the coordinator look for transactions that nobody drives.
    Look,
    /// An item of the plan.
    Planned(usize),
    /// A fault ends.
    Mend(Mend),
    /// Invariants are checked.
    Check,
}

/// The end of a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mend {
    /// A process starts again.
    Start(NodeId),
    /// A cut is mended.
    Cut(u64),
    /// The weather is fair again.
    Weather,
    /// A disk has space again.
    Disk(BlockServiceId),
    /// The logs are fast again.
    Logs,
}

/// What the world asks its driver to start, because only that can start tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Drive a transaction on a process that leads the coordinator.
    Drive(NodeId, TransactionId),
    /// Begin an operation of the plan.
    Operate(usize),
    /// End all tasks of a process.
    Kill(NodeId),
    /// Begin what a process does by itself.
    Serve(NodeId),
}

struct Queued {
    at_us: u64,
    number: u64,
    event: Event,
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Queued {}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The earliest is the greatest, because the heap gives the greatest first.
impl Ord for Queued {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at_us, other.number).cmp(&(self.at_us, self.number))
    }
}

/// Everything there is.
pub struct World {
    /// True time, in microseconds.
    pub now_us: u64,
    /// For what has no stream of its own.
    pub random: Random,
    /// The network.
    pub network: Network,
    /// Server processes.
    pub processes: BTreeMap<NodeId, Process>,
    /// Groups that somebody has asked for anything.
    pub groups: BTreeMap<GroupId, Group>,
    /// Disks.
    pub disks: BTreeMap<BlockServiceId, Disk>,
    /// Calls that somebody waits for.
    pub calls: BTreeMap<u64, Slot<Answer>>,
    /// What has to hold, in terms of what was committed.
    pub oracle: Oracle,
    /// What was reached.
    pub coverage: Coverage,
    /// What happened.
    pub trace: Trace,
    /// To be started by the driver.
    pub actions: Vec<Action>,
    /// The first thing that was wrong.
    pub wrong: Option<String>,
    /// How long replication takes at most, in microseconds.
    pub log_delay_us: u64,
    /// Whether logs are kept for those who want to apply them again.
    pub keep_logs: bool,
    /// Operations whose outcome is not known yet.
    pub open_operations: usize,
    queue: BinaryHeap<Queued>,
    numbers: u64,
}

/// Usual time that replication takes at most, in microseconds.
pub const LOG_DELAY_US: u64 = 8_000;

impl World {
    /// An empty world.
    pub fn new(seed: u64, verbose: bool) -> Self {
        let mut random = Random::new(seed);
        let network = Network::new(random.word());
        Self {
            now_us: BEGIN_US,
            random,
            network,
            processes: BTreeMap::new(),
            groups: BTreeMap::new(),
            disks: BTreeMap::new(),
            calls: BTreeMap::new(),
            oracle: Oracle::default(),
            coverage: Coverage::default(),
            trace: Trace::new(verbose),
            actions: Vec::new(),
            wrong: None,
            log_delay_us: LOG_DELAY_US,
            keep_logs: false,
            open_operations: 0,
            queue: BinaryHeap::new(),
            numbers: 0,
        }
    }

    /// Milliseconds since the beginning.
    pub const fn elapsed_ms(&self) -> u64 {
        (self.now_us - BEGIN_US) / 1000
    }

    /// Notes the first thing that is wrong.
    pub fn violate(&mut self, what: impl FnOnce() -> String) {
        if self.wrong.is_none() {
            self.wrong = Some(what());
        }
    }

    /// Puts an event into the queue.
    pub fn after(&mut self, delay_us: u64, event: Event) {
        self.numbers += 1;
        self.queue.push(Queued {
            at_us: self.now_us.saturating_add(delay_us),
            number: self.numbers,
            event,
        });
    }

    /// A number that was not given before.
    pub const fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// The next event, if it comes before `end_us`; time moves on to it.
    pub fn next_event(&mut self, end_us: u64) -> Option<Event> {
        if self.queue.peek()?.at_us > end_us {
            return None;
        }
        let next = self.queue.pop()?;
        self.now_us = next.at_us;
        Some(next.event)
    }

    /// A group, which exists as soon as somebody asks for it.
    pub fn group(&mut self, id: GroupId) -> &mut Group {
        let keep = self.keep_logs;
        self.groups.entry(id).or_insert_with(|| {
            let mut group = Group::new(id);
            group.log = keep.then(Vec::new);
            group
        })
    }

    /// The shards that somebody has asked for anything.
    pub fn shards(&self) -> impl Iterator<Item = (ShardId, &Group)> {
        let shard = |(id, group): (&GroupId, _)| Some((id.shard()?, group));
        self.groups.iter().filter_map(shard)
    }

    /// Sends an answer.
    pub fn respond(&mut self, from: NodeId, caller: Caller, response: Response) {
        for delay in self.network.fate(from, caller.node) {
            let response = response.clone();
            self.after(delay, Event::Response { caller, response });
        }
    }

    /// Asks somebody, and forgets about it after `timeout_us`.
    pub fn call(
        &mut self,
        from: NodeId,
        to: NodeId,
        request: Request,
        timeout_us: u64,
    ) -> Slot<Answer> {
        let call = self.number();
        let slot = Slot::new();
        self.calls.insert(call, slot.clone());
        let caller = Caller { call, node: from };
        let deadline_us = self.now_us + timeout_us;
        for delay in self.network.fate(from, to) {
            let request = request.clone();
            let event = Event::Request {
                caller,
                to,
                request,
                deadline_us,
            };
            self.after(delay, event);
        }
        self.after(timeout_us, Event::Timeout(call));
        slot
    }

    /// Handles an event.
    pub fn handle(&mut self, event: Event) {
        self.trace.note(self.now_us, &event);
        match event {
            Event::Request {
                caller,
                to,
                request,
                deadline_us,
            } => {
                let stalled = self.processes.get(&to).map_or(0, |p| p.stalled_until_us);
                if self.now_us < stalled {
                    let event = Event::Request {
                        caller,
                        to,
                        request,
                        deadline_us,
                    };
                    self.after(stalled - self.now_us, event);
                } else if self.now_us < deadline_us {
                    self.serve(caller, to, request);
                }
            }
            Event::Response { caller, response } => {
                if let Some(slot) = self.calls.remove(&caller.call) {
                    slot.fill(Some(response));
                }
            }
            Event::Timeout(call) => {
                if let Some(slot) = self.calls.remove(&call) {
                    slot.fill(None);
                }
            }
            Event::Timer(slot) => slot.fill(()),
            Event::Commit {
                group,
                process,
                batch,
            } => self.replicated(group, process, batch),
            Event::Disk {
                service,
                node,
                incarnation,
                caller,
                request,
            } => self.disk_done(service, (node, incarnation), caller, &request),
            Event::Elections => self.elections(),
            Event::Observations => self.observations(),
            Event::Look => self.look_for_transactions(),
            Event::Planned(item) => self.actions.push(Action::Operate(item)),
            Event::Mend(mend) => self.mend(&mend),
            Event::Check => self.check(),
        }
    }
}
