//! Three `eggsshard` and three `eggscdc`: what spans shards.

use eggs_proto::cdc::{CdcOperation, CdcReply, CdcRequest, EntryName};
use eggs_proto::shard::{Replace, ShardChange};
use eggs_proto::{
    CallError, CallResult, InodeId, MessageKind, NodeId, ProcessRole, Refusal, encode,
};

use crate::cluster::{ATTRIBUTES, Cluster, at};

const ROOT: InodeId = InodeId::ROOT;

fn rename(source: EntryName, target: EntryName) -> CdcOperation {
    CdcOperation::Rename {
        source,
        target,
        replace: Replace::Files,
    }
}

#[tokio::test]
async fn directories_are_made_moved_and_removed_also_without_their_leader() {
    let mut c = Cluster::start(3, 3).await;
    let a = c.mkdir(at(ROOT, "a")).await.unwrap();
    let b = c.mkdir(at(ROOT, "b")).await.unwrap();
    assert_ne!(a.shard(), b.shard());
    let taken = c.mkdir(at(ROOT, "a")).await;
    assert_eq!(taken, Err(Refusal::Exists));
    let file = ShardChange::CreateFile {
        dir: a,
        name: at(a, "file").name,
        replace: Replace::Never,
        attributes: ATTRIBUTES,
        content: Vec::new(),
    };
    c.change(a, file).await.unwrap();
    let inode = c.lookup(&at(a, "file")).await.unwrap();
    let moved = c.run(rename(at(a, "file"), at(b, "file"))).await;
    assert_eq!(moved, Ok(CdcReply::Done));
    assert_eq!(c.lookup(&at(b, "file")).await, Ok(inode));
    assert_eq!(c.lookup(&at(a, "file")).await, Err(Refusal::NotFound));
    let loop_ = c.run(rename(at(ROOT, "a"), at(a, "x"))).await;
    assert_eq!(loop_, Err(Refusal::Loop));

    let leader = leader(&c).await;
    c.stop_one(ProcessRole::Cdc, leader).await;
    let entry = at(ROOT, "b");
    let full = c.run(CdcOperation::RemoveDirectory { entry }).await;
    assert_eq!(full, Err(Refusal::NotEmpty));
    let entry = at(ROOT, "a");
    let removed = c.run(CdcOperation::RemoveDirectory { entry }).await;
    assert_eq!(removed, Ok(CdcReply::Done));
    assert_eq!(c.lookup(&at(ROOT, "a")).await, Err(Refusal::NotFound));
    many_at_once(&mut c).await;
    c.stop_all().await;
}

/// Asks each process; followers say who leads, or that they do not.
async fn leader(c: &Cluster) -> u32 {
    for (id, address) in &c.cdcs {
        let request = encode(&CdcRequest::Status);
        let answer: CallResult<CdcReply> =
            c.ask(*address, MessageKind::Cdc, request).await.unwrap();
        match answer {
            Ok(CdcReply::Status { finished, .. }) => {
                assert!(finished >= 5);
                return *id;
            }
            Err(CallError::NotLeader { leader }) => {
                let role = leader.map(NodeId::role);
                assert!(matches!(role, None | Some(ProcessRole::Cdc)));
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("nobody leads")
}

async fn many_at_once(c: &mut Cluster) {
    let ids: Vec<_> = (0..64).map(|_| c.next_id()).collect();
    let began = std::time::Instant::now();
    let c = &*c;
    let all = ids.into_iter().enumerate().map(|(n, id)| async move {
        let entry = at(ROOT, &format!("many{n}"));
        let attributes = ATTRIBUTES;
        let operation = CdcOperation::MakeDirectory { entry, attributes };
        c.run_as(id, operation).await
    });
    for made in futures::future::join_all(all).await {
        assert!(matches!(made, Ok(CdcReply::Made { .. })), "{made:?}");
    }
    println!("64 directories at once: {:?}", began.elapsed());
}
