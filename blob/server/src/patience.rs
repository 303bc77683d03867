//! How a request waits for a thread of its disk.
//!
//! **Invariant:** nobody waits beyond the deadline, nor in the queue of a disk that hangs.
//!
//! **Invariant:** what was given up before it began holds no memory: it leaves an empty place in the queue.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eggs_proto::block::BlockRefusal;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::pool::{Pool, Work};

/// Between looks at whether the disk hangs.
const LOOK: Duration = Duration::from_millis(250);

/// What waits, and until when.
pub(crate) struct Patience {
    pub work: Work,
    pub deadline: Instant,
}

impl Patience {
    /// Runs something in a thread of the pool and waits for what comes of it.
    pub async fn run<F, T>(&self, pool: &Pool, run: F) -> Result<T, BlockRefusal>
    where
        F: FnOnce() -> Result<T, BlockRefusal> + Send + 'static,
        T: Send + 'static,
    {
        let (done, mut answer) = oneshot::channel();
        let place = Arc::new(Mutex::new(Some(run)));
        let queued = place.clone();
        pool.submit(self.work, move || {
            if let Some(run) = take(&queued) {
                let _ = done.send(run()); // perhaps nobody waits any more
            }
        })?;
        loop {
            let look = self.deadline.min(Instant::now() + LOOK);
            match timeout_at(look, &mut answer).await {
                Ok(Ok(result)) => return result,
                // It panicked, or the pool was dropped.
                Ok(Err(_)) => {
                    return Err(BlockRefusal::DiskFailed("the request failed".to_owned()));
                }
                Err(_) if Instant::now() >= self.deadline => {
                    drop(take(&place));
                    return Err(BlockRefusal::Overloaded);
                }
                // What runs is waited for: it may yet succeed.
                Err(_) if pool.is_stuck(self.work) && take(&place).is_some() => {
                    return Err(BlockRefusal::Overloaded);
                }
                Err(_) => {}
            }
        }
    }
}

/// Takes what has not begun out of its place.
fn take<F>(place: &Mutex<Option<F>>) -> Option<F> {
    place.lock().unwrap_or_else(PoisonError::into_inner).take()
}
