//! A disk that hangs beside one that is well, over one connection.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use eggs_proto::MessageKind;
use eggs_proto::block::{BlockRefusal, BlockReply, BlockRequest, BlockResult};
use eggs_proto::{decode, encode};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::{BLOCK, Fixture, LONG, fixture};

const HANGS: usize = 0;
const WELL: usize = 1;
/// Requests to the one that hangs are not given up by whoever asks.
const HANG_DEADLINE: Duration = Duration::from_secs(120);

/// Nobody writes to it: whoever opens it hangs.
struct Fifo(PathBuf);

impl Fifo {
    fn instead_of(file: PathBuf) -> Self {
        std::fs::remove_file(&file).unwrap();
        assert!(
            Command::new("mkfifo")
                .arg(&file)
                .status()
                .unwrap()
                .success()
        );
        Self(file)
    }

    /// Whoever hangs goes on; whoever comes finds nothing.
    fn release(&self) {
        // Opened for reading as well, so that it does not hang itself.
        let both = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(&self.0);
        std::fs::remove_file(&self.0).unwrap();
        drop(both.unwrap());
    }
}

fn block_file(disk: &Path) -> PathBuf {
    let slots = std::fs::read_dir(disk.join("blocks")).unwrap();
    slots
        .map(|slot| slot.unwrap().path().join(BLOCK.to_string()))
        .find(|path| path.exists())
        .unwrap()
}

fn send(
    f: &Arc<Fixture>,
    into: &mut JoinSet<Result<BlockReply, BlockRefusal>>,
    request: &BlockRequest,
    payload: Bytes,
) {
    let (f, body) = (f.clone(), encode(request).into());
    into.spawn(async move {
        let call = f
            .client
            .call(f.address, MessageKind::Block, HANG_DEADLINE, body, payload);
        decode::<BlockResult>(&call.await.unwrap().body).unwrap()
    });
}

async fn healthy(f: &Fixture, bytes: &Bytes) {
    let all = async {
        f.ask(f.write(WELL, bytes), bytes.clone()).await.unwrap();
        let pages = (bytes.len() / 4096) as u32;
        let (_, read) = f.ask(f.read(WELL, 0, pages), "").await.unwrap();
        assert!(read == bytes);
    };
    timeout(LONG, all)
        .await
        .expect("the disk that is well waits for the one that hangs");
}

async fn hang(
    requests: usize,
    bytes: Bytes,
    request: impl Fn(&Fixture, &Bytes) -> (BlockRequest, Bytes),
) {
    let f = Arc::new(fixture());
    f.ask(f.write(HANGS, &bytes), bytes.clone()).await.unwrap();
    let fifo = Fifo::instead_of(block_file(f.path(HANGS)));
    let mut waiting = JoinSet::new();
    for _ in 0..requests {
        let (request, payload) = request(&f, &bytes);
        send(&f, &mut waiting, &request, payload);
    }
    healthy(&f, &bytes).await;
    // All but those that the disk has begun are told to go elsewhere.
    let started = Instant::now();
    while waiting.len() > 6 {
        let refused = timeout(LONG, waiting.join_next())
            .await
            .expect("some wait for ever");
        assert_eq!(refused.unwrap().unwrap(), Err(BlockRefusal::Overloaded));
    }
    assert!(started.elapsed() < LONG);
    healthy(&f, &bytes).await;
    fifo.release();
    while let Some(answer) = timeout(LONG, waiting.join_next()).await.unwrap() {
        let answer = answer.unwrap();
        let fine = matches!(
            answer,
            Ok(BlockReply::Written { .. }) | Err(BlockRefusal::Damaged | BlockRefusal::NotFound)
        );
        assert!(fine, "{answer:?}");
    }
    // The disk is well again.
    let revived = async {
        while f.ask(f.write(HANGS, &bytes), bytes.clone()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        f.ask(f.read(HANGS, 0, 1), "").await.unwrap();
    };
    timeout(LONG, revived).await.unwrap();
    Arc::into_inner(f).unwrap().finish().await;
}

#[tokio::test]
async fn reads_that_hang_hold_up_nobody_else() {
    // More than the connection has places for, of more than there is memory for.
    let bytes = Bytes::from(vec![7; 1 << 20]);
    hang(900, bytes, |f, _| (f.read(HANGS, 0, 256), Bytes::new())).await;
}

#[tokio::test]
async fn writes_that_hang_hold_up_nobody_else() {
    let bytes = Bytes::from(vec![7; 4 << 20]);
    hang(150, bytes, |f, bytes| {
        (f.write(HANGS, bytes), bytes.clone())
    })
    .await;
}
