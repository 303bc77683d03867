//! `meta verify DIR`: whether a backup is whole, and says what the cluster says of groups that have not changed since.

use std::path::Path;

use eggs_proto::image::Digester;
use eggs_proto::meta::PinnedGroup;
use eggs_proto::{GroupId, NodeId};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;

use super::cut::{self, Cut};
use super::image::{GroupImage, Image, TableImage, show_key};
use super::store::Store;
use super::take::add;
use super::{GROUPS_AT_ONCE, draw};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Format, Output};

/// Looks at a backup.
pub(crate) async fn verify(
    context: &Context,
    dir: &Path,
    number: Option<u64>,
) -> Result<Exit, Failure> {
    let store = Store::open(dir)?;
    let image = store.image(number)?;
    let mut problems = Vec::new();
    for group in &image.groups {
        problems.extend(check(&store, group));
    }
    let ours = context.cluster_name()? == image.cluster;
    let (mut same, mut differs) = (0, Vec::new());
    if ours && problems.is_empty() {
        (same, differs) = against_source(context, &image).await?;
    }
    let sound = problems.is_empty() && differs.is_empty();
    let mut output = Output::new();
    match context.format {
        Format::Text => {
            output.lines(&problems)?;
            for group in &differs {
                output.line(format!(
                    "{group} is not what the cluster has, though nothing was written to it since"
                ))?;
            }
            let word = if sound { "whole" } else { "NOT whole" };
            output.line(format!(
                "image {} is {word}: {} groups; {same} unchanged since and the same",
                image.number,
                image.groups.len()
            ))?;
        }
        Format::Json => output.json(&json!({
            "image": image.number,
            "cluster": image.cluster,
            "sound": sound,
            "problems": problems,
            "unchanged": same,
            "differs": differs,
        }))?,
    }
    output.finish()?;
    Ok(if sound { Exit::Fine } else { Exit::Degraded })
}

/// What is wrong with the image of a group.
pub(super) fn check(store: &Store, image: &GroupImage) -> Vec<String> {
    let group = GroupId(image.group);
    let mut problems = Vec::new();
    let mut digester = Digester::default();
    for piece in &image.pieces {
        let read = piece.name().and_then(|id| store.read(id));
        let read = read.and_then(|bytes| {
            add(&mut digester, &bytes, group)
                .map_err(|_| format!("piece {} makes no sense", piece.id))
        });
        problems.extend(read.err().map(|why| format!("{group}: {why}")));
    }
    let tables: Vec<_> = digester.finish().iter().map(TableImage::of).collect();
    if problems.is_empty() && tables != image.tables {
        problems.push(format!("{group}: its tables are not what the image says"));
    }
    problems
}

/// How many groups have not changed since and are the same, and which are not.
async fn against_source(context: &Context, image: &Image) -> Result<(usize, Vec<String>), Failure> {
    let client = &context.client;
    let pin = draw(client);
    let cut = Cut::take(client, pin).await?;
    let unchanged: Vec<_> = cut
        .groups
        .values()
        .filter_map(|(node, pinned)| {
            let kept = image.group(pinned.group)?;
            let is_same = (kept.term, kept.index) == (pinned.term, pinned.index);
            is_same.then_some((*node, *pinned, kept))
        })
        .collect();
    let compared = stream::iter(unchanged)
        .map(|(node, pinned, kept)| compare(context, (pin, node, pinned), kept))
        .buffered(GROUPS_AT_ONCE)
        .try_collect::<Vec<_>>()
        .await;
    cut::unpin(client, pin).await;
    let (mut same, mut differs) = (0, Vec::new());
    for (group, is_same) in compared? {
        if is_same {
            same += 1;
        } else {
            differs.push(group.to_string());
        }
    }
    Ok((same, differs))
}

/// Whether the cluster would give the same pieces again.
async fn compare(
    context: &Context,
    (pin, node, pinned): (u64, NodeId, PinnedGroup),
    kept: &GroupImage,
) -> Result<(GroupId, bool), Failure> {
    let group = pinned.group;
    let mut after = None;
    let mut pieces = kept.pieces.iter();
    loop {
        let piece = pieces.next();
        let known = piece.and_then(|piece| piece.name().ok());
        let sent = cut::piece(&context.client, (pin, node, group), after, known).await?;
        let same = match (piece, &sent.bytes) {
            (Some(piece), None) => piece.until == sent.next.as_ref().map(show_key),
            (None, Some(bytes)) => bytes.is_empty(),
            (Some(_), Some(_)) | (None, None) => false,
        };
        match (same, sent.next) {
            (false, _) => return Ok((group, false)),
            (true, Some(next)) => after = Some(next),
            (true, None) => return Ok((group, pieces.next().is_none())),
        }
    }
}
