//! A single-threaded executor without a clock: tasks are polled in the order in which they were woken.
//!
//! Actors that follow a protocol (clients, the coordinator's driver, the collector) are written as futures; whatever
//! they wait for is a [`Slot`] that an event of the simulation fills.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use eggs_proto::NodeId;

type Ready = Arc<Mutex<VecDeque<u64>>>;
type Work = Pin<Box<dyn Future<Output = ()>>>;

/// All tasks of one simulation.
#[derive(Default)]
pub struct Tasks {
    tasks: BTreeMap<u64, (NodeId, Work)>,
    next: u64,
    ready: Ready,
}

struct Handle {
    task: u64,
    ready: Ready,
}

impl Wake for Handle {
    fn wake(self: Arc<Self>) {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        ready.push_back(self.task);
    }
}

impl Tasks {
    /// Starts a task of a process or client.
    pub fn spawn(&mut self, owner: NodeId, work: impl Future<Output = ()> + 'static) {
        let task = self.next;
        self.next += 1;
        self.tasks.insert(task, (owner, Box::pin(work)));
        Waker::from(self.handle(task)).wake();
    }

    /// Ends all tasks of a process, as its death does.
    pub fn kill(&mut self, owner: NodeId) {
        self.tasks.retain(|_, (of, _)| *of != owner);
    }

    /// Polls until every task waits.
    pub fn run(&mut self) {
        while let Some(task) = self.next_ready() {
            let waker = Waker::from(self.handle(task));
            let Some((_, work)) = self.tasks.get_mut(&task) else {
                continue; // ended or killed
            };
            let mut context = Context::from_waker(&waker);
            if work.as_mut().poll(&mut context).is_ready() {
                self.tasks.remove(&task);
            }
        }
    }

    /// Number of tasks that have not ended.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether all tasks have ended.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    fn next_ready(&self) -> Option<u64> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        ready.pop_front()
    }

    fn handle(&self, task: u64) -> Arc<Handle> {
        let ready = self.ready.clone();
        Arc::new(Handle { task, ready })
    }
}

/// A place for one value that somebody waits for.
#[derive(Debug)]
pub struct Slot<T>(Rc<RefCell<Inner<T>>>);

#[derive(Debug)]
struct Inner<T> {
    value: Option<T>,
    waker: Option<Waker>,
}

impl<T> Slot<T> {
    /// An empty one.
    pub fn new() -> Self {
        let inner = Inner {
            value: None,
            waker: None,
        };
        Self(Rc::new(RefCell::new(inner)))
    }

    /// Fills it; the first value counts.
    pub fn fill(&self, value: T) {
        let mut inner = self.0.borrow_mut();
        if inner.value.is_none() {
            inner.value = Some(value);
            if let Some(waker) = inner.waker.take() {
                waker.wake();
            }
        }
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Future for Slot<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut inner = self.0.borrow_mut();
        match inner.value.take() {
            Some(value) => Poll::Ready(value),
            None => {
                inner.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}
