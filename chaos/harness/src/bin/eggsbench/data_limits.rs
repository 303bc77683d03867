//! What moving and coding bytes costs here at best, in CPU seconds per gigabyte.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use anyhow::{Context, Result};
use eggs_erasure::Codec;
use eggs_harness::Cluster;
use eggs_proto::Scheme;
use rustix::net::{AddressFamily, SocketType, connect, socket, sockopt};
use xxhash_rust::xxh64::xxh64;

use crate::cpu;
use crate::report::Report;

/// Bytes of each measurement.
const BYTES: usize = 1 << 30;
const PIECE: usize = 1 << 20;

/// CPU seconds per gigabyte.
pub struct DataLimits {
    /// Loopback TCP over as many connections as an extent has data blocks, both ends.
    pub tcp: f64,
    /// The same without pacing, as our connections over loopback are.
    pub tcp_unpaced: f64,
    /// One pass of XXH64.
    pub xxh64: f64,
    /// Parity of `10+4`, per gigabyte of data.
    pub encode: f64,
    /// Writing new files.
    pub files: f64,
}

impl DataLimits {
    pub fn measure(cluster: &Cluster, report: &mut Report) -> Result<Self> {
        let source = vec![7u8; PIECE];
        let copied = per_gigabyte(|| {
            let mut target = vec![0u8; PIECE];
            for _ in 0..BYTES / PIECE {
                target.copy_from_slice(std::hint::black_box(&source));
                std::hint::black_box(&mut target);
            }
            Ok(())
        })?;
        let limits = Self {
            tcp: per_gigabyte(|| loopback(10, Congestion::OfTheHost))?,
            tcp_unpaced: per_gigabyte(|| loopback(10, Congestion::Reno))?,
            xxh64: per_gigabyte(|| {
                for seed in 0..BYTES / PIECE {
                    std::hint::black_box(xxh64(std::hint::black_box(&source), seed as u64));
                }
                Ok(())
            })?,
            encode: per_gigabyte(encode)?,
            files: per_gigabyte(|| files(cluster, &source))?,
        };
        for (what, value) in [
            ("memory copy", copied),
            ("loopback TCP, 10 connections, both ends", limits.tcp),
            ("the same without pacing", limits.tcp_unpaced),
            ("XXH64", limits.xxh64),
            ("10+4 parity", limits.encode),
            ("writing files", limits.files),
        ] {
            report.add(&format!("limit: {what}"), value, "CPU-s/GB");
        }
        Ok(limits)
    }
}

/// The middle of three times.
fn per_gigabyte(mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut all = [0.0; 3];
    for one in &mut all {
        let before = cpu::own();
        work()?;
        *one = (cpu::own() - before) / (BYTES as f64 / 1e9);
    }
    all.sort_by(f64::total_cmp);
    Ok(all[1])
}

/// How fast is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Congestion {
    OfTheHost,
    Reno,
}

impl Congestion {
    /// Before there is a connection: one that began with BBR stays paced.
    fn set(self, socket: impl std::os::fd::AsFd) -> std::io::Result<()> {
        match self {
            Self::OfTheHost => Ok(()),
            Self::Reno => Ok(sockopt::set_tcp_congestion(socket, "reno")?),
        }
    }

    fn connect(self, address: SocketAddr) -> std::io::Result<TcpStream> {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        self.set(&socket)?;
        connect(&socket, &address)?;
        Ok(socket.into())
    }
}

fn loopback(connections: usize, congestion: Congestion) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").context("listen")?;
    congestion.set(&listener).context("set an option")?;
    let address = listener.local_addr().context("listen")?;
    std::thread::scope(|scope| -> Result<()> {
        let mut receivers = Vec::new();
        for _ in 0..connections {
            scope.spawn(move || -> std::io::Result<()> {
                let mut stream = congestion.connect(address)?;
                let chunk = vec![7u8; PIECE];
                for _ in 0..BYTES / PIECE / connections {
                    stream.write_all(&chunk)?;
                }
                Ok(())
            });
            let (mut stream, _) = listener.accept().context("accept")?;
            receivers.push(scope.spawn(move || -> std::io::Result<()> {
                let mut buffer = vec![0u8; PIECE];
                while stream.read(&mut buffer)? > 0 {}
                Ok(())
            }));
        }
        for receiver in receivers {
            let received = receiver.join().ok().context("a receiver panicked")?;
            received.context("receive")?;
        }
        Ok(())
    })
}

fn encode() -> Result<()> {
    let scheme = Scheme {
        data: 10,
        parity: 4,
    };
    let codec = Codec::new(scheme).context("make a codec")?;
    let cell = vec![7u8; PIECE / 10 / 64 * 64];
    let data = vec![cell.as_slice(); 10];
    let mut parity = vec![vec![0u8; cell.len()]; 4];
    for _ in 0..BYTES / (10 * cell.len()) {
        let mut parity: Vec<&mut [u8]> = parity.iter_mut().map(Vec::as_mut_slice).collect();
        codec.encode_into(&data, &mut parity).context("encode")?;
    }
    Ok(())
}

/// Files of the size of a block, synced, on the disk of the cluster.
fn files(cluster: &Cluster, piece: &[u8]) -> Result<()> {
    let dir = cluster.scratch()?;
    for n in 0..BYTES / PIECE / 2 {
        let path = dir.join(format!("block{n}"));
        let mut file = File::create(&path).context("create a file")?;
        file.write_all(piece).context("write")?;
        file.write_all(piece).context("write")?;
        file.sync_data().context("sync")?;
    }
    for n in 0..BYTES / PIECE / 2 {
        let _ = std::fs::remove_file(dir.join(format!("block{n}"))); // goes with the directory at the latest
    }
    Ok(())
}
