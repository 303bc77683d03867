//! What the machine could do at best, measured in the same run.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use eggs_harness::{Cluster, program_dir};
use eggs_proto::MessageKind;
use eggs_proto::hello::Secret;
use eggs_rpc::{Answer, ClientLimits, Credentials, Handler, Peer, Request, Server, ServerLimits};
use tokio_util::sync::CancellationToken;
use xxhash_rust::xxh64::xxh64;

use crate::cpu;
use crate::report::Report;

/// What `common/raft/examples/limits.rs` finds, which may name RocksDB; `make` builds it.
pub fn of_consensus(report: &mut Report) -> Result<()> {
    #[derive(serde::Deserialize)]
    struct Row {
        what: String,
        value: f64,
        unit: String,
    }
    let program = program_dir()?.join("examples/limits");
    let found = Command::new(&program)
        .output()
        .with_context(|| format!("run {}", program.display()))?;
    anyhow::ensure!(found.status.success(), "{} failed", program.display());
    let rows: Vec<Row> = serde_json::from_slice(&found.stdout).context("read the limits")?;
    for Row { what, value, unit } in rows {
        report.add(&what, value, unit);
    }
    Ok(())
}

/// Small calls to a server that only answers, both ends in this process.
pub async fn of_calls(report: &mut Report) -> Result<()> {
    struct Echo;
    impl Handler for Echo {
        async fn handle(&self, _: &Peer, request: Request) -> Answer {
            Answer {
                body: request.body,
                payload: request.payload.into(),
            }
        }
    }
    const CALLS: usize = 2_000;
    let any = ([127, 0, 0, 1], 0).into();
    let secret = || Secret::new([1; 32]);
    let (limits, stop) = (ServerLimits::default(), CancellationToken::new());
    let server = Server::bind(any, Credentials::server(secret()), limits, Arc::new(Echo))
        .context("bind a server")?;
    let address = server.local_addr();
    let running = tokio::spawn(server.run(stop.clone()));
    let client = Credentials::client(secret().derive_client());
    let client = eggs_rpc::Client::new(client, "limits", ClientLimits::default());
    for clients in [1, 64, 256] {
        let (begin, before) = (Instant::now(), cpu::own());
        let worker = || async {
            for _ in 0..CALLS {
                let body = bytes::Bytes::from_static(&[7; 100]);
                let patience = Duration::from_secs(10);
                client
                    .call(
                        address,
                        MessageKind::Block,
                        patience,
                        body,
                        bytes::Bytes::new(),
                    )
                    .await?;
            }
            Ok::<(), eggs_rpc::RpcError>(())
        };
        futures::future::try_join_all((0..clients).map(|_| worker()))
            .await
            .context("call")?;
        let count = (clients * CALLS) as f64;
        let what = format!("limit: calls of 100 bytes, {clients} at once");
        report.add(&what, count / begin.elapsed().as_secs_f64(), "1/s");
        let each = (cpu::own() - before) * 1e6 / count;
        report.add(&format!("{what}: CPU of both ends"), each, "us/op");
    }
    stop.cancel();
    running.await.context("stop the server")
}

/// Measures the disk's sync, the checksum and the loopback interface.
pub fn measure(cluster: &Cluster, report: &mut Report) -> Result<()> {
    report.add(
        "limit: synced 4 KiB appends, one after another",
        syncs_per_second(cluster)?,
        "1/s",
    );
    report.add("limit: XXH64", checksum_rate(), "GB/s");
    let (wall, cpu) = loopback()?;
    report.add("limit: loopback TCP, one connection", wall, "GB/s");
    report.add("limit: loopback TCP, CPU of both ends", cpu, "CPU-s/GB");
    Ok(())
}

fn syncs_per_second(cluster: &Cluster) -> Result<f64> {
    let mut file = File::create(cluster.scratch()?.join("sync")).context("create a file")?;
    let begin = Instant::now();
    let mut count = 0.0;
    while begin.elapsed() < Duration::from_secs(1) {
        file.write_all(&[7; 4096]).context("append")?;
        file.sync_data().context("sync")?;
        count += 1.0;
    }
    Ok(count / begin.elapsed().as_secs_f64())
}

fn checksum_rate() -> f64 {
    let bytes = vec![7u8; 16 << 20];
    let begin = Instant::now();
    let mut sum = 0;
    for seed in 0..16 {
        sum ^= xxh64(&bytes, seed);
    }
    std::hint::black_box(sum);
    (16 * bytes.len()) as f64 / 1e9 / begin.elapsed().as_secs_f64()
}

/// Gigabytes per second, and CPU seconds per gigabyte.
fn loopback() -> Result<(f64, f64)> {
    const BYTES: usize = 1 << 30;
    let listener = TcpListener::bind("127.0.0.1:0").context("listen")?;
    let address = listener.local_addr().context("listen")?;
    let (begin, cpu_before) = (Instant::now(), cpu::own());
    std::thread::scope(|scope| -> Result<()> {
        scope.spawn(move || -> std::io::Result<()> {
            let mut stream = TcpStream::connect(address)?;
            let chunk = vec![7u8; 1 << 20];
            for _ in 0..BYTES / chunk.len() {
                stream.write_all(&chunk)?;
            }
            Ok(())
        });
        let (mut stream, _) = listener.accept().context("accept")?;
        let mut buffer = vec![0u8; 1 << 20];
        while stream.read(&mut buffer).context("receive")? > 0 {}
        Ok(())
    })?;
    let gigabytes = BYTES as f64 / 1e9;
    Ok((
        gigabytes / begin.elapsed().as_secs_f64(),
        (cpu::own() - cpu_before) / gigabytes,
    ))
}
