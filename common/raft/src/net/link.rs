//! The link to one peer: questions of all groups that wait at the same time share a frame.
//!
//! A frame leaves as soon as the runtime has let everybody who is ready ask; while many frames are in flight,
//! questions wait and gather. So an idle link adds no delay, and a busy one sends few frames.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use eggs_proto::{GroupId, NodeId};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::hearing::Hearing;
use super::wire::{self, Answer, FRAME_QUESTIONS_MAX};
use crate::{Timing, Transport, TransportError};

/// Most questions that wait for one peer.
const QUEUE_MAX: usize = 4096;
/// Most frames in flight to one peer.
const FRAMES_IN_FLIGHT_MAX: usize = 16;
/// A frame takes no more questions once it holds this many bytes.
const FRAME_BYTES: usize = 4 << 20;
/// How often everybody else gets a turn before a frame leaves.
const GATHER_TURNS: usize = 2;

struct Call {
    group: GroupId,
    question: Bytes,
    deadline: Instant,
    answer: oneshot::Sender<Result<Answer, TransportError>>,
}

/// The link to one peer. Clones share it.
#[derive(Clone)]
pub(crate) struct Link {
    peer: NodeId,
    calls: mpsc::Sender<Call>,
    hearing: Arc<Hearing>,
}

impl Link {
    /// Starts the link's task, which ends when all clones are gone.
    pub(crate) fn start(peer: NodeId, transport: Arc<dyn Transport>, timing: Timing) -> Self {
        let (calls, waiting) = mpsc::channel(QUEUE_MAX);
        tokio::spawn(run(peer, transport, waiting));
        let hearing = Arc::new(Hearing::new(timing));
        Self {
            peer,
            calls,
            hearing,
        }
    }

    /// Asks the peer something that makes it follow us, unless it does not answer anyway.
    pub(crate) async fn lead(
        &self,
        group: GroupId,
        question: Bytes,
        patience: Duration,
    ) -> Result<Answer, TransportError> {
        if !self.hearing.may_lead(Instant::now()) {
            let cause = "it has not answered for long: it may follow another".into();
            return Err(TransportError::Unreachable(self.peer, cause));
        }
        self.ask(group, question, patience).await
    }

    /// Asks the peer.
    pub(crate) async fn ask(
        &self,
        group: GroupId,
        question: Bytes,
        patience: Duration,
    ) -> Result<Answer, TransportError> {
        let (answer, answered) = oneshot::channel();
        let asked = Instant::now();
        let deadline = asked + patience;
        let call = Call {
            group,
            question,
            deadline,
            answer,
        };
        let asking = async {
            if self.calls.send(call).await.is_err() {
                return Err(self.gone());
            }
            answered.await.unwrap_or_else(|_| Err(self.gone()))
        };
        let answer = match tokio::time::timeout_at(deadline, asking).await {
            Ok(answer) => answer,
            Err(_) => Err(TransportError::Timeout(self.peer)),
        };
        match &answer {
            Ok(_) => self.hearing.heard(),
            Err(TransportError::Timeout(_)) => self.hearing.missed(asked),
            Err(TransportError::Unreachable(..)) => {}
        }
        answer
    }

    fn gone(&self) -> TransportError {
        TransportError::Unreachable(self.peer, "the link has stopped".into())
    }
}

async fn run(peer: NodeId, transport: Arc<dyn Transport>, mut waiting: mpsc::Receiver<Call>) {
    let mut in_flight = FuturesUnordered::new();
    let mut calls = Vec::new();
    loop {
        let room = in_flight.len() < FRAMES_IN_FLIGHT_MAX;
        tokio::select! {
            count = waiting.recv_many(&mut calls, FRAME_QUESTIONS_MAX), if room => {
                if count == 0 {
                    return;
                }
                for _ in 0..GATHER_TURNS {
                    tokio::task::yield_now().await;
                    gather(&mut calls, &mut waiting);
                }
                for frame in frames(std::mem::take(&mut calls)) {
                    in_flight.push(exchange(peer, Arc::clone(&transport), frame));
                }
            }
            Some(()) = in_flight.next() => {}
        }
    }
}

fn gather(calls: &mut Vec<Call>, waiting: &mut mpsc::Receiver<Call>) {
    while calls.len() < FRAME_QUESTIONS_MAX
        && let Ok(call) = waiting.try_recv()
    {
        calls.push(call);
    }
}

/// Splits calls into frames of bounded size.
fn frames(calls: Vec<Call>) -> Vec<Vec<Call>> {
    let mut frames = vec![Vec::new()];
    let mut bytes = 0;
    for call in calls {
        if call.answer.is_closed() {
            continue; // nobody waits any more
        }
        let size = call.question.len();
        if bytes > 0 && bytes + size > FRAME_BYTES {
            frames.push(Vec::new());
            bytes = 0;
        }
        bytes += size;
        if let Some(frame) = frames.last_mut() {
            frame.push(call);
        }
    }
    frames.retain(|frame| !frame.is_empty());
    frames
}

/// Sends one frame and hands out its answers.
async fn exchange(peer: NodeId, transport: Arc<dyn Transport>, calls: Vec<Call>) {
    let now = Instant::now();
    let deadline = calls.iter().map(|call| call.deadline).max();
    let patience = deadline.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
    let body = wire::encode_questions(peer, calls.iter().map(|call| (call.group, &call.question)));
    let sent = transport.send(peer, body, Bytes::new(), patience).await;
    let answers = match sent {
        Ok((body, _)) => read(peer, &body, calls.len()),
        Err(error) => Err(error),
    };
    match answers {
        Ok(answers) => {
            for (call, answer) in calls.into_iter().zip(answers) {
                let _ = call.answer.send(Ok(answer)); // may have given up
            }
        }
        Err(error) => {
            for call in calls {
                let _ = call.answer.send(Err(error.clone())); // may have given up
            }
        }
    }
}

fn read(peer: NodeId, body: &[u8], expected: usize) -> Result<Vec<Answer>, TransportError> {
    let answers = wire::decode_answers(body)
        .map_err(|bad| TransportError::Unreachable(peer, bad.to_string()))?;
    if answers.len() == expected {
        Ok(answers)
    } else {
        let cause = format!("{} answers to {expected} questions", answers.len());
        Err(TransportError::Unreachable(peer, cause))
    }
}
