//! `meta restore DIR`: fills an empty cluster.
//!
//! 1. Every piece is read and verified.
//! 2. Every group is asked whether it is empty, and every process whether it has the space. Then all begin: nobody is
//!    served any more.
//! 3. The rows go into the logs of the shards and of the coordinator.
//! 4. The shards end, then the coordinator; and disks get the states that people gave them.
//!
//! What the registry knew of processes and disks is not restored: those that run tell it themselves.
//!
//! Whoever is interrupted begins again: what was filled by halves is filled anew, what was finished stays.

use std::path::Path;
use std::time::{Duration, Instant};

use eggs_client::{Client, ClientError};
use eggs_proto::meta::{MetaReply, MetaRequest, RestoreState, RestoreStep};
use eggs_proto::registry::RegistryRequest;
use eggs_proto::{CallError, GroupId};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;

use super::image::{GroupImage, Image, parse_manual};
use super::space::{self, Tight};
use super::store::Store;
use super::verify::check;
use super::{GROUPS_AT_ONCE, PAUSE};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::meta::ask::{leader_of, needs_secret};
use crate::output::{Format, Output};
use crate::progress::Countdown;
use crate::text::disk::parse_service;

/// How long one step of a group may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether a backup of another cluster may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OtherCluster {
    Refused,
    Allowed,
}

/// Fills an empty cluster.
pub(crate) async fn restore(
    context: &Context,
    dir: &Path,
    number: Option<u64>,
    (other, tight): (OtherCluster, Tight),
) -> Result<Exit, Failure> {
    let begin = Instant::now();
    let store = Store::open(dir)?;
    let image = store.image(number)?;
    let cluster = context.cluster_name()?;
    if cluster != image.cluster && other == OtherCluster::Refused {
        let sentence = format!(
            "the backup is of cluster {}, this is {cluster}; --other-cluster restores it all the same, but the blocks of \
             files are only found if the disks are here",
            image.cluster
        );
        return Err(Failure::new(Exit::Failed, sentence));
    }
    let problems: Vec<_> = image
        .groups
        .iter()
        .flat_map(|group| check(&store, group))
        .collect();
    if !problems.is_empty() {
        let sentence = format!(
            "the backup is damaged, nothing was restored: {}",
            problems.join("; ")
        );
        return Err(Failure::new(Exit::Failed, sentence));
    }
    let filling = Filling {
        client: &context.client,
        store: &store,
        restore: attempt(&image),
        tight,
    };
    filling.run(&image).await?;
    let disks = filling.set_disks(&image).await;
    let mut output = Output::new();
    let rows = image.groups.iter().flat_map(|group| &group.tables);
    let rows: u64 = rows.map(|table| table.rows).sum();
    match context.format {
        Format::Text => {
            for (disk, why) in &disks {
                output.line(format!("the state of disk {disk} is not restored: {why}"))?;
            }
            output.line(format!(
                "image {} is restored: {rows} rows; check it with `eggscli fsck`",
                image.number
            ))?;
        }
        Format::Json => output.json(&json!({
            "image": image.number,
            "rows": rows,
            "disks_not_restored": disks.iter().map(|(disk, _)| disk).collect::<Vec<_>>(),
            "ms": begin.elapsed().as_secs_f64() * 1000.0,
        }))?,
    }
    output.finish()?;
    Ok(if disks.is_empty() {
        Exit::Fine
    } else {
        Exit::Partly
    })
}

/// The same for every attempt with the same image, so that what was finished is known again.
fn attempt(image: &Image) -> u64 {
    let id = eggs_proto::image::PieceId::of(image.encode().as_bytes());
    id.0.iter()
        .take(8)
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

struct Filling<'a> {
    client: &'a Client,
    store: &'a Store,
    restore: u64,
    tight: Tight,
}

