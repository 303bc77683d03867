//! What metadata could do at best here: synced batches of the log's store, and one bare group.
//!
//! Prints a JSON array of `{what, value, unit}` for `eggsbench`. `cargo run --release -p eggs-raft --example limits`
#![allow(missing_docs)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eggs_machine::{Command, CommandHeader};
use eggs_proto::hello::Secret;
use eggs_proto::{GroupId, NodeId, ProcessRole, Time};
use eggs_raft::{Group, GroupSpec, Node, NodeConfig, RpcTransport};
use eggs_rpc::{
    Answer, Client, ClientLimits, Credentials, Handler, Peer, Request, Server, ServerLimits,
};
use rocksdb::{DB, Options, WriteBatch, WriteOptions};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

const BOUND: Duration = Duration::from_secs(3);
const NODES: u32 = 3;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Consensus and nothing else.
#[derive(Default)]
struct Shell {
    node: OnceCell<Arc<Node>>,
}

impl Handler for Shell {
    async fn handle(&self, _: &Peer, request: Request) -> Answer {
        let Some(node) = self.node.get() else {
            return Answer::default();
        };
        let (body, payload) = node.handle_peer(request.body, request.payload).await;
        Answer {
            body,
            payload: payload.into(),
        }
    }
}

fn main() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut rows = Vec::new();
    rows.push(synced_batches(dir.path())?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(bare_group(dir.path(), &mut rows))?;
    let rows: Vec<String> = rows
        .iter()
        .map(|(what, value, unit)| {
            format!(r#"{{"what":"limit: {what}","value":{value:.2},"unit":"{unit}"}}"#)
        })
        .collect();
    println!("[{}]", rows.join(","));
    Ok(())
}

type Row = (String, f64, &'static str);

/// One writer, one put of 100 bytes to a batch, as the log has its store.
fn synced_batches(dir: &Path) -> Result<Row> {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_recycle_log_file_num(4);
    let db = DB::open(&options, dir.join("raw"))?;
    let mut synced = WriteOptions::default();
    synced.set_sync(true);
    let (begin, mut count) = (Instant::now(), 0u64);
    while begin.elapsed() < BOUND {
        let mut batch = WriteBatch::default();
        batch.put(count.to_be_bytes(), [7; 100]);
        db.write_opt(batch, &synced)?;
        count += 1;
    }
    let rate = count as f64 / begin.elapsed().as_secs_f64();
    Ok(("RocksDB, synced batches of one put".into(), rate, "1/s"))
}

fn node_id(index: u32) -> NodeId {
    NodeId::new(ProcessRole::Shard, index)
}

/// Three nodes of this process over loopback TCP.
async fn bare_group(dir: &Path, rows: &mut Vec<Row>) -> Result<()> {
    let secret = || Secret::new([1; 32]);
    let stop = CancellationToken::new();
    let mut shells = Vec::new();
    let mut peers: BTreeMap<NodeId, SocketAddr> = BTreeMap::new();
    for index in 0..NODES {
        let shell = Arc::new(Shell::default());
        let any = ([127, 0, 0, 1], 0).into();
        let limits = ServerLimits::default();
        let server = Server::bind(any, Credentials::server(secret()), limits, shell.clone())?;
        peers.insert(node_id(index), server.local_addr());
        tokio::spawn(server.run(stop.clone()));
        shells.push(shell);
    }
    let members: BTreeSet<NodeId> = peers.keys().copied().collect();
    let mut groups = Vec::new();
    for (index, shell) in shells.iter().enumerate() {
        let credentials = Credentials::server(secret());
        let client = Client::new(credentials, "limits", ClientLimits::default());
        let id = node_id(index as u32);
        let config = NodeConfig::new(id, dir.join(index.to_string()), support::tables());
        let spec = GroupSpec {
            group: GroupId(0),
            machine: Arc::new(support::Register),
            members: members.clone(),
        };
        let transport = RpcTransport::new(client, peers.clone());
        let node = Node::start(config, vec![spec], transport).await?;
        groups.push(node.group(GroupId(0)).ok_or("no group")?.clone());
        let _ = shell.node.set(node);
    }
    let leader = loop {
        if let Some(leader) = groups.iter().find(|group| group.is_leader()) {
            break leader.clone();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    for clients in [1, 16, 64, 256] {
        proposals(&leader, clients, rows).await?;
    }
    stop.cancel();
    Ok(())
}

async fn proposals(leader: &Group, clients: usize, rows: &mut Vec<Row>) -> Result<()> {
    let (begin, before) = (Instant::now(), cpu_seconds());
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let leader = leader.clone();
            tokio::spawn(async move {
                let mut count = 0u64;
                while begin.elapsed() < BOUND {
                    let command = Command {
                        header: CommandHeader {
                            now: Time(1),
                            request: None,
                        },
                        body: vec![7; 100],
                    };
                    let deadline = Instant::now() + Duration::from_secs(10);
                    count += u64::from(leader.propose(command, deadline).await.is_ok());
                }
                count
            })
        })
        .collect();
    let mut count = 0;
    for task in tasks {
        count += task.await?;
    }
    let what = format!("one bare group, {clients} at once");
    let rate = count as f64 / begin.elapsed().as_secs_f64();
    let each = (cpu_seconds() - before) * 1e6 / count.max(1) as f64;
    rows.push((what.clone(), rate, "1/s"));
    rows.push((format!("{what}: CPU"), each, "us/op"));
    Ok(())
}

/// User and system time of this process: clock ticks of 10 ms.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(") ").map(|(_, rest)| rest.split(' '));
    let times = fields.into_iter().flatten().skip(11).take(2);
    times.filter_map(|t| t.parse::<f64>().ok()).sum::<f64>() / 100.0
}
