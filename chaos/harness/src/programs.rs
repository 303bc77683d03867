//! Runs programs with a bound on their time.

use std::path::PathBuf;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Where our programs are: `EGGS_BIN_DIR`, or the build directory that this program is in.
pub fn program_dir() -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("EGGS_BIN_DIR") {
        return Ok(dir.into());
    }
    let exe = std::env::current_exe().context("find this program")?;
    let dir = exe
        .ancestors()
        .skip(1)
        .find(|dir| dir.join("eggsrun").is_file());
    dir.map(PathBuf::from)
        .context("the programs are not built: run 'make build' first, or set EGGS_BIN_DIR")
}

/// What a program that ended said.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to its standard output.
    pub stdout: String,
    /// What it wrote to its standard error.
    pub stderr: String,
}

impl Finished {
    /// The output, if the program succeeded.
    pub fn ok(self) -> Result<String> {
        if !self.status.success() {
            bail!(
                "{}: stdout {:?}, stderr {:?}",
                self.status,
                self.stdout,
                self.stderr
            );
        }
        Ok(self.stdout)
    }
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Self {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Runs a command to its end; it is killed when it takes longer than `bound`.
pub(crate) fn run(command: &mut Command, bound: Duration) -> Result<Finished> {
    let described = format!("{command:?}");
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {described}"))?;
    let pid = rustix::process::Pid::from_child(&child);
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    let begin = Instant::now();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    match receiver.recv_timeout(bound) {
        Ok(output) => Ok(output
            .with_context(|| format!("wait for {described}"))?
            .into()),
        Err(_) => {
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok(); // it may be gone
            bail!("{described} did not end within {:?}", begin.elapsed())
        }
    }
}
