//! All 256 shards, in memory.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use eggs_machine::{Command, CommandHeader, Entry, MemoryStore, apply_entry};
use eggs_proto::hello::PeerRole;
use eggs_proto::shard::{ShardChange, ShardQuery, ShardReply};
use eggs_proto::{
    BlockServiceId, ClusterMap, Refusal, RequestId, ServiceKey, ShardId, Time, decode, encode,
};
use eggs_shard::{PrepareContext, QueryContext, ShardMachine, finish, prepare, query};

pub type Answer = Result<ShardReply, Refusal>;

pub struct Shards {
    stores: Vec<Mutex<MemoryStore>>,
    pub map: Mutex<ClusterMap>,
    pub keys: Vec<(BlockServiceId, ServiceKey)>,
    entropy: AtomicU64,
}

pub fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Time(since.as_millis() as u64)
}

impl Shards {
    pub fn new(map: ClusterMap, keys: Vec<(BlockServiceId, ServiceKey)>) -> Self {
        Self {
            stores: ShardId::all().map(|_| Mutex::default()).collect(),
            map: Mutex::new(map),
            keys,
            entropy: AtomicU64::new(1),
        }
    }

    fn key(&self, service: BlockServiceId) -> Option<ServiceKey> {
        let found = self.keys.iter().find(|(id, _)| *id == service);
        found.map(|(_, key)| key.clone())
    }

    pub fn query(&self, shard: ShardId, asked: &ShardQuery) -> Answer {
        let store = self.stores[usize::from(shard.0)].lock().unwrap();
        let context = QueryContext {
            keys: &|service| self.key(service),
            origin: PeerRole::Client,
            now: now(),
        };
        query(shard, &*store, &context, asked).unwrap()
    }

    pub fn change(
        &self,
        shard: ShardId,
        origin: PeerRole,
        request: Option<RequestId>,
        change: ShardChange,
    ) -> Answer {
        let mut store = self.stores[usize::from(shard.0)].lock().unwrap();
        let map = self.map.lock().unwrap().clone();
        let mut entropy = [7; 32];
        let number = self.entropy.fetch_add(1, Ordering::Relaxed);
        entropy[..8].copy_from_slice(&number.to_le_bytes());
        let keys = |service| self.key(service);
        let context = PrepareContext {
            map: &map,
            keys: &keys,
            most_free: eggs_proto::MostFree::of(&map),
            shares: &eggs_shard::Shares::ALL_FULL,
            entropy,
            origin,
            now: now(),
        };
        let command = prepare(shard, &*store, &context, change).unwrap()?;
        let header = CommandHeader {
            now: now(),
            request,
        };
        let body = encode(&command);
        let commands = vec![Command { header, body }];
        let machine = ShardMachine { shard };
        let applied = apply_entry(&machine, &*store, &Entry { commands }).unwrap();
        store.commit(&applied.changes);
        let mut answer: Answer = decode(&applied.replies[0]).unwrap();
        if let Ok(reply) = &mut answer {
            finish(reply, &keys);
        }
        answer
    }
}
