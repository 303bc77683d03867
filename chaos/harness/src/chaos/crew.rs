//! The workers of a run. Each has a client, and a thread on which all of that client runs, so that it can be paused alone.
//!
//! A worker's thread that sleeps is to its client what SIGSTOP is to a process: nothing of it runs, time goes on without it,
//! and what came meanwhile is found when it wakes, late.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Threads of workers, by their numbers.
pub struct Crew {
    stop: Arc<AtomicBool>,
    threads: Vec<(Handle, JoinHandle<()>)>,
}

/// Whether a worker has to come to its end.
#[derive(Clone, Debug)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Crew {
    pub(super) fn new() -> Self {
        Self {
            stop: Arc::new(AtomicBool::new(false)),
            threads: Vec::new(),
        }
    }

    /// Puts one more to work; waits until `begin` has made what it needs. `work` has to end soon after it is asked to.
    pub(super) async fn join<T, B, W>(
        &mut self,
        begin: B,
        work: impl FnOnce(T, Stop) -> W + Send + 'static,
    ) -> Result<()>
    where
        B: Future<Output = Result<T>> + Send + 'static,
        W: Future<Output = ()>,
    {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("start the runtime of a worker")?;
        let (handle, stop) = (runtime.handle().clone(), Stop(self.stop.clone()));
        let (told, begun) = oneshot::channel();
        let thread = std::thread::Builder::new().name("worker".into());
        let thread = thread.spawn(move || {
            runtime.block_on(async {
                match begin.await {
                    Ok(made) => {
                        told.send(Ok(())).ok(); // nobody waits if the run is over
                        work(made, stop).await;
                    }
                    Err(error) => drop(told.send(Err(error))),
                }
            });
            runtime.shutdown_background();
        });
        let thread = thread.context("start the thread of a worker")?;
        self.threads.push((handle, thread));
        begun.await.context("a worker panicked")?
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.threads.len()
    }

    /// Nothing of this worker runs for a while, from now on. Returns at once.
    pub fn pause(&self, worker: usize, time: Duration) {
        if let Some((handle, _)) = self.threads.get(worker) {
            handle.spawn(async move { std::thread::sleep(time) });
        }
    }

    /// Waits for the operations under way; each is bounded.
    pub(super) async fn end(self: Arc<Self>) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        while self.threads.iter().any(|(_, thread)| !thread.is_finished()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let crew = Arc::try_unwrap(self);
        let mut crew = crew.map_err(|_| anyhow::anyhow!("somebody still commands the workers"))?;
        for (_, thread) in std::mem::take(&mut crew.threads) {
            let ended = thread.join();
            ended.map_err(|_| anyhow::anyhow!("a worker panicked"))?;
        }
        Ok(())
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[tokio::test]
    async fn a_worker_that_is_paused_does_nothing_while_others_work() {
        let mut crew = Crew::new();
        let counts: Vec<_> = (0..2).map(|_| Arc::new(AtomicU64::new(0))).collect();
        for count in &counts {
            let count = count.clone();
            let begun = crew.join(async { Ok(()) }, |(), stop| async move {
                while !stop.is_asked() {
                    count.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            });
            begun.await.unwrap();
        }
        let crew = Arc::new(crew);
        let read = |at: usize| counts[at].load(Ordering::SeqCst);
        while read(0) == 0 || read(1) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        crew.pause(0, Duration::from_secs(1));
        let (first, second) = (read(0), read(1));
        while read(1) < second + 100 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // One may have been under way. A machine that takes a second for a hundred steps proves nothing.
        assert!(read(0) <= first + 1 || read(1) < second + 900);
        crew.end().await.unwrap();
        let (first, second) = (read(0), read(1));
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!((read(0), read(1)), (first, second));
    }

    #[tokio::test]
    async fn one_that_cannot_begin_says_so() {
        let mut crew = Crew::new();
        let begin = async { anyhow::bail!("no") };
        let begun = crew.join(begin, |(), _| async {}).await;
        assert_eq!(begun.unwrap_err().to_string(), "no");
        Arc::new(crew).end().await.unwrap();
    }
}
