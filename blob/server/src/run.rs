//! From the command line to the end of the process.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use eggs_obs::http::{HttpServer, routes};
use eggs_obs::{Health, Metrics};
use eggs_proto::{NodeId, ProcessRole};
use eggs_registry_client::{Condition, Member, RegistryClient, announce};
use eggs_rpc::{Client, ClientLimits, Credentials, PeerRole, Server, ServerLimits};
use tokio_util::sync::CancellationToken;

use crate::service::show;
use crate::{Args, BlockMetrics, BlockService, ServedDisks, ServiceLimits, memory};

/// Between looks at the disks.
const LOOK: Duration = Duration::from_secs(2);
/// Tombstones are swept once in so many looks.
const LOOKS_PER_SWEEP: u32 = 15;

/// Runs until it is told to stop.
pub fn main(args: Args) -> anyhow::Result<()> {
    memory::tune_allocator();
    eggs_obs::init("eggsblocks", args.log_format);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    runtime.block_on(run(args))
}

async fn run(args: Args) -> anyhow::Result<()> {
    let stop = eggs_obs::shutdown_signal().context("listen for signals")?;
    eggs_obs::raise_file_limit().context("raise the limit of open files")?;
    let credentials = Credentials::from_file(&args.secret_file, PeerRole::Server)?;
    std::fs::create_dir_all(&args.dir)
        .with_context(|| format!("create directory {}", args.dir.display()))?;
    let disks = ServedDisks::open(&args)?;
    let metrics = Metrics::new("eggsblocks");
    let table = BlockMetrics::register(&metrics);
    let health = Health::default();
    let own = ServiceLimits::default();
    let service = BlockService::new(disks.clone(), table.clone(), own);
    let limits = ServerLimits {
        payload_bytes_in_flight: own.request_bytes_max,
        ..ServerLimits::default()
    };
    let server = Server::bind(args.listen, credentials.clone(), limits, Arc::new(service))?;
    if let Some(address) = args.http {
        let http = HttpServer::bind(address).await?;
        tokio::spawn(http.run(routes(metrics, health.clone()), stop.clone()));
    }
    let address = args.advertise.unwrap_or(server.local_addr());
    let member = Member {
        node: NodeId::new(ProcessRole::Blocks, args.id),
        address: address.to_string(),
        groups: Vec::new(),
        services: disks.registrations(),
    };
    let rpc = Client::new(
        credentials,
        &member.node.to_string(),
        ClientLimits::default(),
    );
    let registry = RegistryClient::new(rpc, args.registry);
    let reported = disks.clone();
    let condition = move || Condition {
        leads: Vec::new(),
        services: reported.reports(),
        paces: reported.paces(),
    };
    tokio::spawn(announce(registry, member, condition, stop.clone()));
    tokio::spawn(upkeep(disks, table, stop.clone()));
    health.set_ready();
    tracing::info!(%address, "serving");
    server.run(stop).await;
    tracing::info!("stopped");
    Ok(())
}

/// Keeps reports fresh, tombstones few, and memory small after a burst of work.
async fn upkeep(disks: ServedDisks, metrics: BlockMetrics, stop: CancellationToken) {
    let (mut moved, mut kept) = (0, false);
    for looks in 0u32.. {
        disks.look();
        let moved_now = metrics.written.get() + metrics.read.get();
        let idle = moved_now == moved;
        if idle && kept {
            memory::give_back();
        }
        (moved, kept) = (moved_now, !idle);
        if looks.is_multiple_of(LOOKS_PER_SWEEP) {
            disks.sweep();
        }
        show(&metrics, &disks);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}
