//! The program: what it says when it cannot start, and that it stops when asked to.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use eggs_proto::hello::Secret;

const LONG: Duration = Duration::from_secs(30);

fn secret_file(dir: &Path) -> String {
    let path = dir.join("secret");
    fs::write(&path, Secret::new([3; 32]).to_hex()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

fn command(dir: &Path, secret: &str, disks: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eggsblocks"));
    command.args([
        "--id=0",
        "--domain=0",
        "--listen=127.0.0.1:0",
        "--registry=127.0.0.1:1",
    ]);
    command.arg(format!("--dir={}", dir.display()));
    command.arg(format!("--secret-file={secret}"));
    command.args(disks.iter().map(|disk| format!("--disk={disk}")));
    command.env_remove("EGGS_LOG").env_remove("RUST_LOG");
    command
}

/// The last line of what a program that cannot start says.
fn complaint(mut command: Command) -> String {
    let out = command.output().unwrap();
    assert_eq!(out.status.code(), Some(1));
    let text = String::from_utf8(out.stderr).unwrap();
    text.lines().last().unwrap().to_owned()
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the program and waits until it serves.
fn start(mut command: Command) -> Running {
    let mut running = Running(command.stderr(Stdio::piped()).spawn().unwrap());
    let mut log = running.0.stderr.take().unwrap();
    let (started, mut seen) = (Instant::now(), Vec::new());
    while !String::from_utf8_lossy(&seen).contains("serving") {
        assert!(
            started.elapsed() < LONG,
            "{}",
            String::from_utf8_lossy(&seen)
        );
        let mut some = [0; 4096];
        let count = log.read(&mut some).unwrap();
        assert_ne!(count, 0, "it ended: {}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&some[..count]);
    }
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    running
}

#[test]
fn it_says_in_one_sentence_why_it_cannot_start() {
    let dir = tempfile::tempdir().unwrap();
    let secret = secret_file(dir.path());
    let missing = complaint(command(dir.path(), "/nonexistent", &["hdd:a"]));
    assert!(
        missing.starts_with("eggsblocks: read secret file /nonexistent: "),
        "{missing}"
    );
    fs::create_dir(dir.path().join("full")).unwrap();
    fs::write(dir.path().join("full/precious"), "").unwrap();
    let full = complaint(command(dir.path(), &secret, &["hdd:full"]));
    assert!(
        full.ends_with("cannot be made an EggsFS disk: it is not empty"),
        "{full}"
    );
    let twice = complaint(command(dir.path(), &secret, &["hdd:a", "hdd:a"]));
    assert!(twice.contains("is in use by another process"), "{twice}");
}

#[test]
fn it_makes_its_disks_keeps_them_and_stops_when_asked_to() {
    let dir = tempfile::tempdir().unwrap();
    let secret = secret_file(dir.path());
    let label = dir.path().join("a/label");
    let mut first = None;
    for _ in 0..2 {
        let mut running = start(command(dir.path(), &secret, &["hdd:a", "flash:b"]));
        let text = fs::read_to_string(&label).unwrap();
        assert_eq!(first.get_or_insert_with(|| text.clone()), &text);
        let pid = running.0.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        let asked = Instant::now();
        let status = loop {
            match running.0.try_wait().unwrap() {
                Some(status) => break status,
                None => std::thread::sleep(Duration::from_millis(5)),
            }
            assert!(asked.elapsed() < LONG, "it does not stop");
        };
        assert!(status.success(), "{status}");
    }
}
