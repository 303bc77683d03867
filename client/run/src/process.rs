//! Processes of a cluster as the system sees them.
//!
//! **Invariant:** a signal only goes to a process that was started for this cluster: its command line names the
//! cluster's directory, so a pid that was given to something else meanwhile is left alone.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::layout::Layout;

/// What a process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    Running,
    /// Stopped by a signal.
    Paused,
    Dead,
}

impl Condition {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Dead => "dead",
        }
    }
}

/// The pid in a process's pid file, if that process lives and belongs to the cluster.
pub fn living(layout: &Layout, name: &str) -> Option<Pid> {
    let text = fs::read_to_string(layout.pid(name)).ok()?;
    let pid = Pid::from_raw(text.trim().parse().ok()?)?;
    let ours = belongs_to(pid, layout.dir()) && condition_of(pid) != Condition::Dead;
    ours.then_some(pid)
}

fn belongs_to(pid: Pid, dir: &Path) -> bool {
    let Ok(command_line) = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())) else {
        return false;
    };
    let dir = dir.as_os_str().as_encoded_bytes();
    command_line.split(|byte| *byte == 0).any(|arg| {
        let value = arg
            .iter()
            .position(|b| *b == b'=')
            .map_or(arg, |at| &arg[at + 1..]);
        value
            .strip_prefix(dir)
            .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    })
}

/// What a process is doing.
pub fn condition_of(pid: Pid) -> Condition {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok();
    // The name in parentheses may itself contain any character, so look behind its end.
    let state = stat
        .as_deref()
        .and_then(|text| text.rsplit_once(") ")?.1.chars().next());
    match state {
        None | Some('Z' | 'X') => Condition::Dead,
        Some('T' | 't') => Condition::Paused,
        Some(_) => Condition::Running,
    }
}

/// Sends a signal to a process that may be gone already.
pub fn send(pid: Pid, signal: Signal) -> Result<()> {
    match kill_process(pid, signal) {
        Err(rustix::io::Errno::SRCH) | Ok(()) => Ok(()),
        Err(error) => {
            Err(error).with_context(|| format!("send a signal to pid {}", pid.as_raw_nonzero()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_processes_are_found() {
        let home = tempfile::tempdir().unwrap();
        let layout = Layout::new(home.path().to_path_buf());
        fs::create_dir_all(layout.run()).unwrap();
        let mut ours = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        fs::write(layout.pid("shard0"), ours.id().to_string()).unwrap();
        assert_eq!(
            living(&layout, "shard0"),
            None,
            "its command line does not name the directory"
        );
        assert_eq!(condition_of(Pid::from_child(&ours)), Condition::Running);
        ours.kill().unwrap();
        ours.wait().unwrap();
        fs::write(layout.pid("shard0"), "not a number").unwrap();
        assert_eq!(living(&layout, "shard0"), None);
        assert_eq!(living(&layout, "missing"), None);
    }
}
