//! `eggsfuse`: mounts an EggsFS.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Parser;
use eggs_client::{Client, ClientConfig, ReadCache, ReadFrom, parse_size};
use eggs_fuse::cache_metrics::{CacheMetrics, show_cache};
use eggs_fuse::client_backend::Cluster;
use eggs_fuse::mount::{Access, mount};
use eggs_fuse::{FileSystem, Settings};
use eggs_obs::http::{HttpServer, routes};
use eggs_obs::{Health, LogFormat, Metrics, shutdown_signal};
use eggs_rpc::{Credentials, PeerRole};
use tokio_util::sync::CancellationToken;

// What is shipped has no deliberate bugs.
const _: () = assert!(!eggs_client::BUGS);

/// How long requests under way may take when asked to stop; a little more than the client's own bound.
const STOP_MAX: Duration = Duration::from_secs(35);

/// Mount an EggsFS.
#[derive(Parser)]
#[command(name = "eggsfuse", version)]
struct Arguments {
    /// Addresses of the registry, separated by commas
    #[arg(
        long,
        env = "EGGS_REGISTRY",
        value_delimiter = ',',
        default_value = "127.0.0.1:10001"
    )]
    registry: Vec<SocketAddr>,
    /// File with the client secret [default: where eggsrun puts it]
    #[arg(long, env = "EGGS_SECRET_FILE")]
    secret_file: Option<PathBuf>,
    /// Where to mount: an empty directory
    #[arg(long)]
    mount: PathBuf,
    /// Which replicas of the metadata answer reads: `leader` or `any`; the latter spreads the work, neither reads
    /// anything old
    #[arg(long, default_value_t = ReadFrom::Leader)]
    read_from: ReadFrom,
    /// For how many milliseconds the kernel may use names and attributes without asking; 0 sees every change at once
    #[arg(long, default_value_t = 0)]
    cache_ms: u64,
    /// Let other users in; the default when root
    #[arg(long)]
    allow_other: bool,
    /// Keep content that is read in this directory on a local disk; without it while another process has it
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Most bytes that --cache takes, 16M to 16T; another size than before begins anew
    #[arg(long, value_name = "SIZE", default_value = "10G", value_parser = parse_size)]
    cache_size: u64,
    /// Directory for files that are not written front to back
    #[arg(long, default_value = "/var/tmp")]
    spool_dir: PathBuf,
    /// Address for /metrics and /health
    #[arg(long)]
    http: Option<SocketAddr>,
    /// File to be written once the mount answers
    #[arg(long)]
    ready_file: Option<PathBuf>,
    /// `text` or `json`
    #[arg(long, default_value_t)]
    log_format: LogFormat,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    eggs_obs::init("eggsfuse", arguments.log_format);
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("eggsfuse: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    if let Err(error) = eggs_obs::raise_file_limit() {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    let result = runtime.block_on(serve(arguments));
    // A lazily unmounted directory may still be in use; nobody waits for that.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn serve(arguments: Arguments) -> anyhow::Result<()> {
    let stop = shutdown_signal().context("wait for signals")?;
    let health = Health::default();
    let metrics = Metrics::new("eggsfuse");
    if let Some(address) = arguments.http {
        let server = HttpServer::bind(address).await?;
        let routes = routes(metrics.clone(), health.clone());
        tokio::spawn(server.run(routes, stop.clone()));
    }
    check_spool(&arguments.spool_dir)?;
    let cache = match &arguments.cache {
        Some(dir) => ReadCache::open_unless_in_use(dir, arguments.cache_size).context("--cache")?,
        None => None,
    };
    if let Some(cache) = &cache {
        tokio::spawn(show_cache(CacheMetrics::register(&metrics), cache.clone()));
    }
    let Some(client) = connect(&arguments, cache, &stop).await? else {
        return Ok(());
    };
    let settings = Settings {
        cache: Duration::from_millis(arguments.cache_ms),
        spool_dir: Arc::from(arguments.spool_dir.as_path()),
    };
    let fs = FileSystem::new(Arc::new(Cluster::new(client)), settings);
    let access = if arguments.allow_other || rustix::process::geteuid().is_root() {
        Access::All
    } else {
        Access::Owner
    };
    let mut mount = mount(fs, &arguments.mount, access).await?;
    if let Some(file) = &arguments.ready_file {
        let pid = format!("{}\n", std::process::id());
        std::fs::write(file, pid).with_context(|| format!("write {}", file.display()))?;
    }
    health.set_ready();
    tracing::info!(point = %mount.point().display(), "mounted");
    tokio::select! {
        () = stop.cancelled() => {
            mount.unmount(STOP_MAX).await;
            tracing::info!("unmounted");
            Ok(())
        }
        ended = mount.ended() => {
            tracing::info!("unmounted by somebody else");
            ended.context("read requests of the kernel")
        }
    }
}

/// `None` when asked to stop meanwhile.
async fn connect(
    arguments: &Arguments,
    cache: Option<ReadCache>,
    stop: &CancellationToken,
) -> anyhow::Result<Option<Client>> {
    let Some(first) = arguments.registry.first() else {
        bail!("--registry needs an address");
    };
    let secret = match &arguments.secret_file {
        Some(file) => file.clone(),
        None => eggs_client::credentials::default_secret_path(*first)
            .context("find the client secret: give --secret-file, there is no home directory")?,
    };
    let credentials = Credentials::from_file(&secret, PeerRole::Client)?;
    let mut config = ClientConfig::new(arguments.registry.clone(), credentials, "eggsfuse");
    config.read_from = arguments.read_from;
    config.cache = cache;
    let connected = tokio::select! {
        connected = Client::connect(config) => connected,
        () = stop.cancelled() => return Ok(None),
    };
    connected
        .map(Some)
        .with_context(|| format!("the cluster at {first} cannot be used"))
}

fn check_spool(dir: &Path) -> anyhow::Result<()> {
    tempfile::tempfile_in(dir)
        .map(drop)
        .with_context(|| format!("--spool-dir {} cannot be written to", dir.display()))
}
