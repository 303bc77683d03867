//! Clients: each repeats its command under the same name until it has an answer.

use std::sync::Arc;
use std::time::Duration;

use eggs_machine::{Command, CommandHeader};
use eggs_proto::{GroupId, RequestId, Time};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

use crate::machine::number;
use crate::run::{NODES, World};

const PATIENCE: Duration = Duration::from_millis(1500);

pub async fn work(world: Arc<World>, client: u64) {
    let mut random = StdRng::seed_from_u64(world.seed ^ client.wrapping_mul(0x9e37_79b9));
    let mut sequence = 0;
    while !world.is_over() {
        sequence += 1;
        let group = random.random_range(0..world.groups);
        let id = client << 32 | sequence;
        let mut at = random.random_range(0..NODES);
        while !once(&world, &mut at, group, (client, sequence, id)).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(0..600))).await;
    }
}

async fn once(
    world: &World,
    at: &mut usize,
    group: u16,
    (client, sequence, id): (u64, u64, u64),
) -> bool {
    let asked = *at;
    *at = (asked + 1) % NODES;
    let Some((node, boot)) = world.running(asked) else {
        return false;
    };
    let Some(replica) = node.group(GroupId(group)) else {
        return false;
    };
    drop(node);
    let command = Command {
        header: CommandHeader {
            now: Time(sequence),
            request: Some(RequestId { client, sequence }),
        },
        body: id.to_be_bytes().to_vec(),
    };
    let deadline = (Instant::now() + PATIENCE).into_std();
    let reply = replica.propose(command, deadline).await;
    // What a process that has crashed meanwhile says was never heard.
    let (true, Ok(reply)) = (world.disks[asked].is_alive(boot), reply) else {
        return false;
    };
    *at = asked;
    world.oracle(group).acknowledge(number(&reply), id);
    true
}
