//! Answers block requests: finds the disk, waits for one of its threads, counts.

use std::sync::atomic::AtomicUsize;

use bytes::Bytes;
use eggs_block_store::{Disk, EraseOrder, Pipes, WriteOrder};
use eggs_proto::block::{BlockRefusal, BlockReply, BlockRequest, BlockResult};
use eggs_proto::hello::PeerRole;
use eggs_proto::{
    BlockServiceId, CallError, CallResult, MessageKind, PAYLOAD_BYTES_MAX, decode, encode,
};
use eggs_rpc::{Answer, Bulk, Handler, Peer, Request};
use tokio::time::Instant;

use crate::disks::now;
use crate::metrics::reason;
use crate::patience::Patience;
use crate::pool::{Overloaded, Work};
use crate::read::Wanted;
use crate::shares::Shares;
use crate::timing::Timed;
use crate::{BlockMetrics, ServedDisks, reports};

/// What the service keeps to. One of the largest blocks is always read or written, whatever is said here.
#[derive(Clone, Copy, Debug)]
pub struct ServiceLimits {
    /// Bytes of requests that are in memory, which is for the RPC server to see to.
    pub request_bytes_max: usize,
    /// Bytes read from disks and not yet sent.
    pub reading_bytes_max: usize,
    /// Bytes of blocks that wait for disks to take them. They are among those of requests.
    pub writing_bytes_max: usize,
}

impl Default for ServiceLimits {
    fn default() -> Self {
        Self {
            request_bytes_max: 96 << 20,
            reading_bytes_max: PAYLOAD_BYTES_MAX as usize,
            writing_bytes_max: 96 << 20,
        }
    }
}

/// Answers block requests.
pub struct BlockService {
    pub(crate) disks: ServedDisks,
    pub(crate) reading: Shares,
    pub(crate) pipes: Pipes,
    writing: Shares,
    pub(crate) metrics: BlockMetrics,
    /// With which disk a list of all of them begins.
    turn: AtomicUsize,
}

/// An answer and the pages that go with it.
pub(crate) type Answered = (BlockReply, Bulk);

/// A job for a disk.
pub(crate) struct Task<F> {
    pub service: BlockServiceId,
    pub work: Work,
    pub deadline: Instant,
    pub run: F,
}

impl BlockService {
    /// Serves these disks.
    pub fn new(disks: ServedDisks, metrics: BlockMetrics, limits: ServiceLimits) -> Self {
        Self {
            disks,
            // At least one block must fit, or large ones would never be served.
            reading: Shares::new(limits.reading_bytes_max.max(PAYLOAD_BYTES_MAX as usize) as u64),
            pipes: Pipes::default(),
            writing: Shares::new(limits.writing_bytes_max.max(PAYLOAD_BYTES_MAX as usize) as u64),
            metrics,
            turn: AtomicUsize::default(),
        }
    }

    async fn answer(
        &self,
        peer: &Peer,
        request: Request,
    ) -> (&'static str, Result<Answered, BlockRefusal>) {
        let Ok(message) = decode::<BlockRequest>(&request.body) else {
            return ("malformed", Err(BlockRefusal::Malformed));
        };
        let kind = kind(&message);
        let result = match &message {
            BlockRequest::Write { .. } => self.dispatch(peer, message, request).await,
            BlockRequest::Read { .. }
            | BlockRequest::Erase { .. }
            | BlockRequest::Check { .. }
            | BlockRequest::List { .. }
            | BlockRequest::Report { .. }
            | BlockRequest::Damaged { .. }
                if request.payload.is_empty() =>
            {
                self.dispatch(peer, message, request).await
            }
            BlockRequest::Read { .. }
            | BlockRequest::Erase { .. }
            | BlockRequest::Check { .. }
            | BlockRequest::List { .. }
            | BlockRequest::Report { .. }
            | BlockRequest::Damaged { .. } => Err(BlockRefusal::Malformed),
        };
        (kind, result)
    }

