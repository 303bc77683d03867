//! Requests to a shard, one after the other, by clients and servers.

use eggs_machine::Fault;
use eggs_proto::audit::{Finding, FindingCode, ShardRepair};
use eggs_proto::hello::PeerRole;
use eggs_proto::shard::{ShardCall, ShardChange, ShardReply, ShardRequest};
use eggs_proto::{
    BlockFacts, BlockServiceId, BlockServiceInfo, ClusterMap, FailureDomainId, MacTag, NodeId,
    ProcessRole, Refusal, RequestId, ServiceKey, ServiceState, ShardId, Statement, StorageClass,
    TRANSIENT_MS, Time, decode, encode,
};
use eggs_shard::invariants::check;
use eggs_shard::{PrepareContext, QueryContext, ShardMachine};

use crate::messages::{push, read, split};
use crate::replica::Replica;

const SHARD: ShardId = ShardId(0);
const DISKS: u32 = 8;

/// Bit 0 of a tag: a server asks. Bit 1: so much time passes before that files expire.
pub fn shard(bytes: &[u8]) {
    let mut replica = Replica {
        now: Time(1_000_000),
        ..Replica::default()
    };
    for message in split(bytes) {
        let origin = match message.tag & 1 {
            0 => PeerRole::Client,
            _ => PeerRole::Server,
        };
        let passed = match message.tag & 2 {
            0 => 1,
            _ => TRANSIENT_MS,
        };
        replica.now = replica.now.plus_ms(passed);
        if let Some(call) = read::<ShardCall>(message.body) {
            let _ = answer(&mut replica, origin, call.request); // either is fine
        }
    }
    let violations = check(SHARD, &replica.store).expect("the state can be read");
    assert!(
        violations.iter().all(may_be),
        "{violations:?} after what is to be replayed with tests/corpus.rs"
    );
}

/// Servers are believed about directories of other shards, which do not exist here.
fn may_be(violation: &Finding) -> bool {
    violation.code == FindingCode::NameWithoutInode
}

/// Serves a request as a leader does.
fn answer(
    replica: &mut Replica,
    origin: PeerRole,
    request: ShardRequest,
) -> Result<ShardReply, Refusal> {
    let (id, change) = match request {
        ShardRequest::Query(query) | ShardRequest::QueryAny(query) => {
            let context = QueryContext {
                keys: &|_| Some(key()),
                origin,
                now: replica.now,
            };
            return fine(eggs_shard::query(SHARD, &replica.store, &context, &query));
        }
        // Who says how many own a file has looked at all names; that there are no others cannot be checked.
        ShardRequest::Change {
            change: ShardChange::Repair(ShardRepair::Owners { .. }),
            ..
        } => return Err(Refusal::Unsupported),
        ShardRequest::Change { id, change } => (id, change),
    };
    let map = map();
    let context = PrepareContext {
        map: &map,
        keys: &|_| Some(key()),
        most_free: eggs_proto::MostFree::of(&map),
        shares: &eggs_shard::Shares::ALL_FULL,
        entropy: [7; 32], // always the same, so that the fuzzer can learn cookies
        origin,
        now: replica.now,
    };
    let command = fine(eggs_shard::prepare(SHARD, &replica.store, &context, change))?;
    let reply = replica.apply(&ShardMachine { shard: SHARD }, Some(id), encode(&command));
    decode(&reply).expect("a machine's replies can be read")
}

/// A fault would stop the replica.
fn fine<T>(result: Result<T, Fault>) -> T {
    result.expect("no request may stop a replica")
}

/// The key of all disks.
pub(crate) fn key() -> ServiceKey {
    ServiceKey::new([9; 32])
}

fn map() -> ClusterMap {
    let disk = |index: u32| BlockServiceInfo {
        service: BlockServiceId(u64::from(index) + 1),
        node: NodeId::new(ProcessRole::Blocks, index),
        domain: FailureDomainId(index),
        class: StorageClass::Flash,
        state: ServiceState::Active,
        capacity_bytes: 1 << 40,
        available_bytes: 1 << 39,
        used_bytes: 0,
        blocks: 0,
        last_seen: Time(0),
    };
    ClusterMap {
        services: (0..DISKS).map(disk).collect(),
        ..ClusterMap::default()
    }
}

/// A sensible conversation with a shard, written down as an input of [`shard`].
pub struct Session {
    replica: Replica,
    sequence: u64,
    input: Vec<u8>,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            replica: Replica {
                now: Time(1_000_000),
                ..Replica::default()
            },
            sequence: 0,
            input: Vec::new(),
        }
    }
}

impl Session {
    /// Asks for a change.
    pub fn change(&mut self, origin: PeerRole, change: ShardChange) -> Result<ShardReply, Refusal> {
        self.sequence += 1;
        let id = RequestId {
            client: 1,
            sequence: self.sequence,
        };
        self.ask(origin, ShardRequest::Change { id, change })
    }

    /// Asks.
    pub fn ask(&mut self, origin: PeerRole, request: ShardRequest) -> Result<ShardReply, Refusal> {
        let tag = match origin {
            PeerRole::Client => 0,
            PeerRole::Server => 1,
        };
        let call = ShardCall {
            shard: SHARD,
            request: request.clone(),
        };
        push(&mut self.input, tag, &encode(&call));
        self.replica.now = self.replica.now.plus_ms(1);
        answer(&mut self.replica, origin, request)
    }

    /// Evidence that a block of a reply was written.
    pub fn proof(facts: &BlockFacts) -> MacTag {
        key().sign(Statement::Written, facts)
    }

    /// All of it.
    pub fn into_input(self) -> Vec<u8> {
        self.input
    }
}
