//! `meta backup`.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use eggs_client::Client;
use eggs_proto::image::{Digester, PieceId, for_each_row};
use eggs_proto::meta::PinnedGroup;
use eggs_proto::{GroupId, NodeId, ServiceState};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::cut::{self, Cut};
use super::image::{DiskImage, FORMAT, GroupImage, Image, Piece, TableImage, show_key};
use super::prune::prune;
use super::store::Store;
use super::taken::{Stored, Taken};
use super::{GROUPS_AT_ONCE, draw};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::progress::Countdown;
use crate::text::disk::show_state;

/// Takes a backup, and keeps so many images.
pub(crate) async fn take(
    context: &Context,
    dir: &Path,
    keep: Option<NonZeroU64>,
) -> Result<Exit, Failure> {
    let cluster = context.cluster_name()?;
    let begin = Instant::now();
    let store = Store::create(dir)?;
    let before = match store.newest()? {
        Some(number) => Some(store.image(Some(number))?),
        None => None,
    };
    if let Some(before) = &before
        && before.cluster != cluster
    {
        let sentence = format!(
            "{} holds backups of another cluster ({}); give another directory",
            dir.display(),
            before.cluster
        );
        return Err(Failure::new(Exit::Failed, sentence));
    }
    let client = &context.client;
    let pin = draw(client);
    let time_ms = SystemTime::now().duration_since(UNIX_EPOCH);
    let cut = Cut::take(client, pin).await?;
    let held = begin.elapsed();
    let copied = copy_all(client, &store, &cut, before.as_ref()).await;
    cut::unpin(client, pin).await;
    let (groups, stored) = copied?;
    let image = Image {
        format: FORMAT,
        number: before.map_or(1, |before| before.number + 1),
        cluster,
        time_ms: time_ms.map_or(0, |since| since.as_millis() as u64),
        groups,
        disks: disks(client),
    };
    store.publish(&image)?;
    // The image is there whatever becomes of older ones.
    let pruned = keep.map(|keep| prune(&store, keep)).transpose();
    let (pruned, failed) = match pruned {
        Ok(pruned) => (pruned, None),
        Err(failure) => (None, Some(failure)),
    };
    let taken = Taken {
        image,
        stored,
        pruned,
        held,
        took: begin.elapsed(),
    };
    taken.show(context.format)?;
    failed.map_or(Ok(Exit::Fine), Err)
}

/// Disks that are not simply used.
fn disks(client: &Client) -> Vec<DiskImage> {
    let map = client.map();
    let unusual = map
        .services
        .iter()
        .filter(|info| info.state != ServiceState::Active);
    let disk = |info: &eggs_proto::BlockServiceInfo| DiskImage {
        disk: info.service.to_string(),
        state: show_state(info.state).to_owned(),
    };
    unusual.map(disk).collect()
}

async fn copy_all(
    client: &Client,
    store: &Store,
    cut: &Cut,
    before: Option<&Image>,
) -> Result<(Vec<GroupImage>, Stored), Failure> {
    let mut progress = Countdown::new("groups to copy".into(), cut.groups.len() as u64);
    let mut left = cut.groups.len() as u64;
    let groups: Vec<_> = cut.groups.values().copied().collect();
    let copies = stream::iter(groups).map(|(node, pinned)| {
        let known = before.and_then(|before| before.group(pinned.group));
        copy(client, store, (cut.pin, node, pinned), known)
    });
    let mut copies = std::pin::pin!(copies.buffered(GROUPS_AT_ONCE));
    let (mut images, mut stored) = (Vec::new(), Stored::default());
    while let Some((image, more)) = copies.try_next().await? {
        images.push(image);
        stored.pieces += more.pieces;
        stored.bytes += more.bytes;
        left -= 1;
        progress.show(left);
    }
    Ok((images, stored))
}

/// Copies one group.
async fn copy(
    client: &Client,
    store: &Store,
    (pin, node, pinned): (u64, NodeId, PinnedGroup),
    before: Option<&GroupImage>,
) -> Result<(GroupImage, Stored), Failure> {
    let group = pinned.group;
    // What began where then.
    let mut begins: BTreeMap<Option<(u8, String)>, PieceId> = BTreeMap::new();
    let mut at = None;
    for piece in before.iter().flat_map(|before| &before.pieces) {
        if let Ok(id) = piece.name() {
            begins.insert(at, id);
        }
        at = piece.until.clone();
    }
    let had: BTreeSet<PieceId> = begins.values().copied().collect();
    let (mut pieces, mut digester, mut stored) =
        (Vec::new(), Digester::default(), Stored::default());
    let mut after = None;
    loop {
        let known = begins.get(&after.as_ref().map(show_key)).copied();
        // One that has rotted since is stored again.
        let kept = known.and_then(|id| store.read(id).ok().map(|bytes| (id, bytes)));
        let sent = cut::piece(
            client,
            (pin, node, group),
            after,
            kept.as_ref().map(|(id, _)| *id),
        );
        let sent = sent.await?;
        let bytes = match (sent.bytes, kept) {
            (Some(bytes), _) if PieceId::of(&bytes) == sent.id => {
                // The last piece of a group is empty, and not kept.
                let is_new = !had.contains(&sent.id) || store.read(sent.id).is_err();
                if is_new && !bytes.is_empty() {
                    store.write(sent.id, &bytes)?;
                    stored.pieces += 1;
                    stored.bytes += bytes.len() as u64;
                }
                bytes.to_vec()
            }
            (None, Some((id, bytes))) if id == sent.id => bytes,
            (Some(_) | None, _) => return Err(super::nonsense(node)),
        };
        add(&mut digester, &bytes, group)?;
        if !bytes.is_empty() {
            pieces.push(Piece {
                id: sent.id.to_string(),
                bytes: bytes.len() as u64,
                until: sent.next.as_ref().map(show_key),
            });
        }
        match sent.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let tables = digester.finish().iter().map(TableImage::of).collect();
    let image = GroupImage {
        group: group.0,
        term: pinned.term,
        index: pinned.index,
        tables,
        pieces,
    };
    Ok((image, stored))
}

/// Adds the rows of a piece.
pub(super) fn add(digester: &mut Digester, bytes: &[u8], group: GroupId) -> Result<(), Failure> {
    if for_each_row(bytes, |table, key, value| digester.add(table, key, value)) {
        Ok(())
    } else {
        let sentence = format!("a piece of {group} is not a sequence of rows");
        Err(Failure::new(Exit::Failed, sentence))
    }
}
