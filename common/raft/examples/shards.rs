//! Measures a cluster of real processes on this machine: start, idle cost, throughput, and failover after `kill -9`.
//!
//! `cargo run --release -p eggs-raft --example shards -- [groups] [heartbeat min max]`
#![allow(missing_docs)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command as Process};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use eggs_machine::{Command, CommandHeader};
use eggs_proto::hello::Secret;
use eggs_proto::{GroupId, MessageKind, NodeId, ProcessRole, Time};
use eggs_raft::{GroupSpec, Node, NodeConfig, RpcTransport, Timing};
use eggs_rpc::{
    Answer, Client, ClientLimits, Credentials, Handler, Peer, Reply, Request, Server, ServerLimits,
};
use tokio_util::sync::CancellationToken;

const NODES: u32 = 3;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Clone)]
struct Arguments {
    groups: u16,
    timing: Timing,
    dir: PathBuf,
    ports: [u16; NODES as usize],
}

fn node_id(index: u32) -> NodeId {
    NodeId::new(ProcessRole::Shard, index)
}

fn address(arguments: &Arguments, index: u32) -> SocketAddr {
    ([127, 0, 0, 1], arguments.ports[index as usize]).into()
}

struct Shell {
    node: tokio::sync::OnceCell<Arc<Node>>,
}

impl Shell {
    async fn reply(&self, _: &Peer, request: Request) -> Reply {
        let Some(node) = self.node.get() else {
            return Reply::default();
        };
        if request.kind == MessageKind::Raft {
            let (body, payload) = node.handle_peer(request.body, request.payload).await;
            return Reply { body, payload };
        }
        let body = match request.body.split_first_chunk::<2>() {
            Some((group, value)) => propose(node, u16::from_le_bytes(*group), value).await,
            None => node
                .groups()
                .filter(|group| group.is_leader())
                .flat_map(|group| group.id().0.to_le_bytes())
                .collect(),
        };
        Reply {
            body: Bytes::from(body),
            payload: Bytes::new(),
        }
    }
}

impl Handler for Shell {
    async fn handle(&self, peer: &Peer, request: Request) -> Answer {
        self.reply(peer, request).await.into()
    }
}

async fn propose(node: &Node, group: u16, value: &[u8]) -> Vec<u8> {
    let Some(group) = node.group(GroupId(group)) else {
        return vec![0];
    };
    let command = Command {
        header: CommandHeader {
            now: Time(1),
            request: None,
        },
        body: value.to_vec(),
    };
    let deadline = Instant::now() + Duration::from_secs(5);
    match group.propose(command, deadline).await {
        Ok(_) => vec![1],
        Err(_) => vec![0],
    }
}

async fn serve(arguments: Arguments, index: u32) -> Result<()> {
    let shell = Arc::new(Shell {
        node: tokio::sync::OnceCell::new(),
    });
    let secret = || Secret::new([1; 32]);
    let server = Server::bind(
        address(&arguments, index),
        Credentials::server(secret()),
        ServerLimits::default(),
        Arc::clone(&shell),
    )?;
    tokio::spawn(server.run(CancellationToken::new()));
    let client = Client::new(
        Credentials::server(secret()),
        "shards",
        ClientLimits::default(),
    );
    let peers: BTreeMap<_, _> = (0..NODES)
        .map(|peer| (node_id(peer), address(&arguments, peer)))
        .collect();
    let members: BTreeSet<_> = peers.keys().copied().collect();
    let dir = arguments.dir.join(index.to_string());
    let mut config = NodeConfig::new(node_id(index), dir, support::tables());
    config.timing = arguments.timing;
    let specs = (0..arguments.groups)
        .map(|group| GroupSpec {
            group: GroupId(group),
            machine: Arc::new(support::Register),
            members: members.clone(),
        })
        .collect();
    let node = Node::start(config, specs, RpcTransport::new(client, peers)).await?;
    let _ = shell.node.set(Arc::clone(&node));
    println!("fault: {}", node.fatal().await);
    Ok(())
}

fn spawn(arguments: &Arguments, index: u32) -> Result<Child> {
    let timing = arguments.timing;
    let numbers = [
        u64::from(index),
        u64::from(arguments.groups),
        timing.heartbeat_ms,
        timing.election_ms_min,
        timing.election_ms_max,
    ];
    let ports = arguments.ports.iter().map(|port| u64::from(*port));
    Ok(Process::new(std::env::current_exe()?)
        .arg("node")
        .arg(&arguments.dir)
        .args(numbers.into_iter().chain(ports).map(|n| n.to_string()))
        .spawn()?)
}

/// Which groups are led, asking the given nodes.
async fn led(client: &Client, arguments: &Arguments, nodes: &[u32]) -> (usize, Vec<usize>) {
    let mut all = BTreeSet::new();
    let mut each = Vec::new();
    for index in nodes {
        let patience = Duration::from_millis(500);
        let (to, body) = (address(arguments, *index), Bytes::new());
        let asked = client.call(to, MessageKind::Shard, patience, body, Bytes::new());
        let body = asked.await.map(|reply| reply.body).unwrap_or_default();
        each.push(body.len() / 2);
        all.extend(body.chunks_exact(2).map(<[u8]>::to_vec));
    }
    (all.len(), each)
}

async fn until_led(client: &Client, arguments: &Arguments, nodes: &[u32]) -> Duration {
    let start = Instant::now();
    while led(client, arguments, nodes).await.0 < usize::from(arguments.groups) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    start.elapsed()
}

