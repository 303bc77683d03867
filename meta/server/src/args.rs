//! Arguments of both programs, and how they run.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Parser;
use eggs_proto::PLACES;
use eggs_raft::{Limits, Timing};
use eggs_rpc::{Credentials, PeerRole};

use crate::{Beginning, Running, ServerConfig};

/// Default of `--heartbeat-ms`. Election time-outs are 3 to 5 times this.
const HEARTBEAT_MS: u64 = 100;

/// Most of `--cache-mb`.
const CACHE_MB_MAX: usize = 1 << 20;

/// Arguments of both programs.
#[derive(Clone, Debug, Parser)]
#[command(version, about = "A metadata server of EggsFS")]
pub struct Args {
    /// Number of this process among those of its kind, from 0
    #[arg(long)]
    pub id: u32,
    /// Directory to keep everything in
    #[arg(long)]
    pub dir: PathBuf,
    /// Address to listen on
    #[arg(long)]
    pub listen: SocketAddr,
    /// All processes of this kind, itself included: 0=ADDR,1=ADDR,...
    #[arg(long, value_delimiter = ',', required = true, value_parser = parse_peer)]
    pub peers: Vec<(u32, SocketAddr)>,
    /// Begin with no replica, until `eggscli meta` moves some here; without it, --peers are the first members
    #[arg(long)]
    pub join: bool,
    /// Take an empty --dir for a lost disk, if another directory has acted as this process: after so many seconds the
    /// process gives up its name and is rebuilt from its peers under a new one. Without it, it says what to type: the
    /// disk may just not be mounted. A directory with damaged content is always rebuilt
    #[arg(long, value_name = "SECONDS")]
    pub rebuild_empty_after: Option<u32>,
    /// Addresses of the registry in order of their numbers
    #[arg(long, value_delimiter = ',', required = true)]
    pub registry: Vec<SocketAddr>,
    /// File with the cluster secret
    #[arg(long)]
    pub secret_file: PathBuf,
    /// Address for /metrics and /health
    #[arg(long)]
    pub http: Option<SocketAddr>,
    /// Threads for requests
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// Milliseconds between heartbeats of leaders; the same in all processes of this kind
    #[arg(long, default_value_t = HEARTBEAT_MS)]
    pub heartbeat_ms: u64,
    /// Megabytes of memory for blocks of the stores, of which only what is needed is taken: by default a ninety-sixth of the machine's
    /// memory, at least 64
    #[arg(long, default_value_t = default_cache_mb(), value_parser = cache_mb)]
    pub cache_mb: usize,
    /// How the log is written: text or json
    #[arg(long, default_value_t = eggs_obs::LogFormat::Text)]
    pub log_format: eggs_obs::LogFormat,
}

impl Args {
    /// Checks the arguments against each other and reads the secret.
    pub fn into_config(self) -> anyhow::Result<ServerConfig> {
        let count = self.peers.len();
        let peers: BTreeMap<_, _> = self.peers.into_iter().collect();
        if peers.len() != count {
            bail!("--peers names a process twice");
        }
        if !peers.contains_key(&self.id) {
            bail!("--peers does not contain this process, number {}", self.id);
        }
        if self.id >= PLACES {
            bail!("--id has to be below {PLACES}");
        }
        if !(10..=10_000).contains(&self.heartbeat_ms) {
            bail!("--heartbeat-ms has to be between 10 and 10000");
        }
        Ok(ServerConfig {
            id: self.id,
            dir: self.dir,
            listen: self.listen,
            peers,
            beginning: if self.join {
                Beginning::Joiner
            } else {
                Beginning::Founder
            },
            rebuild_empty_after: self
                .rebuild_empty_after
                .map(|seconds| Duration::from_secs(seconds.into())),
            registry: self.registry,
            credentials: Credentials::from_file(&self.secret_file, PeerRole::Server)?,
            http: self.http,
            block_cache_bytes: self.cache_mb << 20,
            timing: Timing {
                heartbeat_ms: self.heartbeat_ms,
                election_ms_min: self.heartbeat_ms * 3,
                election_ms_max: self.heartbeat_ms * 5,
            },
        })
    }
}

/// What is not known to have more memory gets little.
fn default_cache_mb() -> usize {
    const SHARE: usize = 96;
    let least = Limits::default().block_cache_bytes >> 20;
    let told = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    total_mb(&told).map_or(least, |total| (total / SHARE).clamp(least, CACHE_MB_MAX))
}

/// Megabytes of the machine, from what Linux tells about its memory.
fn total_mb(told: &str) -> Option<usize> {
    let line = told
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: usize = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes >> 10)
}

fn cache_mb(text: &str) -> Result<usize, String> {
    const LEAST: usize = 4;
    let value = text
        .parse()
        .map_err(|_| format!("{text:?} is not a number of megabytes"))?;
    match value {
        LEAST..=CACHE_MB_MAX => Ok(value),
        _ => Err(format!("has to be between {LEAST} and {CACHE_MB_MAX}")),
    }
}

