//! Starting a node: opening its stores, recovering its groups, and letting them campaign when they may.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use eggs_durable::{make_directory, sync_directory};
use eggs_proto::NodeId;
use tokio::time::Instant;

use crate::asked::Asked;
use crate::backup::Digests;
use crate::certainty::Certainty;
use crate::fatal::Fatal;
use crate::group::Replica;
use crate::hollow::Hollow;
use crate::log::LogDb;
use crate::members::{self, Members};
use crate::net::{Answerer, Network, Networks, Notices, Silence};
use crate::node::Shared;
use crate::proposer::Proposer;
use crate::read_index::ReadIndexes;
use crate::rest::{Presence, Watch};
use crate::rocks::SharedMemory;
use crate::space::Board;
use crate::state::{GroupMachine, Side, StateDb};
use crate::types::Raft;
use crate::{
    Group, GroupSpec, Limits, Node, NodeConfig, StartError, Timing, Transport, keeper, rest, space,
};

/// What is there before the groups are.
pub(crate) struct Builder {
    config: NodeConfig,
    raft: Arc<openraft::Config>,
    log: Arc<LogDb>,
    state: Arc<StateDb>,
    fatal: Fatal,
    networks: Arc<Networks>,
    transport: Arc<dyn Transport>,
    space: Arc<Board>,
    digests: Arc<Digests>,
    watch: Arc<Watch>,
}

/// A group that was just built, and how it begins.
struct Begun {
    group: Group,
    notices: Arc<Notices>,
    /// Who votes, as the log says.
    voters: BTreeSet<NodeId>,
    pristine: bool,
}

impl Builder {
    pub(crate) async fn open(
        config: NodeConfig,
        transport: Arc<dyn Transport>,
    ) -> Result<Self, StartError> {
        let raft = raft_config(&config.timing, &config.limits)?;
        let fatal = Fatal::new();
        let (on_disk, fatal_there) = (config.clone(), fatal.clone());
        let opened = tokio::task::spawn_blocking(move || open_stores(&on_disk, &fatal_there));
        let (log, state) = opened
            .await
            .map_err(|cause| StartError::Config(cause.to_string()))??;
        let watch = Watch::new(config.node, Arc::clone(&transport), config.timing);
        let networks = Networks::new(Arc::clone(&transport), config.timing);
        let space = Arc::new(Board::new(config.node));
        Ok(Self {
            transport,
            space,
            config,
            raft: Arc::new(raft),
            log,
            state,
            fatal,
            networks,
            digests: Arc::default(),
            watch,
        })
    }

    pub(crate) async fn start(self, mut specs: Vec<GroupSpec>) -> Result<Arc<Node>, StartError> {
        specs.sort_by_key(|spec| spec.group);
        let silence_end = Instant::now() + self.config.timing.silence();
        let mut answerer = Answerer::new(Arc::clone(&self.watch), Arc::clone(&self.space));
        let mut begun = Vec::with_capacity(specs.len());
        for spec in specs {
            let one = self.begin(spec).await?;
            let alone = one.voters.len() == 1 && one.voters.contains(&self.config.node);
            let silence = if one.pristine || alone {
                Silence::None
            } else {
                Silence::Until(silence_end)
            };
            let replica = &one.group.replica;
            let presence = Arc::clone(&replica.presence);
            let seen = (
                Arc::clone(&replica.asked),
                presence,
                Arc::clone(&one.notices),
            );
            let hollow = replica.hollow.clone();
            answerer.add(one.group.id(), seen, silence, hollow, &self.state);
            begun.push(one);
        }
        let shared = Arc::new(Shared {
            node: self.config.node,
            dir: self.config.dir.clone(),
            space: self.space,
            groups: begun.iter().map(|one| one.group.clone()).collect(),
            limits: self.config.limits,
            fatal: self.fatal,
            answerer,
            networks: self.networks,
            watch: self.watch,
            log: self.log,
            state: self.state,
            stopping: AtomicBool::new(false),
            pins: Arc::default(),
            digests: self.digests,
        });
        let elections = tokio::spawn(elections(begun, silence_end, self.config.timing));
        let keeper = tokio::spawn(keeper::run(Arc::downgrade(&shared)));
        let watch = tokio::spawn(space::run(Arc::downgrade(&shared), self.transport));
        let period = Duration::from_millis(self.config.timing.heartbeat_ms);
        let beats = tokio::spawn(rest::run_beats(Arc::downgrade(&shared), period));
        let pulses = tokio::spawn(rest::run_pulses(Arc::downgrade(&shared)));
        let watcher = tokio::spawn(rest::run_watcher(Arc::downgrade(&shared)));
        Ok(Arc::new(Node {
            shared,
            tasks: [elections, keeper, beats, pulses, watcher, watch]
                .map(|t| t.abort_handle())
                .into(),
        }))
    }