impl Filling<'_> {
    async fn run(&self, image: &Image) -> Result<(), Failure> {
        let filled = |group: &&GroupImage| group.group != GroupId::REGISTRY.0;
        let groups: Vec<&GroupImage> = image.groups.iter().filter(filled).collect();
        let looked = stream::iter(&groups)
            .map(|image| async move { (*image, self.step(image, RestoreStep::Look).await) })
            .buffered(GROUPS_AT_ONCE);
        let looked: Vec<_> = looked.collect().await;
        let mut rest = Vec::new();
        for (image, state) in looked {
            let group = GroupId(image.group);
            match state? {
                RestoreState::Empty | RestoreState::Under { .. } => rest.push(image),
                // Of an attempt that was interrupted later.
                RestoreState::Done { restore } if restore == self.restore => {}
                RestoreState::InUse | RestoreState::Done { .. } | RestoreState::Unreadable => {
                    let sentence = format!(
                        "{group} is not empty: only an empty cluster can be filled; nothing was changed"
                    );
                    return Err(Failure::new(Exit::Failed, sentence));
                }
            }
        }
        match self.tight {
            Tight::Refused => space::check(self.client, &rest).await?,
            Tight::Allowed => {}
        }
        self.each(&rest, |image| self.begin(image)).await?;
        let mut progress = Countdown::new("groups to fill".into(), rest.len() as u64);
        let mut left = rest.len() as u64;
        let filling = stream::iter(&rest).map(|image| self.fill(image));
        let mut filling = std::pin::pin!(filling.buffer_unordered(GROUPS_AT_ONCE));
        while filling.try_next().await?.is_some() {
            left -= 1;
            progress.show(left);
        }
        // The coordinator last: directories are made once all shards are whole.
        let (last, shards): (Vec<&GroupImage>, Vec<&GroupImage>) =
            rest.iter().partition(|image| image.group == GroupId::CDC.0);
        self.each(&shards, |image| self.end(image)).await?;
        self.each(&last, |image| self.end(image)).await
    }

    async fn each<'b, F>(
        &self,
        groups: &'b [&'b GroupImage],
        work: impl Fn(&'b GroupImage) -> F,
    ) -> Result<(), Failure>
    where
        F: Future<Output = Result<(), Failure>>,
    {
        let all = stream::iter(groups.iter().copied()).map(work);
        all.buffer_unordered(GROUPS_AT_ONCE).try_collect().await
    }

    async fn begin(&self, image: &GroupImage) -> Result<(), Failure> {
        match self.step(image, RestoreStep::Begin).await? {
            RestoreState::Under { restore, next: 0 } if restore == self.restore => Ok(()),
            other => Err(unexpected(image, other)),
        }
    }

    async fn fill(&self, image: &GroupImage) -> Result<(), Failure> {
        for (sequence, piece) in (0..).zip(&image.pieces) {
            let read = piece.name().and_then(|id| self.store.read(id));
            let bytes = read.map_err(|why| Failure::new(Exit::Failed, why))?;
            let chunk = bytes.into();
            let state = self
                .step(image, RestoreStep::Part { sequence, chunk })
                .await?;
            let taken = RestoreState::Under {
                restore: self.restore,
                next: sequence + 1,
            };
            if state != taken {
                return Err(unexpected(image, state));
            }
        }
        Ok(())
    }

    async fn end(&self, image: &GroupImage) -> Result<(), Failure> {
        let parts = image.pieces.len() as u32;
        match self.step(image, RestoreStep::End { parts }).await? {
            RestoreState::Done { restore } if restore == self.restore => Ok(()),
            other => Err(unexpected(image, other)),
        }
    }

    /// Asks the leader, whoever that is, until it is done.
    async fn step(&self, image: &GroupImage, step: RestoreStep) -> Result<RestoreState, Failure> {
        let group = GroupId(image.group);
        let begin = Instant::now();
        let restore = self.restore;
        let request = MetaRequest::Restore {
            group,
            restore,
            step,
        };
        let mut last = String::from("nobody leads it");
        while begin.elapsed() < PATIENCE {
            if let Some((leader, _)) = leader_of(self.client, group).await? {
                match self.client.meta(leader, &request).await {
                    Ok(Ok(MetaReply::Restoring(state))) => return Ok(state),
                    Ok(Ok(_)) => return Err(super::nonsense(leader)),
                    Ok(Err(CallError::Forbidden)) => return Err(needs_secret()),
                    Ok(Err(error)) => last = error.to_string(),
                    Err(error) => last = error.to_string(),
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        let sentence =
            format!("{group} cannot be filled: {last}; repeat the command to begin again");
        Err(Failure::new(Exit::Failed, sentence))
    }

    /// Gives disks the states that people gave them; returns those that could not be given.
    async fn set_disks(&self, image: &Image) -> Vec<(String, String)> {
        let mut failed = Vec::new();
        for disk in &image.disks {
            let Some(state) = parse_manual(&disk.state) else {
                continue; // what is observed is observed again
            };
            let given: Result<(), String> = match parse_service(&disk.disk) {
                Ok(service) => {
                    let id = self.client.next_request_id();
                    let request = RegistryRequest::SetServiceState { id, service, state };
                    let set: Result<_, ClientError> = self.client.registry(request).await;
                    set.map(drop).map_err(|error| error.to_string())
                }
                Err(why) => Err(why),
            };
            failed.extend(given.err().map(|why| (disk.disk.clone(), why)));
        }
        failed
    }
}

fn unexpected(image: &GroupImage, state: RestoreState) -> Failure {
    let group = GroupId(image.group);
    let why = match state {
        RestoreState::Unreadable => {
            "its servers cannot read the backup: use programs of the version that made it, or newer"
        }
        RestoreState::InUse => "it is not empty",
        RestoreState::Empty | RestoreState::Under { .. } | RestoreState::Done { .. } => {
            "another restore is under way; repeat the command when it has ended"
        }
    };
    Failure::new(Exit::Failed, format!("{group} is not filled: {why}"))
}
