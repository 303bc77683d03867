//! Starts processes, notices their deaths and starts them again.
//!
//! Files in `DIR/run` are the whole interface to it: `NAME.down` keeps a process dead, `NAME.start` asks for
//! one start. They work across programs without a protocol.

use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal};

use crate::backoff::Backoff;
use crate::layout::Layout;
use crate::plan::{ProcessSpec, Program};
use crate::{files, process};

/// Whether processes that die are started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supervision {
    Restart,
    LeaveDead,
}

struct Slot {
    spec: ProcessSpec,
    child: Option<Child>,
    backoff: Backoff,
    ever_started: bool,
    /// It ends for good.
    leaves: bool,
}

fn slot(spec: ProcessSpec) -> Slot {
    Slot {
        spec,
        child: None,
        backoff: Backoff::default(),
        ever_started: false,
        leaves: false,
    }
}

/// All processes of a running cluster.
pub struct Supervisor {
    layout: Layout,
    binaries: PathBuf,
    supervision: Supervision,
    slots: Vec<Slot>,
    epoch: Instant,
    /// The mount waits until the cluster serves.
    mount_held: bool,
}

impl Supervisor {
    /// Nothing is started yet.
    pub fn new(layout: Layout, specs: Vec<ProcessSpec>, supervision: Supervision) -> Result<Self> {
        let exe = std::env::current_exe().context("find the directory of the programs")?;
        let binaries = exe
            .parent()
            .context("find the directory of the programs")?
            .to_path_buf();
        let slots = specs.into_iter().map(slot).collect();
        Ok(Self {
            layout,
            binaries,
            supervision,
            slots,
            epoch: Instant::now(),
            mount_held: true,
        })
    }

    /// Changes how processes are started from now on.
    pub fn amend(&mut self, change: impl Fn(&mut ProcessSpec)) {
        self.slots
            .iter_mut()
            .for_each(|slot| change(&mut slot.spec));
    }

    /// Lets the mount start.
    pub fn release_mount(&mut self) {
        self.mount_held = false;
    }

    /// Names of all processes, in order.
    pub fn names(&self) -> Vec<String> {
        self.slots
            .iter()
            .map(|slot| slot.spec.name.clone())
            .collect()
    }

    /// Looks after one more process.
    pub fn add(&mut self, spec: ProcessSpec) {
        let at = self
            .slots
            .partition_point(|slot| slot.spec.program <= spec.program);
        self.slots.insert(at, slot(spec));
    }

    /// Ends a process for good.
    pub fn dismiss(&mut self, name: &str) -> Result<()> {
        for slot in self.slots.iter_mut().filter(|slot| slot.spec.name == name) {
            slot.leaves = true;
            if let Some(child) = &slot.child {
                process::send(Pid::from_child(child), Signal::TERM)?;
                process::send(Pid::from_child(child), Signal::CONT)?;
            }
        }
        Ok(())
    }

    /// Looks after every process once.
    pub fn tick(&mut self) -> Result<()> {
        let now = self.epoch.elapsed().as_millis() as u64;
        for at in 0..self.slots.len() {
            self.reap(at, now)?;
            if self.should_start(at, now)? {
                self.start(at, now)?;
            }
        }
        self.slots
            .retain(|slot| !slot.leaves || slot.child.is_some());
        Ok(())
    }

    fn reap(&mut self, at: usize, now: u64) -> Result<()> {
        let slot = &mut self.slots[at];
        let Some(child) = &mut slot.child else {
            return Ok(());
        };
        let name = &slot.spec.name;
        let Some(status) = child
            .try_wait()
            .with_context(|| format!("wait for {name}"))?
        else {
            return Ok(());
        };
        slot.child = None;
        slot.backoff.died(now);
        files::remove(&self.layout.pid(name))?;
        eprintln!("eggsrun: {name} ended: {status}");
        Ok(())
    }