    async fn begin(&self, spec: GroupSpec) -> Result<Begun, StartError> {
        let group = spec.group;
        let failed = |cause: String| StartError::Group { group, cause };
        let log = self.log.group(group);
        let side = Side {
            fatal: self.fatal.clone(),
            digests: Arc::clone(&self.digests),
            restoring: Arc::default(),
            hollow: Hollow::default(),
        };
        let (restoring, hollow) = (Arc::clone(&side.restoring), side.hollow.clone());
        let kept = Arc::clone(&spec.machine);
        let machine = GroupMachine::open(group, Arc::clone(&self.state), spec.machine, side)?;
        let pristine = log.is_pristine() && machine.is_pristine();
        let (purged, _) = log.ends();
        if purged.as_ref().map(|id| id.index()) > machine.applied_index() {
            return Err(StartError::LostDisk(format!(
                "the state of {group} ends before its log begins"
            )));
        }
        let notices = Arc::<Notices>::default();
        let networks = Arc::clone(&self.networks);
        let network = Network::new(group, networks, Arc::clone(&notices), hollow.clone());
        let node = self.config.node;
        let raft = Raft::new(
            node.get(),
            Arc::clone(&self.raft),
            network,
            log.clone(),
            machine,
        )
        .await
        .map_err(|cause| failed(cause.to_string()))?;
        if pristine && spec.members.contains(&node) {
            let members: BTreeSet<u64> = spec.members.iter().map(|node| node.get()).collect();
            raft.initialize(members)
                .await
                .map_err(|cause| failed(cause.to_string()))?;
        }
        let members = raft
            .with_raft_state(|state| Members::of(state.membership_state.effective()))
            .await
            .map_err(|cause| failed(cause.to_string()))?;
        // Who starts hollow has left: it asks for votes again once later members include it.
        let left = members.version.filter(|_| hollow.is_set());
        let proposer = Proposer::new(raft.clone(), self.config.limits.waiting_commands_max);
        let asked = Arc::new(Asked {
            raft: raft.clone(),
            node,
            timing: self.config.timing,
            certainty: Certainty::default(),
            slot: self.state.slot(group),
        });
        let indexes = ReadIndexes::new(group, Arc::clone(&asked), Arc::clone(&self.networks));
        let replica = Arc::new(Replica {
            group,
            node,
            raft,
            log,
            state: Arc::clone(&self.state),
            proposer,
            machine: kept,
            restoring,
            hollow,
            indexes,
            timing: self.config.timing,
            space: Arc::clone(&self.space),
            changing: Arc::default(),
            left: AtomicU64::new(left.map_or(0, |version| version.saturating_add(1))),
            presence: Arc::new(Presence::new()),
            asked,
            watch: Arc::clone(&self.watch),
        });
        Ok(Begun {
            group: Group { replica },
            notices,
            voters: members.voters,
            pristine,
        })
    }
}

fn open_stores(
    config: &NodeConfig,
    fatal: &Fatal,
) -> Result<(Arc<LogDb>, Arc<StateDb>), StartError> {
    let failed = |action: &str| {
        let action = format!("{action} {}", config.dir.display());
        |source| StartError::Io { action, source }
    };
    make_directory(&config.dir).map_err(failed("create"))?;
    if let Err(error) = space::make_room(&config.dir, config.limits.reserve_bytes) {
        tracing::debug!(%error, "the space that is left is not known");
    }
    let memory = SharedMemory::new(&config.limits);
    let log = LogDb::open(&config.dir, &config.limits, &memory, fatal)?;
    let state = StateDb::open(&config.dir, &config.tables, &config.limits, &memory)?;
    // Stores sync what is in their directories, not that there are such directories.
    sync_directory(&config.dir).map_err(failed("sync"))?;
    state.finish_installs()?;
    Ok((log, state))
}

fn raft_config(timing: &Timing, limits: &Limits) -> Result<openraft::Config, StartError> {
    let config = openraft::Config {
        cluster_name: "eggsfs".into(),
        // Heartbeats are the business of `rest::beats`; this only says how often the election timer is looked at (13/64 of
        // it), and how long a heartbeat may take.
        heartbeat_interval: timing.election_ms_min.saturating_sub(1),
        enable_heartbeat: false,
        election_timeout_min: timing.election_ms_min,
        election_timeout_max: timing.election_ms_max,
        heartbeat_min_interval: Some(0),
        max_payload_entries: 64,
        max_append_entries: Some(64),
        // The keeper decides when; openraft purges afterwards.
        snapshot_policy: openraft::SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: limits.kept_entries,
        replication_lag_threshold: limits.kept_entries.max(limits.checkpoint_entries),
        purge_batch_size: 64,
        api_channel_size: Some(1024),
        notification_channel_size: Some(1024),
        state_machine_channel_size: Some(256),
        api_batch_capacity: 64,
        install_snapshot_timeout: 120_000,
        // Restarted leaders must be elected: what they had applied may not have been durable.
        enable_leader_restore: Some(false),
        enable_pre_vote: Some(true),
        // Switched on when the node has been up for long enough.
        enable_elect: false,
        backoff: "50ms 100ms 200ms ...500ms".into(),
        ..openraft::Config::default()
    };
    config
        .validate()
        .map_err(|cause| StartError::Config(cause.to_string()))
}

/// Lets groups campaign: first those that belong here, the others a little later, so that a cluster that starts
/// together has its leaders spread without a fight.
async fn elections(begun: Vec<Begun>, silence_end: Instant, timing: Timing) {
    let start = Instant::now();
    let head_start = Duration::from_millis(2 * timing.election_ms_min);
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for one in begun {
        let replica = &one.group.replica;
        let preferred = members::preferred(replica.group.0, &one.voters);
        let ours = preferred == Some(replica.node);
        let at = if one.voters.len() == 1 || one.pristine {
            start
        } else {
            silence_end
        };
        if ours {
            first.push((at, one));
        } else {
            second.push((at + head_start, one));
        }
    }
    first.sort_by_key(|(at, _)| *at);
    second.sort_by_key(|(at, _)| *at);
    let campaigns = first.into_iter().map(|(at, one)| (at, one, true));
    let followers = second.into_iter().map(|(at, one)| (at, one, false));
    for (at, one, campaign) in campaigns.chain(followers) {
        tokio::time::sleep_until(at).await;
        let replica = &one.group.replica;
        let raft = &replica.raft;
        replica.presence.let_campaign();
        if !replica.takes_part() {
            continue;
        }
        raft.runtime_config().elect(true);
        if campaign {
            // An error means that the group has stopped already.
            let _ = raft.trigger().elect(!one.pristine).await;
        }
    }
}
