//! From the command line to the end of the process.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use eggs_client::{Client, ClientConfig, ClientError};
use eggs_obs::http::{HttpServer, routes};
use eggs_obs::{Health, Metrics};
use eggs_proto::{NodeId, ProcessRole};
use eggs_registry_client::{Condition, Member, RegistryClient, announce};
use eggs_rpc::{ClientLimits, Credentials, PeerRole};
use tokio_util::sync::CancellationToken;

use crate::Args;
use crate::background::{heal_for_ever, heal_reported_for_ever, scrub_for_ever};
use crate::cluster::Remote;
use crate::metrics::GcMetrics;
use crate::pass::{self, Memory, Pass};
use crate::planning::Pace;

/// Between attempts to reach the registry for the first time.
const CONNECT_PAUSE: Duration = Duration::from_millis(500);

/// Runs until it is told to stop.
pub fn main(args: Args) -> anyhow::Result<()> {
    eggs_obs::init("eggsgc", args.log_format);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    runtime.block_on(Box::pin(run(args)))
}

async fn run(args: Args) -> anyhow::Result<()> {
    let stop = eggs_obs::shutdown_signal().context("listen for signals")?;
    let credentials = Credentials::from_file(&args.secret_file, PeerRole::Server)?;
    std::fs::create_dir_all(&args.dir)
        .with_context(|| format!("create directory {}", args.dir.display()))?;
    let metrics = Metrics::new("eggsgc");
    let table = GcMetrics::register(&metrics);
    let health = Health::default();
    let http = HttpServer::bind(args.http).await?;
    let node = NodeId::new(ProcessRole::Gc, args.id);
    let member = Member {
        node,
        address: http.local_addr().to_string(),
        groups: Vec::new(),
        services: Vec::new(),
    };
    tokio::spawn(http.run(routes(metrics, health.clone()), stop.clone()));
    let program = node.to_string();
    let rpc = eggs_rpc::Client::new(credentials.clone(), &program, ClientLimits::default());
    let registry = RegistryClient::new(rpc, args.registry.clone());
    tokio::spawn(announce(registry, member, Condition::default, stop.clone()));
    let config = ClientConfig::new(args.registry.clone(), credentials, &program);
    let pace = Pace {
        interval: Duration::from_millis(args.interval_ms),
    };
    let work = async {
        let client = connect(config).await?;
        health.set_ready();
        let remote = Remote::new(&client);
        tokio::join!(
            collect_for_ever(&remote, pace, &table),
            heal_for_ever(&client, &args, &table),
            heal_reported_for_ever(&client, &args, &table),
            scrub_for_ever(&client, &args, &table),
        );
        Ok(())
    };
    let result = until_stopped(&stop, work).await;
    tracing::info!("stopped");
    result
}

/// All requests may be repeated, so stopping in the midst of them is fine.
async fn until_stopped(
    stop: &CancellationToken,
    work: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    tokio::select! {
        biased;
        () = stop.cancelled() => Ok(()),
        result = work => result,
    }
}

/// Waits for the registry: processes of a cluster start in any order.
async fn connect(config: ClientConfig) -> anyhow::Result<Client> {
    let mut complained = false;
    loop {
        match Client::connect(config.clone()).await {
            Ok(client) => return Ok(client),
            Err(error @ ClientError::Unauthorized { .. }) => {
                return Err(error).context("connect to the registry");
            }
            Err(error) if !complained => {
                complained = true;
                tracing::warn!(%error, "the registry cannot be reached yet; trying on");
            }
            Err(_) => {}
        }
        tokio::time::sleep(CONNECT_PAUSE).await;
    }
}

async fn collect_for_ever(cluster: &Remote, pace: Pace, metrics: &GcMetrics) {
    let mut memory = Memory::default();
    let mut complained = false;
    loop {
        let Pass { tally, facts } = pass::run(cluster, &mut memory).await;
        metrics.count(&tally);
        metrics.pass_seconds.observe(facts.took.as_secs_f64());
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        metrics
            .last_pass
            .set(now.map_or(0, |now| now.as_secs() as i64));
        if tally.is_productive() {
            tracing::info!(
                files = tally.files,
                snapshots = tally.snapshots,
                directories = tally.directories,
                blocks = tally.blocks,
                bytes = tally.bytes,
                blocks_left = tally.blocks_left,
                took_ms = facts.took.as_millis() as u64,
                "collected"
            );
        }
        // Once for each time that something begins to go wrong.
        if let (Some(failure), false) = (&tally.failure, complained) {
            let failures = tally.failures;
            tracing::warn!(failures, failure, "a pass was incomplete; trying again");
        }
        complained = tally.failures > 0;
        tokio::time::sleep(pace.pause(&facts)).await;
    }
}
