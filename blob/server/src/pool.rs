//! The threads of one disk and what waits for them.
//!
//! Threads are made when something waits and none is idle, and end when there has been nothing to do for a while.
//!
//! **Invariant:** no kind of work ever has all threads, so reads go on while writes wait for an fsync,
//! and the other way round.
//!
//! **Invariant:** each kind of work waits in a bounded queue of its own; kinds take turns.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Threads of one disk.
const THREADS_MAX: usize = 8;
/// Threads that one kind of work may have.
const THREADS_PER_KIND_MAX: usize = THREADS_MAX - 2;
/// A thread with nothing to do for this long ends.
const IDLE: Duration = Duration::from_secs(10);
/// Threads keep large buffers on the heap.
const STACK_BYTES: usize = 256 << 10;

/// Kinds of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Reading pages for somebody who waits.
    Read,
    /// Writing and erasing.
    Write,
    /// Checking, listing, and our own upkeep.
    Background,
}

const KINDS: usize = 3;

/// Too much is waiting already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overloaded;

type Job = Box<dyn FnOnce() + Send>;

/// The threads of one disk.
pub(crate) struct Pool(Arc<Shared>);

struct Shared {
    name: String,
    queue_max: usize,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    queues: [VecDeque<Job>; KINDS],
    running: [usize; KINDS],
    /// Whose turn it is.
    turn: usize,
    threads: usize,
    idle: usize,
    stopping: bool,
}

impl Pool {
    /// Threads will be called `name`; at most `queue_max` jobs of each kind wait.
    pub fn new(name: String, queue_max: usize) -> Self {
        Self(Arc::new(Shared {
            name,
            queue_max,
            state: Mutex::default(),
            wake: Condvar::new(),
        }))
    }

    /// Runs a job soon, or says at once that too much is waiting.
    pub fn submit(
        &self,
        work: Work,
        job: impl FnOnce() + Send + 'static,
    ) -> Result<(), Overloaded> {
        let mut state = self.0.lock();
        let queue = &mut state.queues[work as usize];
        if queue.len() >= self.0.queue_max {
            return Err(Overloaded);
        }
        queue.push_back(Box::new(job));
        let waiting: usize = state.queues.iter().map(VecDeque::len).sum();
        if waiting <= state.idle || state.threads == THREADS_MAX {
            self.0.wake.notify_one();
        } else {
            state.threads += 1;
            drop(state);
            self.0.start_thread();
        }
        Ok(())
    }
}

impl Drop for Pool {
    /// Jobs that run come to their end; those that wait are dropped.
    fn drop(&mut self) {
        self.0.lock().stopping = true;
        self.0.wake.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start_thread(self: &Arc<Self>) {
        let shared = self.clone();
        let thread = std::thread::Builder::new()
            .name(self.name.clone())
            .stack_size(STACK_BYTES);
        if let Err(error) = thread.spawn(move || shared.work()) {
            // The job waits for another thread, or its asker for its deadline.
            self.lock().threads -= 1;
            tracing::warn!(disk = self.name, %error, "cannot start a thread");
        }
    }

    /// The life of a thread.
    fn work(&self) {
        let mut state = self.lock();
        while let Some((kind, job)) = state.next() {
            drop(state);
            // The panic was logged; whoever waits for the job finds its channel closed.
            let _ = catch_unwind(AssertUnwindSafe(job));
            state = self.lock();
            state.running[kind] -= 1;
            state = self.wait_for_job(state);
        }
        state.threads -= 1;
    }

    /// Returns when there may be a job, or none came for a while.
    fn wait_for_job<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        if state.may_run() || state.stopping {
            return state;
        }
        state.idle += 1;
        let (mut state, _) = self
            .wake
            .wait_timeout_while(state, IDLE, |state| !state.may_run() && !state.stopping)
            .unwrap_or_else(PoisonError::into_inner);
        state.idle -= 1;
        state
    }
}

impl State {
    fn allowed(&self, kind: usize) -> bool {
        !self.queues[kind].is_empty() && self.running[kind] < THREADS_PER_KIND_MAX
    }

    fn may_run(&self) -> bool {
        (0..KINDS).any(|kind| self.allowed(kind))
    }

    /// Takes the next job, kinds in turn.
    fn next(&mut self) -> Option<(usize, Job)> {
        if self.stopping {
            return None;
        }
        let kinds = (1..=KINDS).map(|step| (self.turn + step) % KINDS);
        let kind = kinds.into_iter().find(|kind| self.allowed(*kind))?;
        let job = self.queues[kind].pop_front()?;
        self.turn = kind;
        self.running[kind] += 1;
        Some((kind, job))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn stuck_writes_do_not_hold_up_reads_and_are_bounded() {
        let pool = Pool::new("test".to_owned(), 4);
        let (release, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let (done, finished) = mpsc::channel();
        let stuck = |done: mpsc::Sender<&'static str>| {
            let gate = gate.clone();
            move || {
                gate.lock().unwrap().recv().unwrap();
                done.send("write").unwrap();
            }
        };
        let mut accepted = 0;
        // Jobs leave the queue as threads take them: until all that may be are busy and it is full.
        while accepted < THREADS_PER_KIND_MAX + 4 {
            match pool.submit(Work::Write, stuck(done.clone())) {
                Ok(()) => accepted += 1,
                Err(Overloaded) => std::thread::yield_now(),
            }
        }
        assert_eq!(
            pool.submit(Work::Write, stuck(done.clone())),
            Err(Overloaded)
        );
        let read = done.clone();
        pool.submit(Work::Read, move || read.send("read").unwrap())
            .unwrap();
        assert_eq!(finished.recv_timeout(LONG), Ok("read"));
        (0..accepted).for_each(|_| release.send(()).unwrap());
        for _ in 0..accepted {
            assert_eq!(finished.recv_timeout(LONG), Ok("write"));
        }
    }

    #[test]
    fn a_panic_costs_one_job() {
        let pool = Pool::new("test".to_owned(), 4);
        let (done, finished) = mpsc::channel();
        pool.submit(Work::Read, || panic!("on purpose")).unwrap();
        pool.submit(Work::Read, move || done.send(()).unwrap())
            .unwrap();
        assert_eq!(finished.recv_timeout(LONG), Ok(()));
    }

    #[test]
    fn dropping_the_pool_ends_its_threads() {
        let pool = Pool::new("test".to_owned(), 4);
        let (done, finished) = mpsc::channel();
        pool.submit(Work::Read, move || done.send(()).unwrap())
            .unwrap();
        finished.recv_timeout(LONG).unwrap();
        let shared = Arc::downgrade(&pool.0);
        drop(pool);
        let started = std::time::Instant::now();
        while shared.upgrade().is_some() {
            assert!(started.elapsed() < LONG, "a thread holds on");
            std::thread::yield_now();
        }
    }
}
