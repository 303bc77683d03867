//! Three `eggsshard`: files come and go, and what makes no sense is refused.

use eggs_proto::shard::{Replace, ShardCall, ShardChange, ShardQuery, ShardReply, ShardRequest};
use eggs_proto::{
    AttributeChange, CallError, CallResult, InodeId, InodeKind, MessageKind, ProcessRole, Refusal,
    ShardId, TransactionId, encode,
};

use crate::cluster::{ATTRIBUTES, Cluster, at};

const ROOT: InodeId = InodeId::ROOT;

fn create_file(name: &str) -> ShardChange {
    ShardChange::CreateFile {
        dir: ROOT,
        name: at(ROOT, name).name,
        replace: Replace::Never,
        attributes: ATTRIBUTES,
        content: b"hello".to_vec(),
    }
}

#[tokio::test]
async fn files_are_created_linked_and_found_and_nonsense_is_refused() {
    let mut c = Cluster::start(3, 0).await;
    let made = c.change(ROOT, create_file("inline")).await.unwrap();
    let ShardReply::Linked { inode, .. } = made else {
        panic!("{made:?}")
    };
    assert_eq!(c.lookup(&at(ROOT, "inline")).await, Ok(inode));
    let again = c.change(ROOT, create_file("inline")).await;
    assert_eq!(again, Err(Refusal::Exists));
    link_a_transient_file(&mut c).await;
    a_retry_gets_the_first_answer(&mut c).await;
    every_replica_answers_reads(&mut c).await;
    nonsense_is_refused(&mut c).await;
    // All data outlives a restart of all.
    c.stop_all().await;
    c.start_all().await;
    assert_eq!(c.lookup(&at(ROOT, "inline")).await, Ok(inode));
    // And the loss of one.
    c.stop_one(ProcessRole::Shard, 0).await;
    assert_eq!(c.lookup(&at(ROOT, "inline")).await, Ok(inode));
    c.change(ROOT, create_file("with two")).await.unwrap();
    c.stop_all().await;
}

async fn link_a_transient_file(c: &mut Cluster) {
    let create = ShardChange::CreateTransient {
        dir: ROOT,
        attributes: ATTRIBUTES,
        note: "transient".into(),
    };
    let ShardReply::Transient { file, cookie } = c.change(ROOT, create).await.unwrap() else {
        panic!("not a transient file")
    };
    let add = ShardChange::AddInline {
        file,
        cookie,
        offset: 0,
        content: b"some bytes".to_vec(),
    };
    assert_eq!(c.change(ROOT, add).await, Ok(ShardReply::Done));
    let link = ShardChange::Link {
        file,
        cookie,
        dir: ROOT,
        name: at(ROOT, "linked").name,
        replace: Replace::Never,
        attributes: AttributeChange::default(),
    };
    let linked = c.change(ROOT, link).await.unwrap();
    assert!(matches!(linked, ShardReply::Linked { inode, .. } if inode == file));
    let query = ShardRequest::Query(ShardQuery::Stat { inode: file });
    let stat = c.shard(ROOT.shard(), query).await.unwrap();
    assert!(matches!(stat, ShardReply::Attributes(a) if a.size == 10));
}

async fn every_replica_answers_reads(c: &mut Cluster) {
    let mut answered = 0;
    for round in 0..20 {
        let name = format!("seen-{round}");
        c.change(ROOT, create_file(&name)).await.unwrap();
        let query = ShardQuery::Lookup {
            dir: ROOT,
            name: at(ROOT, &name).name,
        };
        let call = ShardCall {
            shard: ROOT.shard(),
            request: ShardRequest::QueryAny(query),
        };
        for address in c.shards.values() {
            let answer: CallResult<ShardReply> = c
                .ask(*address, MessageKind::Shard, encode(&call))
                .await
                .unwrap();
            // Who leads may change meanwhile; what is answered is never old.
            match answer {
                Ok(ShardReply::Dentry(_)) => answered += 1,
                Err(CallError::NotLeader { .. } | CallError::Deadline) => {}
                other => panic!("{name} at {address}: {other:?}"),
            }
        }
    }
    assert!(answered > 40, "{answered} of 60 reads were answered");
}

async fn a_retry_gets_the_first_answer(c: &mut Cluster) {
    let id = c.next_id();
    let change = create_file("retried");
    let request = ShardRequest::Change { id, change };
    let first = c.shard(ROOT.shard(), request.clone()).await.unwrap();
    let second = c.shard(ROOT.shard(), request).await.unwrap();
    assert_eq!(first, second);
}

async fn nonsense_is_refused(c: &mut Cluster) {
    let anybody = c.shards[&1];
    let shard = MessageKind::Shard;
    for bytes in [vec![], vec![0xff; 100], b"GET / HTTP/1.1".to_vec()] {
        let answer: CallResult<ShardReply> = c.ask(anybody, shard, bytes).await.unwrap();
        assert_eq!(answer, Err(CallError::Malformed));
    }
    let call = ShardCall {
        shard: ShardId(7),
        request: ShardRequest::Query(ShardQuery::Stat { inode: ROOT }),
    };
    for (kind, error) in [
        (MessageKind::Cdc, CallError::NotHosted),
        (MessageKind::Block, CallError::NotHosted),
        (MessageKind::Raft, CallError::Forbidden),
        (MessageKind::Meta, CallError::Forbidden),
    ] {
        let answer: CallResult<ShardReply> = c.ask(anybody, kind, encode(&call)).await.unwrap();
        assert_eq!(answer, Err(error), "{kind:?}");
    }
    let elsewhere = InodeId::new(InodeKind::Directory, ShardId(9), 1);
    let wrong = ShardRequest::Query(ShardQuery::Directory { dir: elsewhere });
    let answer = c.shard(ShardId(7), wrong).await;
    assert_eq!(answer, Err(Refusal::WrongShard));
    let of_the_coordinator = ShardChange::DetachDirectory {
        dir: ROOT,
        transaction: TransactionId(1),
    };
    let answer = c.change(ROOT, of_the_coordinator).await;
    assert_eq!(answer, Err(Refusal::Forbidden));
}

#[tokio::test]
async fn a_directory_or_port_of_another_is_one_clear_sentence() {
    let mut c = Cluster::start(1, 0).await;
    let taken = eggs_meta_server::ServerConfig {
        dir: c.dir.path().join("other"),
        ..c.config(ProcessRole::Shard, 0)
    };
    let error = eggs_meta_server::start_shard(taken.clone())
        .await
        .unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("listen on 127.0.0.1"), "{text}");
    c.stop_all().await;
    let other = eggs_meta_server::ServerConfig {
        id: 1,
        dir: c.config(ProcessRole::Shard, 0).dir,
        ..taken
    };
    let error = eggs_meta_server::start_shard(other).await.unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("belongs to shard0, this is shard1"), "{text}");
}

#[tokio::test]
async fn a_process_whose_directory_is_gone_does_not_act_under_its_old_name() {
    let mut c = Cluster::start(1, 0).await;
    let kept = c.config(ProcessRole::Shard, 0);
    c.stop_all().await;
    c.start_all().await; // its own directory is no obstacle
    c.stop_all().await;
    std::fs::remove_dir_all(&kept.dir).unwrap();
    for _ in 0..2 {
        let error = eggs_meta_server::start_shard(kept.clone())
            .await
            .unwrap_err();
        let text = format!("{error:#}");
        assert!(
            text.contains("eggscli meta replace shard0 shardN"),
            "{text}"
        );
        assert!(!kept.dir.join("raft").exists(), "no replica has started");
    }
}
