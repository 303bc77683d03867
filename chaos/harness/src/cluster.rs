//! One cluster under `eggsrun` in a directory of its own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use eggs_client::{Client, ClientConfig, ReadFrom};
use eggs_proto::hello::PeerRole;
use eggs_rpc::Credentials;
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::caretaker::Caretaker;
use crate::programs::{Finished, program_dir, run};
use crate::small_disk::SmallDisk;
use crate::{get_json, until};

/// Bound on any single command; far above what it takes on a loaded machine.
const COMMAND: Duration = Duration::from_secs(240);

/// What kind of cluster.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// Further options for `eggsrun`.
    pub args: &'a [&'a str],
    /// Processes whose directories are small disks of their own, of so many MiB. Needs root.
    pub small_disks: &'a [(&'a str, u32)],
    /// An empty directory for all that processes keep, on a file system of its own.
    pub data: Option<&'a Path>,
}

/// A running cluster. Everything of it goes with this value, or with this process if it is killed.
pub struct Cluster {
    _caretaker: Caretaker,
    home: TempDir,
    programs: PathBuf,
    registry_port: u16,
    http_port: u16,
    args: Vec<String>,
    small_disks: Vec<SmallDisk>,
}

impl Cluster {
    /// Starts a cluster and waits until it is healthy and mounted.
    pub fn start(options: Options<'_>) -> Result<Self> {
        Self::start_in(program_dir()?, options)
    }

    /// The same with the programs of a directory.
    pub fn start_in(programs: PathBuf, options: Options<'_>) -> Result<Self> {
        let home = tempfile::Builder::new()
            .prefix("eggs-test-")
            .tempdir()
            .context("make a directory")?;
        let caretaker = Caretaker::of_cluster(&programs, home.path())?;
        let (registry_port, http_port) = (free_port()?, free_port()?);
        let args = options.args.iter().map(|arg| (*arg).to_string()).collect();
        if let Some(data) = options.data {
            let place = home.path().join("cluster");
            fs::create_dir(&place).context("make a directory")?;
            symlink(data, place.join("data")).context("make a link to the data")?;
        }
        let small_disks = options
            .small_disks
            .iter()
            .map(|(name, mib)| SmallDisk::mount(home.path().join("cluster/data").join(name), *mib))
            .collect::<Result<_>>()?;
        let cluster = Self {
            _caretaker: caretaker,
            home,
            small_disks,
            programs,
            registry_port,
            http_port,
            args,
        };
        cluster.start_again()?;
        Ok(cluster)
    }

    /// The command that starts it on the same directory and stays.
    pub fn start_command(&self) -> Command {
        let mut command = self.program("eggsrun");
        command
            .arg("--dir")
            .arg(self.dir())
            .arg(format!("--registry-port={}", self.registry_port))
            .arg(format!("--http-port={}", self.http_port))
            .args(&self.args);
        command
    }

    /// Starts it on the same directory.
    pub fn start_again(&self) -> Result<()> {
        self.start_with(&[])
    }

    /// The same with more options.
    pub fn start_with(&self, args: &[&str]) -> Result<()> {
        run(self.start_command().arg("--daemon").args(args), COMMAND)?
            .ok()
            .context("start the cluster")
            .map(drop)
    }

    /// The cluster's directory.
    pub fn dir(&self) -> PathBuf {
        self.home.path().join("cluster")
    }

    /// A directory for the test's own files, outside of the cluster.
    pub fn scratch(&self) -> Result<PathBuf> {
        let dir = self.home.path().join("scratch");
        fs::create_dir_all(&dir).context("make the scratch directory")?;
        Ok(dir)
    }

    /// Where it is mounted.
    pub fn mount(&self) -> PathBuf {
        self.dir().join("mnt")
    }