fn parse_peer(text: &str) -> Result<(u32, SocketAddr), String> {
    let (id, address) = text
        .split_once('=')
        .ok_or_else(|| format!("{text:?} is not NUMBER=ADDRESS"))?;
    let id = id
        .parse()
        .map_err(|_| format!("{id:?} is not the number of a process"))?;
    let address = address
        .parse()
        .map_err(|_| format!("{address:?} is not HOST:PORT with a numerical host"))?;
    Ok((id, address))
}

/// The program `eggsshard`. Not generic, so that all of consensus is compiled once, into this library, and not again into
/// each program.
pub fn main_shard() -> ExitCode {
    main("eggsshard", crate::start_shard)
}

/// The program `eggscdc`.
pub fn main_cdc() -> ExitCode {
    main("eggscdc", crate::start_cdc)
}

/// Runs a program from its arguments to its end. One sentence on standard error if it cannot start.
fn main<F>(program: &'static str, start: impl FnOnce(ServerConfig) -> F) -> ExitCode
where
    F: Future<Output = anyhow::Result<Running>>,
{
    let args = Args::parse();
    eggs_obs::init(program, args.log_format);
    match run(args, start) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{program}: {}", sentence(&error));
            ExitCode::FAILURE
        }
    }
}

/// All causes; those that an outer one already tells are not told twice.
fn sentence(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |told, cause| {
        let cause = cause.to_string();
        if told.is_empty() {
            cause
        } else if told.contains(&cause) {
            told
        } else {
            format!("{told}: {cause}")
        }
    })
}

fn run<F>(args: Args, start: impl FnOnce(ServerConfig) -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<Running>>,
{
    eggs_obs::raise_file_limit().context("raise the limit of open files")?;
    let runtime = runtime(args.threads)?;
    let config = args.into_config()?;
    let result = runtime.block_on(async {
        let signal = eggs_obs::shutdown_signal().context("listen for signals")?;
        let running = tokio::select! {
            running = start(config) => running?,
            () = signal.cancelled() => return Ok(()),
        };
        let stop = running.stop_token();
        tokio::spawn(async move {
            signal.cancelled().await;
            stop.cancel();
        });
        running.finished().await
    });
    // Whatever still runs must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

fn runtime(threads: usize) -> anyhow::Result<tokio::runtime::Runtime> {
    let mut builder = match threads {
        0 => bail!("--threads has to be at least 1"),
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    if threads > 1 {
        builder.worker_threads(threads);
    }
    builder.enable_all().build().context("start the runtime")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(extra: &[&str]) -> Result<Args, clap::Error> {
        let common = [
            "eggsshard",
            "--id=1",
            "--dir=/tmp/x",
            "--listen=127.0.0.1:7001",
            "--registry=127.0.0.1:1,127.0.0.1:2",
            "--secret-file=/nonexistent",
        ];
        Args::try_parse_from(common.iter().chain(extra))
    }

    #[test]
    fn peers_are_numbered() {
        let args = parse(&["--peers=0=127.0.0.1:7000,1=127.0.0.1:7001"]).unwrap();
        assert_eq!(args.peers[1], (1, "127.0.0.1:7001".parse().unwrap()));
        assert_eq!((args.registry.len(), args.threads), (2, 1));
        for bad in [
            "--peers=127.0.0.1:7000",
            "--peers=x=127.0.0.1:1",
            "--peers=0=a:1",
        ] {
            assert!(parse(&[bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_cache_has_bounds() {
        let peers = "--peers=1=127.0.0.1:7001";
        let args = parse(&[peers, "--cache-mb=4096"]).unwrap();
        assert_eq!(args.cache_mb, 4096);
        for bad in ["--cache-mb=3", "--cache-mb=-1", "--cache-mb=9999999999"] {
            assert!(parse(&[peers, bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_memory_of_the_machine_is_read() {
        let told = "MemTotal:       24689428 kB\nMemFree:        12345678 kB\n";
        assert_eq!(total_mb(told), Some(24_110));
        for nothing in ["", "MemFree: 1 kB", "MemTotal: 5", "MemTotal: x kB"] {
            assert_eq!(total_mb(nothing), None, "{nothing}");
        }
        assert!((64..=CACHE_MB_MAX).contains(&default_cache_mb()));
    }

    #[test]
    fn contradictions_are_one_sentence() {
        for (peers, sentence) in [
            ("--peers=0=127.0.0.1:7000", "does not contain this process"),
            (
                "--peers=1=127.0.0.1:7,1=127.0.0.1:8",
                "names a process twice",
            ),
            ("--peers=1=127.0.0.1:7000", "read secret file /nonexistent"),
        ] {
            let error = parse(&[peers]).unwrap().into_config().unwrap_err();
            assert!(error.to_string().contains(sentence), "{error}");
        }
    }

    #[test]
    fn no_cause_is_told_twice() {
        let cause = anyhow::anyhow!("no such file");
        let error = cause.context("read secret: no such file").context("start");
        assert_eq!(super::sentence(&error), "start: read secret: no such file");
    }
}
