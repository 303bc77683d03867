//! The commands of `docs/howto/several-hosts.md`, with addresses of the loopback interface for hosts: a cluster that nobody but they has
//! started, which survives a host.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use eggs_harness::{program_dir, until};
use rustix::mount::{UnmountFlags, unmount};
use tempfile::TempDir;

const GUIDE: &str = include_str!("../../../../docs/howto/several-hosts.md");
const BOUND: Duration = Duration::from_secs(60);

/// Who runs on how many hosts.
const PROGRAMS: [(&str, usize); 6] = [
    ("eggsshuckle", 3),
    ("eggsshard", 3),
    ("eggscdc", 3),
    ("eggsblocks", 14),
    ("eggsgc", 1),
    ("eggsfuse", 1),
];

/// Processes of one host.
struct Process {
    host: usize,
    child: Child,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What was started, in the place of the guide's directories and addresses.
struct ByHand {
    home: TempDir,
    net: String,
    programs: PathBuf,
    /// Variables, as the guide sets them.
    variables: Vec<String>,
    running: Vec<Process>,
}

impl Drop for ByHand {
    fn drop(&mut self) {
        let _ = unmount(self.mount(), UnmountFlags::DETACH);
        self.running.clear(); // before the directories that they write to
    }
}

impl ByHand {
    fn new() -> Result<Self> {
        let home = tempfile::Builder::new().prefix("eggs-test-").tempdir()?;
        for dir in ["etc", "mnt"] {
            fs::create_dir(home.path().join(dir))?;
        }
        // Hosts that no other test has.
        let own = std::process::id();
        let net = format!("127.{}.{}.", 1 + own / 250 % 250, own % 250);
        Ok(Self {
            home,
            net,
            programs: program_dir()?,
            variables: Vec::new(),
            running: Vec::new(),
        })
    }

    fn mount(&self) -> PathBuf {
        self.home.path().join("mnt")
    }

    /// A line of the guide as a command of one host.
    fn command(&self, line: &str, host: usize) -> Command {
        let home = self.home.path().display();
        let mut line = format!(
            "{}\nexec setpriv --pdeathsig KILL {line}",
            self.variables.join("\n")
        );
        for (theirs, ours) in [
            ("--id 0".to_owned(), format!("--id {host}")),
            ("--domain 0".into(), format!("--domain {host}")),
            ("shuckle0".into(), format!("shuckle{host}")),
            ("shard0".into(), format!("shard{host}")),
            ("cdc0".into(), format!("cdc{host}")),
            ("blocks0".into(), format!("blocks{host}")),
            (
                "--listen 127.0.1.1".into(),
                format!("--listen 127.0.1.{}", host + 1),
            ),
            (
                "--http 127.0.1.1".into(),
                format!("--http 127.0.1.{}", host + 1),
            ),
            ("127.0.1.".into(), self.net.clone()),
            ("/srv/eggsfs".into(), format!("{home}/srv")),
            ("/etc/eggsfs".into(), format!("{home}/etc")),
            ("/mnt/eggsfs".into(), format!("{home}/mnt")),
            ("hdd:/disks".into(), format!("hdd:{home}/disks{host}")),
            ("flash:/disks".into(), format!("flash:{home}/disks{host}")),
        ] {
            line = line.replace(&theirs, &ours);
        }
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("bash");
        command
            .args(["-euc", &line])
            .env("PATH", format!("{}:{path}", self.programs.display()))
            .current_dir(self.home.path());
        command
    }

    fn start(&mut self, line: &str, host: usize) -> Result<()> {
        let log = fs::File::create(self.log(self.running.len()))?;
        let mut command = self.command(line, host);
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        let child = command.spawn().with_context(|| format!("start {line}"))?;
        self.running.push(Process { host, child });
        Ok(())
    }

    fn run(&self, line: &str) -> Result<()> {
        let mut said = String::new();
        let done = until(line, BOUND, || match self.command(line, 0).output() {
            Ok(output) => {
                said = format!(
                    "{}{}",
                    String::from_utf8_lossy(&output.stdout),
                    String::from_utf8_lossy(&output.stderr)
                );
                output.status.success()
            }
            Err(_) => false,
        });
        done.map(drop).with_context(|| said)
    }

    /// Does what a line says.
    fn follow(&mut self, line: &str) -> Result<()> {
        let (program, _) = line.split_once(' ').unwrap_or((line, ""));
        if let Some((_, hosts)) = PROGRAMS.iter().find(|(name, _)| *name == program) {
            return (0..*hosts).try_for_each(|host| self.start(line, host));
        }
        match program {
            "eggscli" => self.run(line),
            _variables => {
                self.variables.push(line.to_owned());
                Ok(())
            }
        }
    }

    /// What the last process has logged.
    fn last_said(&self) -> String {
        let last = self.running.len().saturating_sub(1);
        fs::read_to_string(self.log(last)).unwrap_or_default()
    }

    fn log(&self, number: usize) -> PathBuf {
        self.home.path().join(format!("{number}.log"))
    }

    fn is_mounted(&self) -> bool {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        mounts.contains(&format!(" {} ", self.mount().display()))
    }
}

/// All lines between fences, without comments.
fn lines(guide: &str) -> Vec<String> {
    let blocks = guide.split("```").skip(1).step_by(2);
    let text: String = blocks.map(|block| block.trim_start_matches("sh")).collect();
    let text = text.replace("\\\n", " ");
    let lines = text
        .lines()
        .map(|line| line.split(" #").next().unwrap_or_default().trim());
    lines
        .filter(|line| !line.is_empty())
        .map(String::from)
        .collect()
}

fn reads(path: &Path, bytes: &[u8]) -> Result<()> {
    let read = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    ensure!(read == bytes, "{} holds something else", path.display());
    Ok(())
}

#[test]
fn the_guide_for_several_hosts_makes_a_cluster_that_survives_one() -> Result<()> {
    let mut cluster = ByHand::new()?;
    for line in lines(GUIDE) {
        cluster.follow(&line)?;
    }
    until("it is mounted", BOUND, || cluster.is_mounted()).with_context(|| cluster.last_said())?;
    let bytes: Vec<u8> = (0..5_000_000u32).map(|n| (n % 251) as u8).collect();
    let [before, after] = ["before", "after"].map(|name| cluster.mount().join(name));
    fs::write(&before, &bytes).context("write a file")?;
    reads(&before, &bytes)?;
    // What the guide says of six hosts.
    cluster.run("eggscli policy set / extent 64K=1+2,20M=4+2")?;
    cluster.running.retain(|process| process.host != 1);
    reads(&before, &bytes)?;
    fs::write(&after, &bytes).context("write a file without a host")?;
    reads(&after, &bytes)
}
