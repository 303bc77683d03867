//! Clears away what a program that was killed would have: nothing else would ever stop its cluster.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// Waits for a line, or for the end of whoever would have written it. No command line names the directory but of those who use it: they
/// are found by it.
const BEGIN: &str = r#"
read -r _ && exit
users() {
    for process in /proc/[0-9]*; do
        case "$(tr '\0' ' ' <"$process/cmdline")" in
        *"$HOME/"*) echo "${process#/proc/}" ;;
        esac
    done
}
"#;

/// Ends a cluster and unmounts what is mounted in its directory.
const CLUSTER: &str = r#"
"$PROGRAMS/eggsrun" --dir "$HOME/cluster" stop
for user in $(users); do
    kill -9 "$user"
done
while read -r _ place _; do
    case "$place" in
    "$HOME"/*) umount -l "$place" ;;
    esac
done </proc/self/mounts
cd / && rm -rf "$HOME"
"#;

/// Waits until nobody uses a directory, five minutes at most.
const DIRECTORY: &str = r#"
for _ in $(seq 300); do
    [ -n "$(users)" ] || break
    sleep 1
done
cd / && rm -rf "$HOME"
"#;

/// A shell that outlives this process, however it ends, unless this value is dropped before.
#[derive(Debug)]
pub struct Caretaker(Child);

impl Caretaker {
    /// Looks after what `eggsrun` of this directory of programs runs in `home/cluster`, and after `home`.
    pub(crate) fn of_cluster(programs: &Path, home: &Path) -> Result<Self> {
        Self::hire(CLUSTER, programs, home)
    }

    /// Looks after a directory that nobody uses but those whose command lines name it.
    pub fn of_directory(home: &Path) -> Result<Self> {
        Self::hire(DIRECTORY, home, home)
    }

    fn hire(end: &str, programs: &Path, home: &Path) -> Result<Self> {
        let child = Command::new("sh")
            .args(["-c", &[BEGIN, end].concat()])
            .env("PROGRAMS", programs)
            .env("HOME", home)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0) // Ctrl-C and a test's end by its runner are for the owner
            .spawn()
            .context("start a shell")?;
        Ok(Self(child))
    }
}

impl Drop for Caretaker {
    fn drop(&mut self) {
        if let Some(mut input) = self.0.stdin.take() {
            input.write_all(b"done\n").ok(); // it is gone, then
        }
        self.0.wait().ok(); // nothing more can be done about it
    }
}
