//! A cut's questions to a real cluster.

use std::time::Duration;

use eggs_client::Client;
use eggs_proto::cdc::CdcReply;
use eggs_proto::meta::{MetaReply, MetaRequest};
use eggs_proto::{GroupId, NodeId};
use futures::future::join_all;

use super::{Ask, Count, Pinned};
use crate::failure::{Exit, Failure};
use crate::meta::ask::leader_of;
use crate::meta::backup::{ask, nonsense};
use crate::meta::view::hosts;

/// Between looks.
const PAUSE: Duration = Duration::from_millis(10);

impl Ask for Client {
    async fn hold(&self, ms: u32) {
        if let Ok(Some((leader, _))) = leader_of(self, GroupId::CDC).await {
            // What it answers does not matter.
            let _ = self.meta(leader, &MetaRequest::Hold { ms }).await;
        }
    }

    async fn count(&self) -> Result<Count, Failure> {
        let failed = |error| Failure::remote("ask", "the coordinator", &error);
        match self.cdc_status().await.map_err(failed)? {
            CdcReply::Status { running, finished } => Ok(Count {
                running: running.len(),
                finished,
            }),
            CdcReply::Done | CdcReply::Made { .. } | CdcReply::Audit(_) => Err(Failure::new(
                Exit::Failed,
                "the coordinator answers something else",
            )),
        }
    }

    async fn pin_all(&self, pin: u64) -> Result<Pinned, Failure> {
        let map = self.map();
        let asked = hosts(&map).map(|node| async move {
            let answer = self.meta(node, &MetaRequest::Pin { pin }).await;
            (node, answer)
        });
        let mut groups = Pinned::new();
        for (node, answer) in join_all(asked).await {
            match answer {
                Ok(Ok(MetaReply::Pinned(pinned))) => {
                    groups.extend(pinned.into_iter().map(|group| (group.group, (node, group))));
                }
                Ok(Ok(_)) => return Err(nonsense(node)),
                Ok(Err(eggs_proto::CallError::Forbidden)) => {
                    return Err(crate::meta::ask::needs_secret());
                }
                // What it leads is missing, and will be asked of others.
                Ok(Err(_)) | Err(_) => {}
            }
        }
        Ok(groups)
    }

    async fn unpin(&self, pin: u64) {
        unpin(self, pin).await;
    }

    async fn pause(&self) {
        tokio::time::sleep(PAUSE).await;
    }
}

/// Lets what is kept go; by itself it would go after a minute.
pub(in crate::meta::backup) async fn unpin(client: &Client, pin: u64) {
    let map = client.map();
    let asked = hosts(&map).map(|node| async move {
        let _ = client.meta(node, &MetaRequest::Unpin { pin }).await;
    });
    join_all(asked).await;
}

/// A piece of what is kept, and its place.
pub(in crate::meta::backup) async fn piece(
    client: &Client,
    (pin, node, group): (u64, NodeId, GroupId),
    after: Option<eggs_proto::image::StateKey>,
    known: Option<eggs_proto::image::PieceId>,
) -> Result<eggs_proto::meta::StatePiece, Failure> {
    let request = MetaRequest::Piece {
        pin,
        group,
        after,
        known,
    };
    match ask(client, node, &request).await? {
        MetaReply::Piece(piece) => Ok(piece),
        MetaReply::Done
        | MetaReply::Replicas(_)
        | MetaReply::Waits(_)
        | MetaReply::Standing(_)
        | MetaReply::Pinned(_)
        | MetaReply::Restoring(_)
        | MetaReply::Digest(_)
        | MetaReply::Space(_) => Err(nonsense(node)),
    }
}