    fn should_start(&mut self, at: usize, now: u64) -> Result<bool> {
        let slot = &mut self.slots[at];
        if slot.child.is_some()
            || slot.leaves
            || (self.mount_held && slot.spec.program == Program::Fuse)
        {
            return Ok(false);
        }
        let asked = self.layout.run().join(format!("{}.start", slot.spec.name));
        if asked.exists() {
            files::remove(&asked)?;
            slot.backoff.reset();
            return Ok(true);
        }
        let wanted = !slot.ever_started || self.supervision == Supervision::Restart;
        Ok(wanted && slot.backoff.may_start(now) && !self.layout.down(&slot.spec.name).exists())
    }

    fn start(&mut self, at: usize, now: u64) -> Result<()> {
        let slot = &mut self.slots[at];
        let name = &slot.spec.name;
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.layout.log(name))
            .with_context(|| format!("open the log of {name}"))?;
        let binary = self.binaries.join(slot.spec.program.binary());
        let child = Command::new(&binary)
            .args(&slot.spec.args)
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("share a log file")?)
            .stderr(log)
            .process_group(0) // Ctrl-C is for eggsrun, which stops things in order
            .spawn()
            .with_context(|| format!("start {}", binary.display()))?;
        fs::write(self.layout.pid(name), format!("{}\n", child.id()))
            .with_context(|| format!("write the pid file of {name}"))?;
        slot.backoff.started(now);
        slot.ever_started = true;
        slot.child = Some(child);
        Ok(())
    }

    /// The process that died most often in a row, if that is often enough to give up a start.
    pub fn hopeless(&self) -> Option<String> {
        let worst = self
            .slots
            .iter()
            .max_by_key(|slot| slot.backoff.failures())?;
        if worst.backoff.failures() < 4 {
            return None;
        }
        let name = &worst.spec.name;
        let log = self.layout.log(name);
        let text = fs::read_to_string(&log).unwrap_or_default();
        let last = text
            .lines()
            .rfind(|line| !line.trim().is_empty())
            .unwrap_or("(its log is empty)");
        Some(format!(
            "{name} ends again and again, saying: {last} (see {})",
            log.display()
        ))
    }

    /// Stops everything, in the opposite order of starting. A process that does not end in time is killed.
    pub async fn stop(mut self, say: impl Fn(&str)) {
        let order = [
            Program::Fuse,
            Program::Gc,
            Program::Cdc,
            Program::Shard,
            Program::Blocks,
            Program::Registry,
        ];
        for program in order {
            let living: Vec<_> = self
                .slots
                .iter_mut()
                .filter(|slot| slot.spec.program == program)
                .filter_map(|slot| {
                    slot.child
                        .take()
                        .map(|child| (slot.spec.name.clone(), child))
                })
                .collect();
            if !living.is_empty() {
                say(&format!("stopping {} ({})", program.binary(), living.len()));
                stop_children(&self.layout, living).await;
            }
        }
    }
}

const STOP_MS: u64 = 15_000;

async fn stop_children(layout: &Layout, mut living: Vec<(String, Child)>) {
    for (_, child) in &living {
        let pid = Pid::from_child(child);
        // A paused process would not hear the first signal without the second.
        for signal in [Signal::TERM, Signal::CONT] {
            if let Err(error) = process::send(pid, signal) {
                eprintln!("eggsrun: {error:#}");
            }
        }
    }
    let begin = Instant::now();
    while !living.is_empty() {
        living.retain_mut(|(name, child)| match child.try_wait() {
            Ok(None) => true,
            Ok(Some(_)) | Err(_) => {
                fs::remove_file(layout.pid(name)).ok(); // a leftover is recognised as such
                false
            }
        });
        if begin.elapsed().as_millis() as u64 > STOP_MS {
            for (name, child) in &mut living {
                eprintln!("eggsrun: {name} does not end: killing it");
                child.kill().ok(); // it may have ended meanwhile
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