/// CPU seconds and resident MiB of a process.
fn usage(process: &Child) -> (f64, f64) {
    let path = format!("/proc/{}", process.id());
    let stat = std::fs::read_to_string(format!("{path}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split(' ').collect();
    let ticks = |at: usize| -> f64 { fields.get(at).and_then(|f| f.parse().ok()).unwrap_or(0.0) };
    let statm = std::fs::read_to_string(format!("{path}/statm")).unwrap_or_default();
    let pages: f64 = statm
        .split(' ')
        .nth(1)
        .and_then(|f| f.parse().ok())
        .unwrap_or(0.0);
    ((ticks(12) + ticks(13)) / 100.0, pages / 256.0)
}

async fn load(client: &Client, arguments: &Arguments, tasks: usize, groups: u16) -> (u64, u64) {
    let end = Instant::now() + Duration::from_secs(5);
    let running: Vec<_> = (0..tasks)
        .map(|task| {
            let (client, arguments) = (client.clone(), arguments.clone());
            tokio::spawn(async move {
                let (mut done, mut failed, mut n) = (0, 0, task as u64);
                while Instant::now() < end {
                    n += 1;
                    let group = (n.wrapping_mul(0x9e37_79b9) >> 7) as u16 % groups;
                    let mut body = group.to_le_bytes().to_vec();
                    body.extend_from_slice(&[7; 100]);
                    let to = address(&arguments, u32::from(group) % NODES);
                    let patience = Duration::from_secs(5);
                    let asked = client
                        .call(to, MessageKind::Shard, patience, body.into(), Bytes::new())
                        .await;
                    match asked {
                        Ok(reply) if reply.body[..] == [1] => done += 1,
                        _ => failed += 1,
                    }
                }
                (done, failed)
            })
        })
        .collect();
    let mut total = (0, 0);
    for task in running {
        let (done, failed) = task.await.unwrap_or_default();
        total = (total.0 + done, total.1 + failed);
    }
    total
}

async fn measure(arguments: Arguments) -> Result<()> {
    let secret = Secret::new([1; 32]);
    let client = Client::new(
        Credentials::server(secret),
        "measure",
        ClientLimits::default(),
    );
    let mut nodes = Vec::new();
    for index in 0..NODES {
        nodes.push(spawn(&arguments, index)?);
    }
    let all = [0, 1, 2];
    let took = until_led(&client, &arguments, &all).await;
    println!(
        "start: all {} groups led after {took:.2?}",
        arguments.groups
    );
    tokio::time::sleep(Duration::from_secs(5)).await;
    println!("led by each: {:?}", led(&client, &arguments, &all).await.1);
    let before: Vec<_> = nodes.iter().map(usage).collect();
    tokio::time::sleep(Duration::from_secs(10)).await;
    for (node, (cpu, _)) in nodes.iter().zip(before) {
        let (now, memory) = usage(node);
        println!(
            "idle: {:.1} % of a core, {memory:.0} MiB",
            (now - cpu) * 10.0
        );
    }
    for (tasks, groups) in [
        (16, 1),
        (64, 1),
        (16, arguments.groups),
        (64, arguments.groups),
    ] {
        let before: f64 = nodes.iter().map(|node| usage(node).0).sum();
        let (done, failed) = load(&client, &arguments, tasks, groups).await;
        let cpu = nodes.iter().map(|node| usage(node).0).sum::<f64>() - before;
        println!(
            "{tasks} clients, {groups} groups: {}/s, {failed} failed, {:.0} µs CPU each",
            done / 5,
            cpu * 1e6 / done.max(1) as f64
        );
    }
    for round in 0..3 {
        nodes[0].kill()?;
        nodes[0].wait()?;
        let took = until_led(&client, &arguments, &[1, 2]).await;
        println!("kill -9 #{round}: all groups led again after {took:.2?}");
        nodes[0] = spawn(&arguments, 0)?;
        let start = Instant::now();
        while led(&client, &arguments, &[0]).await.1 == [0] && start.elapsed().as_secs() < 40 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        println!(
            "restart: first group handed back after {:.2?}",
            start.elapsed()
        );
    }
    tokio::time::sleep(Duration::from_secs(25)).await;
    println!("led by each: {:?}", led(&client, &arguments, &all).await.1);
    for node in &mut nodes {
        node.kill()?;
        node.wait()?;
    }
    Ok(())
}

fn number<T: std::str::FromStr>(arguments: &[String], at: usize, default: T) -> T {
    arguments
        .get(at)
        .and_then(|a| a.parse().ok())
        .unwrap_or(default)
}

fn timing(arguments: &[String], at: usize) -> Timing {
    let default = Timing::default();
    Timing {
        heartbeat_ms: number(arguments, at, default.heartbeat_ms),
        election_ms_min: number(arguments, at + 1, default.election_ms_min),
        election_ms_max: number(arguments, at + 2, default.election_ms_max),
    }
}

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?
        .local_addr()?
        .port())
}

fn main() -> Result<()> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
    };
    if given.first().is_some_and(|first| first == "node") {
        let arguments = Arguments {
            dir: given[1].clone().into(),
            groups: number(&given, 3, 1),
            timing: timing(&given, 4),
            ports: [7, 8, 9].map(|at| number(&given, at, 0)),
        };
        return runtime()?.block_on(serve(arguments, number(&given, 2, 0)));
    }
    let dir = tempfile::tempdir()?;
    let arguments = Arguments {
        dir: dir.path().to_owned(),
        groups: number(&given, 0, 256),
        timing: timing(&given, 1),
        ports: [free_port()?, free_port()?, free_port()?],
    };
    runtime()?.block_on(measure(arguments))
}
