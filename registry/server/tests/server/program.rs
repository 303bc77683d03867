//! The program: how it starts, how it does not start, how it stops.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::{PATIENCE, free_address, http, secret};

fn secret_file(dir: &Path) -> String {
    let path = dir.join("secret");
    std::fs::write(&path, secret().to_hex()).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

struct Options {
    id: u32,
    listen: String,
    http: String,
    peers: String,
}

impl Options {
    fn single() -> Self {
        let listen = free_address().to_string();
        Self {
            id: 0,
            peers: format!("0={listen}"),
            listen,
            http: free_address().to_string(),
        }
    }

    fn start(&self, dir: &Path) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_eggsshuckle"));
        command
            .arg(format!("--id={}", self.id))
            .arg(format!("--dir={}", dir.join("data").display()))
            .arg(format!("--listen={}", self.listen))
            .arg(format!("--http={}", self.http))
            .arg(format!("--peers={}", self.peers))
            .arg(format!("--secret-file={}", secret_file(dir)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Must fail at once; its last line.
    fn complaint(&self, dir: &Path) -> String {
        let output = finish(self.start(dir));
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8(output.stderr).unwrap();
        text.lines().last().unwrap().to_owned()
    }
}

fn finish(mut child: Child) -> Output {
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("it did not end");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_serves_until_it_is_told_to_stop() {
    let dir = TempDir::new().unwrap();
    let options = Options::single();
    for round in 0..2 {
        let child = options.start(dir.path());
        let address = options.http.parse().unwrap();
        let start = Instant::now();
        let ready = async || match tokio::net::TcpStream::connect(address).await {
            Ok(_) => http::get(address, "/health/ready").await.status == 200,
            Err(_) => false,
        };
        while !ready().await {
            assert!(start.elapsed() < PATIENCE, "round {round}: never ready");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let pid = child.id().to_string();
        assert!(Command::new("kill").arg(&pid).status().unwrap().success());
        let output = finish(child);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "round {round}: {text}");
        assert!(!text.contains("ERROR"), "round {round}: {text}");
    }
}

#[test]
fn a_port_that_is_taken_is_named_with_its_option() {
    let dir = TempDir::new().unwrap();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    let options = Options {
        listen: taken.clone(),
        ..Options::single()
    };
    let line = options.complaint(dir.path());
    assert_eq!(
        line,
        format!(
            "eggsshuckle: cannot listen on {taken} (--listen): another process uses this port; stop it or choose another port"
        )
    );
    let options = Options {
        http: taken.clone(),
        ..Options::single()
    };
    let line = options.complaint(dir.path());
    assert!(line.contains(&format!("{taken} (--http)")), "{line}");
}

#[test]
fn a_directory_belongs_to_one_process() {
    let dir = TempDir::new().unwrap();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap();
    // The directory is claimed before the port is found to be taken.
    let first = Options {
        listen: taken.to_string(),
        ..Options::single()
    };
    first.complaint(dir.path());
    let second = Options {
        id: 1,
        peers: format!("1={}", first.listen),
        ..Options::single()
    };
    let line = second.complaint(dir.path());
    assert!(
        line.contains("belongs to eggsshuckle shuckle0 of cluster `eggsfs`, not to"),
        "{line}"
    );

    let label = dir.path().join("data/LABEL");
    let text = std::fs::read_to_string(&label).unwrap();
    std::fs::write(&label, text.replace("\"format\": 4", "\"format\": 5")).unwrap();
    let line = first.complaint(dir.path());
    assert!(
        line.contains("was written by format 5, this build writes format 4"),
        "{line}"
    );
    std::fs::write(&label, "?").unwrap();
    let line = first.complaint(dir.path());
    assert!(line.contains("is not a label of EggsFS"), "{line}");
}

#[test]
fn a_process_has_to_be_among_its_peers() {
    let dir = TempDir::new().unwrap();
    let options = Options {
        id: 4,
        ..Options::single()
    };
    let line = options.complaint(dir.path());
    assert!(line.contains("--id 4 is not among --peers (0)"), "{line}");
}

#[test]
fn a_secret_that_others_can_read_is_not_used() {
    let dir = TempDir::new().unwrap();
    let file = secret_file(dir.path());
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_eggsshuckle"))
        .args([
            "--id=0",
            "--dir=/nonexistent",
            "--listen=127.0.0.1:1",
            "--http=127.0.0.1:1",
        ])
        .args(["--peers=0=127.0.0.1:1", &format!("--secret-file={file}")])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.lines().last().unwrap().contains("chmod 600"), "{text}");
}
