//! A real mount of the fake cluster, in a temporary directory.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use eggs_fuse::mount::{Access, Mount, mount};
use eggs_fuse::{FileSystem, Settings};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::Fake;

/// Longest time a command of a test may take, in seconds.
const COMMAND_SECONDS: &str = "60";

/// How to mount.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    pub cache: Duration,
}

/// Unmounted when dropped, also by a panic.
pub struct Mounted {
    pub fake: Fake,
    pub fs: Arc<FileSystem>,
    mount: Option<Mount>,
    runtime: Option<Runtime>,
    point: PathBuf,
    dir: TempDir,
}

impl Mounted {
    /// `None`, with a word about why, where mounting is not possible.
    pub fn new(options: Options) -> Option<Self> {
        if !rustix::process::geteuid().is_root() || !Path::new("/dev/fuse").exists() {
            eprintln!("skipped: mounting needs root and /dev/fuse");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let point = dir.path().join("mnt");
        let spool = dir.path().join("spool");
        std::fs::create_dir(&point).unwrap();
        std::fs::create_dir(&spool).unwrap();
        let runtime = Runtime::new().unwrap();
        let fake = Fake::new();
        let settings = Settings {
            cache: options.cache,
            spool_dir: Arc::from(spool.as_path()),
        };
        let fs = FileSystem::new(Arc::new(fake.clone()), settings);
        let mount = runtime
            .block_on(mount(fs.clone(), &point, Access::All))
            .unwrap();
        Some(Self {
            fake,
            fs,
            mount: Some(mount),
            runtime: Some(runtime),
            point,
            dir,
        })
    }

    /// A path in the mount.
    pub fn path(&self, name: &str) -> PathBuf {
        self.point.join(name)
    }

    /// A path next to the mount, on an ordinary file system.
    pub fn outside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs a command in the mount, bounded in time.
    pub fn command(&self, program: &str, arguments: &[&str]) -> Output {
        Command::new("timeout")
            .args(["-k", "1", COMMAND_SECONDS, program])
            .args(arguments)
            .current_dir(&self.point)
            .env("OUT", self.dir.path())
            .env("HOME", self.dir.path())
            .output()
            .unwrap()
    }

    /// Runs a script that must succeed; returns what it printed.
    pub fn run(&self, shell: &str, script: &str) -> String {
        let output = self.command(shell, &["-c", script]);
        assert!(
            output.status.success(),
            "{shell} -c '{script}': {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a script that must fail; returns its complaint.
    pub fn fail(&self, shell: &str, script: &str) -> String {
        let output = self.command(shell, &["-c", script]);
        assert!(!output.status.success(), "{shell} -c '{script}' succeeded");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Runs Python code that must succeed; returns what it printed.
    pub fn python(&self, code: &str) -> String {
        let code = format!("import os, sys, mmap, time, signal, subprocess\n{code}");
        self.run_python(&code)
    }

    fn run_python(&self, code: &str) -> String {
        let output = self.command("python3", &["-c", code]);
        assert!(
            output.status.success(),
            "{code}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Content as another client sees it, as text.
    pub fn text(&self, path: &str) -> Option<String> {
        self.fake
            .content(path)
            .map(|bytes| String::from_utf8(bytes).unwrap())
    }

    /// Waits until nothing is open for writing any more and no transient file is left.
    pub fn settle(&self) {
        self.until("all files are closed", || {
            self.fs.files_being_written() == 0 && self.fake.transients() == 0
        });
    }

    /// Waits for a condition, bounded in time.
    pub fn until(&self, what: &str, condition: impl Fn() -> bool) {
        let start = Instant::now();
        while !condition() {
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "not reached: {what}"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let (Some(mount), Some(runtime)) = (self.mount.take(), self.runtime.take()) {
            runtime.block_on(mount.unmount(Duration::from_secs(5)));
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}