    async fn dispatch(
        &self,
        peer: &Peer,
        message: BlockRequest,
        request: Request,
    ) -> Result<Answered, BlockRefusal> {
        let Request {
            payload, deadline, ..
        } = request;
        match message {
            BlockRequest::Write {
                facts,
                expiry,
                certificate,
            } => {
                let order = WriteOrder {
                    facts,
                    expiry,
                    certificate,
                };
                self.write(order, payload, deadline).await
            }
            BlockRequest::Read {
                service,
                block,
                page,
                pages,
            } => {
                let wanted = Wanted {
                    service,
                    block,
                    page,
                    pages,
                };
                self.read(wanted, deadline).await
            }
            BlockRequest::Erase {
                facts,
                write_expiry,
                certificate,
            } => {
                let order = EraseOrder {
                    facts,
                    write_expiry,
                    certificate,
                };
                let (service, block) = (facts.service, facts.block);
                let served = self.disks.get(service).cloned();
                let run = move |disk: &Disk| {
                    let proof = disk.erase(&order, now())?;
                    if let Some(served) = served {
                        served.damage.erased(block);
                    }
                    Ok((BlockReply::Erased { proof }, Bulk::default()))
                };
                self.run(Task {
                    service,
                    work: Work::Write,
                    deadline,
                    run,
                })
                .await
            }
            BlockRequest::Check { service, block } => {
                let run = move |disk: &Disk| {
                    let found = disk.check(block)?;
                    let (checksum, size) = (found.checksum, found.size);
                    Ok((BlockReply::Checked { checksum, size }, Bulk::default()))
                };
                self.run(Task {
                    service,
                    work: Work::Scrub,
                    deadline,
                    run,
                })
                .await
            }
            BlockRequest::List {
                service,
                after,
                limit,
            } => {
                if peer.role != PeerRole::Server {
                    return Err(BlockRefusal::Forbidden);
                }
                let run = move |disk: &Disk| {
                    let list = disk.list(after, limit)?;
                    let (blocks, more) = (list.blocks, list.more);
                    Ok((BlockReply::Blocks { blocks, more }, Bulk::default()))
                };
                self.run(Task {
                    service,
                    work: Work::Background,
                    deadline,
                    run,
                })
                .await
            }
            BlockRequest::Report {
                service,
                block,
                file,
                offset,
            } => {
                let heard =
                    reports::hear(&self.disks, &self.metrics, (service, block), (file, offset))?;
                Ok((heard, Bulk::default()))
            }
            BlockRequest::Damaged { service } => {
                if peer.role != PeerRole::Server {
                    return Err(BlockRefusal::Forbidden);
                }
                self.disks.get(service).ok_or(BlockRefusal::WrongService)?;
                let damaged = reports::damaged(&self.disks, &self.turn);
                Ok((damaged, Bulk::default()))
            }
        }
    }

    async fn write(
        &self,
        order: WriteOrder,
        payload: Bytes,
        deadline: Instant,
    ) -> Result<Answered, BlockRefusal> {
        let service = order.facts.service;
        let bytes = payload.len() as u64;
        // The bytes are here already: what waited for a slow disk would take memory from the others.
        let share = self.writing.try_take(service, bytes)?;
        let run = move |disk: &Disk| {
            let _held_until_written = share;
            let proof = disk.write(&order, &payload, now())?;
            Ok((BlockReply::Written { proof }, Bulk::default()))
        };
        let answer = self
            .run(Task {
                service,
                work: Work::Write,
                deadline,
                run,
            })
            .await?;
        self.metrics.written.inc_by(bytes);
        Ok(answer)
    }

