//! The program itself, running.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use eggs_proto::hello::Secret;

pub const LONG: Duration = Duration::from_secs(30);

pub fn secret() -> Secret {
    Secret::new([3; 32])
}

pub fn secret_file(dir: &Path) -> String {
    let path = dir.join("secret");
    fs::write(&path, secret().to_hex()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

/// Listens on a port that nobody else has, unless one is added.
pub fn command(dir: &Path, secret: &str, disks: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eggsblocks"));
    command.args(["--id=0", "--domain=0", "--registry=127.0.0.1:1"]);
    command.arg(format!("--dir={}", dir.display()));
    command.arg(format!("--secret-file={secret}"));
    command.args(disks.iter().map(|disk| format!("--disk={disk}")));
    command.env_remove("EGGS_LOG").env_remove("RUST_LOG");
    command
}

pub struct Running(pub Child);

impl Running {
    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that was free just now.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Starts the program and waits until it serves.
pub fn start(command: Command) -> Running {
    start_at(command, 0)
}

/// The same, on a port.
pub fn start_at(mut command: Command, port: u16) -> Running {
    command.arg(format!("--listen=127.0.0.1:{port}"));
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
