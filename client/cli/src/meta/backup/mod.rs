//! `meta backup`, `meta restore` and `meta verify`.
//!
//! A backup is a directory with pieces, named by their content, and images: one list of pieces for each group. An image is
//! written last, whole or not at all, so that whatever interrupts a backup leaves those before it as they were. What is removed is removed
//! in the other order.
//!
//! **Invariant:** what an image names was on the disk, and was what its name says, when the image was written.

mod compare;
mod cut;
mod image;
mod prune;
mod restore;
mod space;
mod store;
mod take;
mod taken;
mod verify;

pub(crate) use compare::compare;
pub(crate) use restore::{OtherCluster, restore};
pub(crate) use space::Tight;
pub(crate) use take::take;
pub(crate) use verify::verify;

use std::time::Duration;

use eggs_client::Client;
use eggs_proto::meta::{MetaReply, MetaRequest};
use eggs_proto::{CallError, NodeId};

use super::ask::needs_secret;
use crate::failure::{Exit, Failure};

/// Groups that are worked on at the same time.
const GROUPS_AT_ONCE: usize = 6;
/// How often a question is asked that may be repeated.
const ATTEMPTS: u32 = 5;
/// Between them.
const PAUSE: Duration = Duration::from_millis(100);

/// Draws a name for something.
fn draw(client: &Client) -> u64 {
    let id = client.next_request_id();
    id.client.wrapping_add(id.sequence)
}

/// Asks a process something that may be repeated; the last error counts.
async fn ask(client: &Client, node: NodeId, request: &MetaRequest) -> Result<MetaReply, Failure> {
    let mut last = String::new();
    for _ in 0..ATTEMPTS {
        match client.meta(node, request).await {
            Ok(Ok(reply)) => return Ok(reply),
            Ok(Err(CallError::Forbidden)) => return Err(needs_secret()),
            Ok(Err(CallError::Malformed)) => {
                let sentence = format!("{node} runs a version of the program that cannot do this");
                return Err(Failure::new(Exit::Failed, sentence));
            }
            Ok(Err(error)) => last = error.to_string(),
            Err(error) => last = error.to_string(),
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(Failure::new(Exit::Failed, format!("{node}: {last}")))
}

/// An answer to another question.
fn nonsense(node: NodeId) -> Failure {
    Failure::new(Exit::Failed, format!("{node} answers something else"))
}
