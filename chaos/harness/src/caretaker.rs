//! Clears a cluster away whose owner was killed: nothing else would ever stop it.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// Waits for a line, or for the end of whoever would have written it. No command line names the directory but those of the
/// cluster: they are found by it.
const SCRIPT: &str = r#"
read -r _ && exit
"$PROGRAMS/eggsrun" --dir "$HOME/cluster" stop
for process in /proc/[0-9]*; do
    case "$(tr '\0' ' ' <"$process/cmdline")" in
    *"$HOME/"*) kill -9 "${process#/proc/}" ;;
    esac
done
while read -r _ place _; do
    case "$place" in
    "$HOME"/*) umount -l "$place" ;;
    esac
done </proc/self/mounts
cd / && rm -rf "$HOME"
"#;

/// A shell that outlives this process, however it ends, unless this value is dropped before.
#[derive(Debug)]
pub(crate) struct Caretaker(Child);

impl Caretaker {
    /// Looks after what `eggsrun` of this directory of programs runs in `home/cluster`, and after `home`.
    pub(crate) fn hire(programs: &Path, home: &Path) -> Result<Self> {
        let child = Command::new("sh")
            .args(["-c", SCRIPT])
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
        self.0.wait().ok(); // this process has no other child with that number
    }
}
