//! CPU time per RPC, both ends in this process.
//!
//! `cargo run --release -p eggs-rpc --example small_rpc -- [current|multi]`

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use eggs_proto::MessageKind;
use eggs_proto::hello::Secret;
use eggs_rpc::{Answer, Client, ClientLimits, Credentials, Handler, Peer, Request};
use eggs_rpc::{Server, ServerLimits};
use tokio_util::sync::CancellationToken;

struct Echo;

impl Handler for Echo {
    async fn handle(&self, _: &Peer, request: Request) -> Answer {
        Answer {
            body: request.body,
            payload: request.payload.into(),
        }
    }
}

fn main() -> std::io::Result<()> {
    let flavour = std::env::args().nth(1).unwrap_or_else(|| "current".into());
    let mut builder = match flavour.as_str() {
        "multi" => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    builder
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(measure(&flavour))
}

async fn measure(flavour: &str) -> std::io::Result<()> {
    let cluster = Secret::new([1; 32]);
    let client = Credentials::client(cluster.derive_client());
    let server = Server::bind(
        ([127, 0, 0, 1], 0).into(),
        Credentials::server(cluster),
        ServerLimits::default(),
        Arc::new(Echo),
    )?;
    let (address, stop) = (server.local_addr(), CancellationToken::new());
    let running = tokio::spawn(server.run(stop.clone()));
    let client = Client::new(client, "small_rpc", ClientLimits::default());
    for (clients, calls, payload) in [
        (1, 50_000, 0),
        (64, 10_000, 0),
        (256, 2_500, 0),
        (4, 250, 2 << 20),
    ] {
        let (wall, cpu) = (Instant::now(), cpu_time());
        let tasks: Vec<_> = (0..clients)
            .map(|_| {
                let client = client.clone();
                let (body, payload) = (Bytes::from(vec![0; 100]), Bytes::from(vec![0; payload]));
                tokio::spawn(async move {
                    for _ in 0..calls {
                        let (kind, timeout) = (MessageKind::Block, Duration::from_secs(10));
                        let call =
                            client.call(address, kind, timeout, body.clone(), payload.clone());
                        call.await.expect("the server is up");
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await?;
        }
        let total = f64::from(clients * calls);
        println!(
            "{flavour}: {clients} clients, {payload} bytes of payload: {:.2} µs CPU and {:.2} µs wall per RPC",
            (cpu_time() - cpu).as_secs_f64() * 1e6 / total,
            wall.elapsed().as_secs_f64() * 1e6 / total,
        );
    }
    stop.cancel();
    running.await?;
    Ok(())
}

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        time.tv_nsec.unsigned_abs() as u32,
    )
}
