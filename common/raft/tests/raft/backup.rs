//! States that are kept, groups that are filled, replicas that are compared.

use std::sync::Arc;

use eggs_machine::StoreRead;
use eggs_proto::image::{Digester, PieceId, StateKey, for_each_row};
use eggs_proto::meta::{MetaReply, MetaRequest, RestoreState, RestoreStep, StateDigest};
use eggs_proto::{CallError, CallResult, GroupId};
use eggs_raft::{Limits, Node, ProposeError, ReadError};

use crate::common::{self, Cluster, TABLE, command, counter, eventually, within};

const GROUP: GroupId = GroupId(0);
const OTHER: GroupId = GroupId(1);

fn node(cluster: &Cluster, index: u32) -> Arc<Node> {
    Arc::clone(cluster.nodes[index as usize].as_ref().expect("it runs"))
}

async fn meta(node: &Arc<Node>, request: MetaRequest) -> CallResult<MetaReply> {
    node.handle_meta(request, within(5_000)).await
}

/// Asks whoever leads, until there is an answer.
async fn lead(cluster: &Cluster, group: GroupId, request: MetaRequest) -> MetaReply {
    eventually("an answer of the leader", async || {
        let leader = cluster.leader(group.0).await;
        meta(&node(cluster, leader), request.clone()).await.ok()
    })
    .await
}

async fn pin(cluster: &Cluster, pin: u64) -> Arc<Node> {
    let leader = node(cluster, cluster.leader(GROUP.0).await);
    let pinned = meta(&leader, MetaRequest::Pin { pin }).await.unwrap();
    let MetaReply::Pinned(pinned) = pinned else {
        panic!("{pinned:?}")
    };
    assert!(
        pinned
            .iter()
            .any(|group| group.group == GROUP && group.index > 0)
    );
    leader
}

async fn piece(
    node: &Arc<Node>,
    pin: u64,
    (after, known): (Option<StateKey>, Option<PieceId>),
) -> CallResult<eggs_proto::meta::StatePiece> {
    let request = MetaRequest::Piece {
        pin,
        group: GROUP,
        after,
        known,
    };
    match meta(node, request).await? {
        MetaReply::Piece(piece) => Ok(piece),
        other => panic!("{other:?}"),
    }
}

async fn pieces(node: &Arc<Node>, pin: u64) -> Vec<(PieceId, Vec<u8>)> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let sent = piece(node, pin, (after, None)).await.unwrap();
        let bytes = sent.bytes.expect("it is not known").to_vec();
        assert_eq!(PieceId::of(&bytes), sent.id);
        all.push((sent.id, bytes));
        match sent.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_does_not_change_and_pieces_are_mostly_the_same_again() {
    let cluster = Cluster::start(3, 2).await;
    for n in 0..40 {
        let names: Vec<_> = (0..200)
            .map(|m| format!("{n}-{m}-{}", "x".repeat(100)))
            .collect();
        let adding = names.iter().map(|name| cluster.add(0, name));
        futures::future::join_all(adding).await;
    }
    let leader = pin(&cluster, 1).await;
    let before = pieces(&leader, 1).await;
    assert!(before.len() > 4, "{} pieces", before.len());
    cluster.add(0, "one more").await;
    assert_eq!(pieces(&leader, 1).await, before, "it is as it was");
    let again = pin(&cluster, 2).await;
    let after = pieces(&again, 2).await;
    let new = after.iter().filter(|piece| !before.contains(piece)).count();
    // The counter, and what every group has, such as its time.
    assert!(
        (1..=3).contains(&new),
        "{new} of {} pieces are new",
        after.len()
    );
    // What is known is not sent.
    let first = piece(&again, 2, (None, Some(after[0].0))).await.unwrap();
    assert_eq!((first.id, first.bytes), (after[0].0, None));
    meta(&leader, MetaRequest::Unpin { pin: 1 }).await.unwrap();
    let gone = piece(&leader, 1, (None, None)).await;
    assert!(matches!(gone, Err(CallError::Unavailable(_))), "{gone:?}");
    cluster.shutdown().await;
}

