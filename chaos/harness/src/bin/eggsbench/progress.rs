//! Long work says how far it is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use futures::future::{Either, select};

/// Between two lines.
const TOLD: Duration = Duration::from_secs(10);

/// Does the work and tells on the standard error, again and again, how many there are and how fast they come.
pub async fn telling<T>(
    what: &str,
    done: &AtomicU64,
    all: u64,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let tell = async {
        let (mut told, mut at) = (0, Instant::now());
        loop {
            tokio::time::sleep(TOLD).await;
            let now = done.load(Ordering::Relaxed).min(all);
            let rate = (now - told) as f64 / at.elapsed().as_secs_f64();
            eprintln!("{what}: {now} of {all}, {rate:.0} a second");
            (told, at) = (now, Instant::now());
        }
    };
    match select(std::pin::pin!(work), std::pin::pin!(tell)).await {
        Either::Left((done, _)) => done,
        Either::Right((never, _)) => never,
    }
}
