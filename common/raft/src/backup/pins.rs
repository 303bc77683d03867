//! States that are kept as they were at one moment, until somebody has read them.
//!
//! A thread owns the views and answers one question after the other; it ends when it is let go, or when nobody has asked
//! for a while.
//!
//! **Invariant:** a state that nobody reads is not kept for longer than [`IDLE`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eggs_machine::Fault;
use eggs_proto::image::{PieceId, StateKey};
use eggs_proto::meta::{PinnedGroup, StatePiece};
use eggs_proto::{CallError, CallResult, GroupId};
use tokio::sync::oneshot;

use crate::state::{GroupView, StateDb};

/// How long a state is kept that nobody asks for.
const IDLE: Duration = Duration::from_secs(60);
/// States kept at the same time.
const PINS_MAX: usize = 4;
/// Questions about one of them that wait.
const WAITING_MAX: usize = 16;

struct Ask {
    group: GroupId,
    after: Option<StateKey>,
    known: Option<PieceId>,
    answer: oneshot::Sender<CallResult<StatePiece>>,
}

/// What is kept.
#[derive(Default)]
pub(crate) struct Pins {
    kept: Mutex<BTreeMap<u64, Pin>>,
    /// Tells apart those that were given the same name.
    made: AtomicU64,
}

struct Pin {
    serial: u64,
    asks: SyncSender<Ask>,
}

impl Pins {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Pin>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the present state of these groups.
    pub(crate) async fn pin(
        self: &Arc<Self>,
        state: &Arc<StateDb>,
        pin: u64,
        groups: Vec<GroupId>,
    ) -> CallResult<Vec<PinnedGroup>> {
        let (asks, asked) = sync_channel(WAITING_MAX);
        let serial = self.made.fetch_add(1, Ordering::Relaxed);
        {
            let mut pins = self.lock();
            if pins.len() >= PINS_MAX && !pins.contains_key(&pin) {
                return Err(CallError::Overloaded);
            }
            pins.insert(pin, Pin { serial, asks });
        }
        let (this, state) = (Arc::clone(self), Arc::clone(state));
        let (held, holds) = oneshot::channel();
        let keep = move || {
            let views = groups
                .into_iter()
                .map(|group| (group, GroupView::moment(&state, group)));
            let views: BTreeMap<_, _> = views.collect();
            let _ = held.send(describe(&views)); // whoever asked may have gone
            serve(&views, &asked);
            // Another of the same name may have come.
            let mut pins = this.lock();
            if pins.get(&pin).is_some_and(|known| known.serial == serial) {
                pins.remove(&pin);
            }
        };
        if let Err(cause) = std::thread::Builder::new().name("pin".into()).spawn(keep) {
            self.unpin(pin);
            return Err(CallError::Unavailable(cause.to_string()));
        }
        match holds.await {
            Ok(Ok(pinned)) => Ok(pinned),
            Ok(Err(fault)) => Err(CallError::Unavailable(fault.to_string())),
            Err(_) => Err(gone()),
        }
    }

    /// A piece of what is kept.
    pub(crate) async fn piece(
        &self,
        pin: u64,
        group: GroupId,
        (after, known): (Option<StateKey>, Option<PieceId>),
    ) -> CallResult<StatePiece> {
        let asks = self.lock().get(&pin).map(|pin| pin.asks.clone());
        let asks = asks.ok_or_else(gone)?;
        let (answer, answered) = oneshot::channel();
        let ask = Ask {
            group,
            after,
            known,
            answer,
        };
        match asks.try_send(ask) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(CallError::Overloaded),
            Err(TrySendError::Disconnected(_)) => return Err(gone()),
        }
        drop(asks);
        answered.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Lets go.
    pub(crate) fn unpin(&self, pin: u64) {
        self.lock().remove(&pin); // the thread ends when nobody can ask it any more
    }
}

fn gone() -> CallError {
    CallError::Unavailable("the state is not kept any more".into())
}

fn describe(views: &BTreeMap<GroupId, GroupView<'_>>) -> Result<Vec<PinnedGroup>, Fault> {
    let mut pinned = Vec::with_capacity(views.len());
    for (group, view) in views {
        let last = view.whole()?.and_then(|applied| applied.last);
        let last = last.ok_or_else(|| Fault::Store(format!("{group} is being replaced")))?;
        pinned.push(PinnedGroup {
            group: *group,
            term: last.committed_leader_id().term,
            index: last.index(),
        });
    }
    Ok(pinned)
}

fn serve(views: &BTreeMap<GroupId, GroupView<'_>>, asked: &Receiver<Ask>) {
    while let Ok(ask) = asked.recv_timeout(IDLE) {
        let Some(view) = views.get(&ask.group) else {
            let _ = ask.answer.send(Err(CallError::NotHosted)); // may have given up
            continue;
        };
        let piece = view.piece(ask.after.as_ref()).map(|(bytes, next)| {
            let id = PieceId::of(&bytes);
            let bytes = (Some(id) != ask.known).then_some(bytes);
            StatePiece { id, bytes, next }
        });
        let piece = piece.map_err(|fault| CallError::Unavailable(fault.to_string()));
        let _ = ask.answer.send(piece); // may have given up
    }
}
