//! Nothing that arrives on a socket stops a process or has any other effect.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};
use eggs_harness::{Cluster, Content, Options};
use eggs_proto::{BODY_BYTES_MAX, Direction, HEADER_BYTES, Header, MessageKind, PAYLOAD_BYTES_MAX};

/// Every loopback address that a process of the cluster listens on, from its command line.
fn addresses(cluster: &Cluster) -> Result<Vec<SocketAddr>> {
    let mut found = Vec::new();
    for name in cluster.process_names()? {
        let pid = cluster.pid(&name)?.as_raw_nonzero();
        let line =
            fs::read_to_string(format!("/proc/{pid}/cmdline")).context("read a command line")?;
        for arg in line.split('\0') {
            let value = arg
                .strip_prefix("--listen=")
                .or(arg.strip_prefix("--http="));
            found.extend(value.and_then(|text| text.parse::<SocketAddr>().ok()));
        }
    }
    Ok(found)
}

fn attacks() -> Vec<Vec<u8>> {
    let header = |kind, body, payload| Header {
        direction: Direction::Request,
        kind,
        request: 7,
        deadline_ms: 1000,
        body_bytes: body,
        payload_bytes: payload,
    };
    let mut attacks = vec![
        vec![0; 4096],
        vec![0xff; 4096],
        Content {
            seed: 3,
            bytes: 65_536,
        }
        .make(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        header(MessageKind::Hello, BODY_BYTES_MAX, PAYLOAD_BYTES_MAX)
            .encode()
            .to_vec(),
        header(MessageKind::Hello, u32::MAX, u32::MAX)
            .encode()
            .to_vec(),
    ];
    // Requests before any handshake, with nonsense in them.
    for kind in [
        MessageKind::Shard,
        MessageKind::Cdc,
        MessageKind::Block,
        MessageKind::Registry,
        MessageKind::Raft,
    ] {
        let mut bytes = header(kind, 64, 0).encode().to_vec();
        bytes.extend(Content { seed: 4, bytes: 64 }.make());
        attacks.push(bytes);
    }
    let mut wrong_version = header(MessageKind::Hello, 0, 0).encode();
    wrong_version[4] = 99;
    attacks.push(wrong_version.to_vec());
    attacks.push(header(MessageKind::Hello, 0, 0).encode()[..HEADER_BYTES / 2].to_vec());
    attacks
}

#[test]
fn garbage_on_every_port_changes_nothing() -> Result<()> {
    let cluster = Cluster::start(Options::default())?;
    let content = Content {
        seed: 1,
        bytes: 2_000_000,
    };
    fs::write(cluster.mount().join("file"), content.make())?;
    let names = cluster.process_names()?;
    let pids = |names: &[String]| {
        names
            .iter()
            .map(|name| cluster.pid(name))
            .collect::<Result<Vec<_>>>()
    };
    let before = pids(&names)?;
    let addresses = addresses(&cluster)?;
    assert!(addresses.len() >= 28, "{addresses:?}");
    for address in &addresses {
        for attack in attacks() {
            let mut stream =
                TcpStream::connect(address).with_context(|| format!("connect to {address}"))?;
            stream.set_read_timeout(Some(Duration::from_millis(50)))?;
            stream.write_all(&attack).ok(); // the other side may close early
            stream.read_to_end(&mut Vec::new()).ok(); // until it closes or 50 ms of silence
        }
    }
    assert_eq!(pids(&names)?, before, "a process was stopped");
    content
        .check(&fs::read(cluster.mount().join("file"))?)
        .map_err(anyhow::Error::msg)?;
    fs::write(cluster.mount().join("more"), "x")?;
    cluster.wait_healthy()
}
