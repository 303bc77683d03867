//! Networks that carry frames in one direction only.

use crate::common::{self, Cluster, eventually, node_id};

/// A leader that is followed but cannot hear would otherwise lead for ever and serve nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_hears_nobody_is_replaced_and_comes_back() {
    let cluster = Cluster::start(3, 4).await;
    for group in 0..4 {
        assert_eq!(cluster.add(group, "a").await, 1);
    }
    let deaf = cluster.leader(0).await;
    let others: Vec<u32> = (0..3).filter(|index| *index != deaf).collect();
    // With something in flight, which it would repeat for as long as it leads.
    let group = cluster.group(deaf, 0);
    let proposing = tokio::spawn(async move {
        let command = common::command("b", None);
        group.propose(command, common::within(20_000)).await
    });
    for other in &others {
        cluster.network.cut_one_way(node_id(*other), node_id(deaf));
    }
    eventually("another leader of every group", async || {
        let led = (0..4).all(|group| {
            let mut others = others.iter();
            others.any(|index| cluster.group(*index, group).is_leader())
        });
        led.then_some(())
    })
    .await;
    for group in 0..4 {
        let leader = others
            .iter()
            .find(|index| cluster.group(**index, group).is_leader());
        let leader = cluster.group(*leader.expect("one of them leads"), group);
        let command = common::command("a", None);
        let sum = leader.propose(command, common::within(10_000)).await;
        assert_eq!(sum.map(|reply| common::sum(&reply)), Ok(2));
    }
    cluster.network.heal();
    eventually("all follow the same again", async || {
        let leader = cluster.leader(0).await;
        let known = cluster.group(deaf, 0).leader();
        (leader != deaf && known == Some(node_id(leader))).then_some(())
    })
    .await;
    proposing.abort();
    cluster.shutdown().await;
}