async fn step(cluster: &Cluster, group: GroupId, restore: u64, step: RestoreStep) -> RestoreState {
    let request = MetaRequest::Restore {
        group,
        restore,
        step,
    };
    match lead(cluster, group, request).await {
        MetaReply::Restoring(state) => state,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_group_is_filled_and_no_other() {
    let limits = Limits {
        checkpoint_entries: 8,
        kept_entries: 2,
        ..Limits::default()
    };
    let mut cluster = Cluster::start_with(3, 3, limits, common::TIMING).await;
    for n in 0..300 {
        cluster.add(0, &format!("{n}-{}", "x".repeat(2_000))).await;
    }
    cluster.add(0, "a").await;
    let leader = pin(&cluster, 1).await;
    let parts = pieces(&leader, 1).await;
    assert!(parts.len() > 2);
    assert_eq!(
        step(&cluster, GROUP, 7, RestoreStep::Look).await,
        RestoreState::InUse
    );
    assert_eq!(
        step(&cluster, GROUP, 7, RestoreStep::Begin).await,
        RestoreState::InUse
    );
    assert_eq!(cluster.add(0, "a").await, 2, "nothing has happened to it");

    assert_eq!(
        step(&cluster, OTHER, 7, RestoreStep::Look).await,
        RestoreState::Empty
    );
    let begun = RestoreState::Under {
        restore: 7,
        next: 0,
    };
    assert_eq!(step(&cluster, OTHER, 7, RestoreStep::Begin).await, begun);
    // One that misses nearly all of it gets a checkpoint, and goes on where that ends.
    let behind = (cluster.leader(1).await + 1) % 3;
    cluster.crash(behind).await;
    let part = |at: usize| RestoreStep::Part {
        sequence: at as u32,
        chunk: parts[at].1.clone().into(),
    };
    for at in 0..parts.len() - 1 {
        step(&cluster, OTHER, 7, part(at)).await;
        // A second time and out of turn nothing happens.
        step(&cluster, OTHER, 7, part(at)).await;
    }
    let early = RestoreStep::End {
        parts: parts.len() as u32,
    };
    let next = RestoreState::Under {
        restore: 7,
        next: parts.len() as u32 - 1,
    };
    assert_eq!(step(&cluster, OTHER, 7, early.clone()).await, next);
    let leader = cluster.leader(1).await;
    let group = cluster.group(leader, 1);
    let refused = group.propose(command("a", None), within(1_000)).await;
    assert_eq!(refused, Err(ProposeError::Restoring));
    let refused = group.ready_to_read(within(1_000)).await;
    assert_eq!(refused, Err(ReadError::Restoring));
    cluster.start_node(behind).await;
    let last = parts.len() - 1;
    step(&cluster, OTHER, 7, part(last)).await;
    let done = RestoreState::Done { restore: 7 };
    assert_eq!(step(&cluster, OTHER, 7, early).await, done);
    assert_eq!(step(&cluster, OTHER, 7, RestoreStep::Begin).await, done);
    assert_eq!(cluster.add(1, "a").await, 2, "as it was when it was kept");
    let read = |store: &dyn StoreRead| counter(store, b"a").unwrap();
    eventually("the one that was away", async || {
        (cluster.group(behind, 1).read_local(read) == 2).then_some(())
    })
    .await;
    assert_eq!(
        compare(&cluster, OTHER, 5).await.len(),
        1,
        "all hold the same"
    );

    // What is not ours changes nothing.
    let third = GroupId(2);
    step(&cluster, third, 8, RestoreStep::Begin).await;
    for nonsense in [&[1, 2, 3][..], &[99, 0, 0, 0, 0, 0, 0, 0, 0]] {
        let part = RestoreStep::Part {
            sequence: 0,
            chunk: nonsense.to_vec().into(),
        };
        let state = step(&cluster, third, 8, part).await;
        assert_eq!(state, RestoreState::Unreadable);
    }
    cluster.shutdown().await;
}

/// The different digests of a group.
async fn compare(cluster: &Cluster, group: GroupId, id: u64) -> Vec<StateDigest> {
    lead(cluster, group, MetaRequest::Digest { group, id }).await;
    let mut digests: Vec<StateDigest> = Vec::new();
    for index in 0..3 {
        let digest = eventually("a digest", async || {
            let of = MetaRequest::DigestOf { group, id };
            match meta(&node(cluster, index), of).await {
                Ok(MetaReply::Digest(digest)) => digest,
                other => panic!("{other:?}"),
            }
        })
        .await;
        if !digests.contains(&digest) {
            digests.push(digest);
        }
    }
    digests
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_was_altered_is_found_under_load() {
    let cluster = Cluster::start(3, 1).await;
    for n in 0..50 {
        cluster.add(0, &format!("name {n}")).await;
    }
    let load = {
        let group = cluster.group(cluster.leader(0).await, 0);
        tokio::spawn(async move {
            loop {
                let _ = group.propose(command("a", None), within(1_000)).await;
            }
        })
    };
    for id in 1..10 {
        assert_eq!(
            compare(&cluster, GROUP, id).await.len(),
            1,
            "all hold the same"
        );
    }
    let altered = (cluster.leader(0).await + 1) % 3;
    node(&cluster, altered).alter(GROUP, TABLE, b"name 7", Some(&[0; 8]));
    let digests = compare(&cluster, GROUP, 10).await;
    assert_eq!(digests.len(), 2);
    assert_eq!(digests[0].index, digests[1].index);
    let differ = |table: &eggs_proto::image::TableDigest| !digests[1].tables.contains(table);
    let tables: Vec<_> = digests[0].tables.iter().filter(|t| differ(t)).collect();
    assert_eq!(tables.len(), 1);
    assert_eq!(tables[0].table, TABLE.0);
    node(&cluster, altered).alter(GROUP, TABLE, b"name 7", Some(&1u64.to_be_bytes()));
    assert_eq!(compare(&cluster, GROUP, 11).await.len(), 1);
    node(&cluster, altered).alter(GROUP, TABLE, b"name 7", None);
    assert_eq!(compare(&cluster, GROUP, 12).await.len(), 2);
    load.abort();
    // What a replica says of itself is what its rows are.
    let leader = pin(&cluster, 3).await;
    let mut digester = Digester::default();
    for (_, bytes) in pieces(&leader, 3).await {
        assert!(for_each_row(&bytes, |t, k, v| digester.add(t, k, v)));
    }
    let rows = digester.finish();
    assert!(
        rows.iter()
            .any(|table| table.table == TABLE.0 && table.rows == 51)
    );
    cluster.shutdown().await;
}