    /// The first registry replica.
    pub fn registry(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.registry_port))
    }

    /// The dashboard.
    pub fn http(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.http_port))
    }

    /// The secret of clients.
    pub fn credentials(&self) -> Result<Credentials> {
        let secret = self.dir().join("secret/client");
        Credentials::from_file(&secret, PeerRole::Client).context("read the client secret")
    }

    /// A client of the library.
    pub async fn client(&self) -> Result<Client> {
        self.client_at(self.registry()).await
    }

    /// A client that asks for the cluster map at this address first.
    pub async fn client_at(&self, registry: SocketAddr) -> Result<Client> {
        self.client_reading(registry, ReadFrom::Leader).await
    }

    /// The same, reading from these replicas.
    pub async fn client_reading(
        &self,
        registry: SocketAddr,
        read_from: ReadFrom,
    ) -> Result<Client> {
        let mut config = ClientConfig::new(vec![registry], self.credentials()?, "harness");
        config.read_from = read_from;
        Client::connect(config).await.context("connect")
    }

    /// One of our programs, in the environment of this cluster.
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command
            .env("EGGS_REGISTRY", self.registry().to_string())
            .env("XDG_CONFIG_HOME", self.home.path().join("config"))
            .current_dir(self.home.path());
        command
    }

    /// Runs `eggsrun --dir DIR ARGS`.
    pub fn eggsrun(&self, args: &[&str]) -> Result<Finished> {
        run(
            self.program("eggsrun")
                .arg("--dir")
                .arg(self.dir())
                .args(args),
            COMMAND,
        )
    }

    /// Runs `eggscli ARGS`.
    pub fn cli(&self, args: &[&str]) -> Result<Finished> {
        run(self.program("eggscli").args(args), COMMAND)
    }

    /// Runs a command line of a shell in the mount.
    pub fn shell(&self, shell: &str, line: &str) -> Result<Finished> {
        let mut command = Command::new(shell);
        command.arg("-c").arg(line).current_dir(self.mount());
        run(&mut command, COMMAND).with_context(|| format!("{shell} -c '{line}'"))
    }

    /// The pid of a process.
    pub fn pid(&self, name: &str) -> Result<Pid> {
        let path = self.dir().join("run").join(format!("{name}.pid"));
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        text.trim()
            .parse()
            .ok()
            .and_then(Pid::from_raw)
            .context("a pid file without a pid")
    }

    /// Kills a process behind the supervisor's back, who starts it again.
    pub fn kill_unseen(&self, name: &str) -> Result<()> {
        kill_process(self.pid(name)?, Signal::KILL).with_context(|| format!("kill {name}"))
    }

    /// Kills everything at once, the supervisor first, as a power cut would.
    pub fn kill_everything(&self) -> Result<()> {
        let lock = self.dir().join("run/eggsrun.lock");
        let text = fs::read_to_string(&lock).context("read the supervisor's pid")?;
        let supervisor = text
            .trim()
            .parse()
            .ok()
            .and_then(Pid::from_raw)
            .context("no supervisor")?;
        let mut pids = vec![supervisor];
        for name in self.process_names()? {
            pids.extend(self.pid(&name));
        }
        for pid in &pids {
            match kill_process(*pid, Signal::KILL) {
                Ok(()) | Err(Errno::SRCH) => {} // some end by themselves without their disks
                Err(error) => return Err(error).context("kill a process"),
            }
        }
        until("everything is dead", COMMAND, || {
            pids.iter().all(|pid| !is_alive(*pid))
        })?;
        Ok(())
    }

    /// Names of all processes with a pid file.
    pub fn process_names(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.dir().join("run")).context("list the run directory")? {
            let name = entry.context("list the run directory")?.file_name();
            names.extend(
                name.to_str()
                    .and_then(|name| name.strip_suffix(".pid"))
                    .map(String::from),
            );
        }
        names.sort();
        Ok(names)
    }

    /// Names of all block service processes, also of those that do not run.
    pub fn domains(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.dir().join("data")).context("list the data directory")? {
            let name = entry.context("list the data directory")?.file_name();
            names.extend(name.to_str().map(String::from));
        }
        names.retain(|name| name.starts_with("blocks"));
        names.sort();
        Ok(names)
    }

    /// The dashboard's status document.
    pub fn status(&self) -> Result<Value> {
        let (code, value) = get_json(self.http(), "/api/v1/status")?;
        if code != 200 {
            bail!("/api/v1/status answers {code}: {value}");
        }
        Ok(value)
    }

    /// Waits until `eggsrun status` says that everything is fine.
    pub fn wait_healthy(&self) -> Result<()> {
        until("the cluster is healthy", COMMAND, || {
            self.eggsrun(&["status"])
                .is_ok_and(|finished| finished.status.success())
        })?;
        Ok(())
    }

    /// Every file below the disk directories that holds a block.
    pub fn block_files(&self) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        let data = self.dir().join("data");
        for entry in fs::read_dir(&data).context("list the data directory")? {
            let path = entry.context("list the data directory")?.path();
            if path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("blocks"))
            {
                collect_blocks(&path, &mut found)?;
            }
        }
        found.sort();
        Ok(found)
    }

    /// The directory of a process.
    pub fn data(&self, name: &str) -> PathBuf {
        self.dir().join("data").join(name)
    }

    fn clean_up(&self) {
        let stopped = self
            .eggsrun(&["stop"])
            .is_ok_and(|finished| finished.status.success());
        if !stopped {
            self.kill_leftovers();
        }
        unmount(self.mount(), UnmountFlags::DETACH).ok(); // usually nothing is mounted any more
    }

    fn kill_leftovers(&self) {
        let dir = self.dir().into_os_string().into_encoded_bytes();
        let Ok(processes) = fs::read_dir("/proc") else {
            return;
        };
        for entry in processes.flatten() {
            let pid = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            let Some(pid) = pid.and_then(Pid::from_raw) else {
                continue;
            };
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            if line.windows(dir.len()).any(|window| window == dir) {
                kill_process(pid, Signal::KILL).ok(); // it may have ended meanwhile
            }
        }
    }

    fn show_logs(&self) {
        let Ok(logs) = fs::read_dir(self.dir().join("log")) else {
            return;
        };
        for entry in logs.flatten() {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            let lines: Vec<_> = text.lines().collect();
            eprintln!("--- {} ({} lines)", entry.path().display(), lines.len());
            for line in &lines[lines.len().saturating_sub(15)..] {
                eprintln!("{line}");
            }
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.show_logs();
        }
        self.clean_up();
        self.small_disks.clear();
    }
}