    /// Runs a task in a thread of its disk, unless nobody waits for it any more by then or the disk hangs.
    pub(crate) async fn run<F>(&self, task: Task<F>) -> Result<Answered, BlockRefusal>
    where
        F: FnOnce(&Disk) -> Result<Answered, eggs_block_store::StoreError> + Send + 'static,
    {
        let Task {
            service,
            work,
            deadline,
            run,
        } = task;
        let served = self.disks.get(service).ok_or(BlockRefusal::WrongService)?;
        let disk = served.clone();
        let run = move || {
            let started = Instant::now();
            let result = run(&disk.disk);
            // What was refused took no time, and would hide how long the rest takes.
            if let (Ok(_), Some(kind)) = (&result, timed(work)) {
                disk.timing.record(kind, started.elapsed());
            }
            result.map_err(BlockRefusal::from)
        };
        let waiting = Patience { work, deadline };
        waiting.run(&served.pool, run).await
    }
}

impl From<Overloaded> for BlockRefusal {
    fn from(_: Overloaded) -> Self {
        Self::Overloaded
    }
}

impl Handler for BlockService {
    async fn handle(&self, peer: &Peer, request: Request) -> Answer {
        if request.kind != MessageKind::Block {
            let refusal: CallResult<()> = Err(CallError::NotHosted);
            return Answer {
                body: encode(&refusal).into(),
                payload: Bulk::default(),
            };
        }
        let started = Instant::now();
        let (kind, result) = self.answer(peer, request).await;
        let labels = [("kind", kind)];
        self.metrics.requests.get_or_create(&labels).inc();
        let seconds = started.elapsed().as_secs_f64();
        self.metrics.seconds.get_or_create(&labels).observe(seconds);
        let (result, payload): (BlockResult, Bulk) = match result {
            Ok((reply, payload)) => (Ok(reply), payload),
            Err(refusal) => {
                let labels = [("reason", reason(&refusal))];
                self.metrics.refusals.get_or_create(&labels).inc();
                if refusal.is_suspicious() {
                    peer.complain(&refusal);
                }
                (Err(refusal), Bulk::default())
            }
        };
        Answer {
            body: encode(&result).into(),
            payload,
        }
    }
}

/// Whether work is timed, and as what.
const fn timed(work: Work) -> Option<Timed> {
    match work {
        Work::Read => Some(Timed::Read),
        Work::Write => Some(Timed::Write),
        Work::Background | Work::Scrub => None,
    }
}

const fn kind(message: &BlockRequest) -> &'static str {
    match message {
        BlockRequest::Write { .. } => "write",
        BlockRequest::Read { .. } => "read",
        BlockRequest::Erase { .. } => "erase",
        BlockRequest::Check { .. } => "check",
        BlockRequest::List { .. } => "list",
        BlockRequest::Report { .. } => "report",
        BlockRequest::Damaged { .. } => "damaged",
    }
}

/// Shows how the disks are.
pub(crate) fn show(metrics: &BlockMetrics, disks: &ServedDisks) {
    let usages: Vec<_> = disks.all().filter_map(|served| served.usage()).collect();
    let sum = |part: fn(&eggs_block_store::DiskUsage) -> u64| {
        i64::try_from(usages.iter().map(part).sum::<u64>()).unwrap_or(i64::MAX)
    };
    metrics.capacity.set(sum(|usage| usage.capacity_bytes));
    metrics.available.set(sum(|usage| usage.available_bytes));
    metrics.used.set(sum(|usage| usage.used_bytes));
    metrics.stored.set(sum(|usage| usage.blocks));
    metrics.tombstones.set(sum(|usage| usage.tombstones));
    metrics.io_errors.set(sum(|usage| usage.io_errors));
    for served in disks.all() {
        let pace = served.pace();
        let label = [("disk", served.name)];
        let p95 = |of: eggs_proto::registry::Latency| i64::from(of.p95_us);
        metrics.read_p95.get_or_create(&label).set(p95(pace.reads));
        metrics
            .write_p95
            .get_or_create(&label)
            .set(p95(pace.writes));
    }
    let damaged: usize = disks.all().map(|served| served.damage.len()).sum();
    metrics
        .damaged
        .set(i64::try_from(damaged).unwrap_or(i64::MAX));
    metrics.fenced.set(sum(|usage| u64::from(usage.fenced)));
    metrics
        .left_out
        .set(i64::try_from(disks.left_out()).unwrap_or(i64::MAX));
}
