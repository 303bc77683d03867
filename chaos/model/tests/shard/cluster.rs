//! One shard, driven as its server drives it, and the block services it knows.

use std::collections::BTreeMap;

use eggs_machine::{Command, CommandHeader, Entry, MemoryStore, apply_entry};
use eggs_proto::hello::PeerRole;
use eggs_proto::shard::{GarbageBlock, PlacedBlock, ShardChange, ShardQuery, ShardReply, Usage};
use eggs_proto::{
    BlockServiceId, BlockServiceInfo, ClusterMap, FailureDomainId, MacTag, NodeId, ProcessRole,
    Refusal, RequestId, ServiceKey, ServiceState, ShardId, Statement, StorageClass, Time, decode,
    encode,
};
use eggs_shard::{PrepareContext, QueryContext, ShardMachine, finish, invariants, prepare, query};

pub const SHARD: ShardId = ShardId(0);
pub const MACHINE: ShardMachine = ShardMachine { shard: SHARD };

pub struct Cluster {
    pub store: MemoryStore,
    pub now: Time,
    map: ClusterMap,
    /// Everything that was ever proposed.
    pub log: Vec<Command>,
    /// Kinds of change that were accepted, and how often.
    pub accepted: BTreeMap<&'static str, usize>,
}

pub fn key_of(service: BlockServiceId) -> Option<ServiceKey> {
    (1..=16)
        .contains(&service.0)
        .then(|| ServiceKey::new([service.0 as u8; 32]))
}

/// The proof that a block was written.
pub fn proof_of(block: &PlacedBlock) -> MacTag {
    let key = key_of(block.facts.service).unwrap();
    let may_write = Statement::MayWrite(block.expiry);
    assert!(key.verify(may_write, &block.facts, &block.certificate));
    key.sign(Statement::Written, &block.facts)
}

fn map() -> ClusterMap {
    let service = |number: u32| BlockServiceInfo {
        service: BlockServiceId(u64::from(number)),
        node: NodeId::new(ProcessRole::Blocks, number),
        domain: FailureDomainId(number),
        class: StorageClass::Hdd,
        state: ServiceState::Active,
        capacity_bytes: 1 << 40,
        available_bytes: 1 << 39,
        used_bytes: 1 << 39,
        blocks: 0,
        last_seen: Time(0),
    };
    ClusterMap {
        services: (1..=16).map(service).collect(),
        ..ClusterMap::default()
    }
}

impl Cluster {
    pub fn new() -> Self {
        Self {
            store: MemoryStore::default(),
            now: Time(1_000_000),
            map: map(),
            log: Vec::new(),
            accepted: BTreeMap::new(),
        }
    }

    pub fn change(&mut self, change: ShardChange) -> Result<ShardReply, Refusal> {
        self.now = self.now.plus_ms(1);
        let kind = change.kind();
        let sequence = self.log.len() as u64;
        let mut entropy = [0; 32];
        entropy[..8].copy_from_slice(&sequence.to_le_bytes());
        let context = PrepareContext {
            map: &self.map,
            keys: &key_of,
            most_free: eggs_proto::MostFree::of(&self.map),
            shares: &eggs_shard::Shares::ALL_FULL,
            entropy,
            origin: PeerRole::Server,
            now: self.now,
        };
        let command = prepare(SHARD, &self.store, &context, change).unwrap()?;
        let header = CommandHeader {
            now: self.now,
            request: Some(RequestId {
                client: 1,
                sequence,
            }),
        };
        let body = encode(&command);
        let command = Command { header, body };
        self.log.push(command.clone());
        let entry = Entry {
            commands: vec![command],
        };
        let applied = apply_entry(&MACHINE, &self.store, &entry).unwrap();
        self.store.commit(&applied.changes);
        assert_eq!(invariants::check(SHARD, &self.store).unwrap(), []);
        let answer: Result<ShardReply, Refusal> = decode(&applied.replies[0]).unwrap();
        let mut reply = answer?;
        *self.accepted.entry(kind).or_default() += 1;
        finish(&mut reply, &key_of);
        Ok(reply)
    }

    pub fn query(&self, asked: &ShardQuery) -> Result<ShardReply, Refusal> {
        let context = QueryContext {
            keys: &key_of,
            origin: PeerRole::Server,
            now: self.now,
        };
        query(SHARD, &self.store, &context, asked).unwrap()
    }

    pub fn usage(&self) -> Usage {
        match self.query(&ShardQuery::Usage) {
            Ok(ShardReply::Usage(usage)) => usage,
            other => panic!("{other:?}"),
        }
    }

    pub fn garbage(&self) -> Vec<GarbageBlock> {
        let mut garbage = Vec::new();
        loop {
            let after = garbage.last().map(|block: &GarbageBlock| block.facts.block);
            let limit = 4096;
            match self.query(&ShardQuery::VisitGarbage { after, limit }) {
                Ok(ShardReply::Garbage { mut blocks, more }) => {
                    garbage.append(&mut blocks);
                    if !more {
                        return garbage;
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