fn is_alive(pid: Pid) -> bool {
    let path = format!("/proc/{}/stat", pid.as_raw_nonzero());
    fs::read_to_string(path).is_ok_and(|stat| !stat.contains(") Z "))
}

/// A port that is free now, as are those of the other replicas, which follow it; outside of the range of outgoing connections.
fn free_port() -> Result<u16> {
    const ROOM: u16 = 8;
    let begin = 12_000 + (std::process::id() % 9_000) as u16 * 2;
    let mut ports = (begin..begin + 2_000).chain(12_000..begin);
    static GIVEN: std::sync::Mutex<Vec<u16>> = std::sync::Mutex::new(Vec::new());
    let mut given = GIVEN
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let is_far = |port: u16| given.iter().all(|given| port.abs_diff(*given) >= ROOM);
    let port = ports.find(|port| is_far(*port) && (*port..*port + ROOM).all(is_free));
    let port = port.context("no port is free")?;
    given.push(port);
    Ok(port)
}

/// Block files have a name of 16 hexadecimal digits, and other files have, too.
fn collect_blocks(dir: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("list {}", dir.display()))? {
        let path = entry
            .with_context(|| format!("list {}", dir.display()))?
            .path();
        if path.is_dir() {
            let others = ["gone", "known-disks"];
            if path
                .file_name()
                .is_none_or(|name| others.iter().all(|other| name != *other))
            {
                collect_blocks(&path, found)?;
            }
        } else if path
            .file_name()
            .and_then(|n| n.to_str())
            .is_some_and(is_block_name)
        {
            found.push(path);
        }
    }
    Ok(())
}

fn is_block_name(name: &str) -> bool {
    name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}
