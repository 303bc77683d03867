//! Requests that are begun where they were read.

use std::sync::atomic::Ordering;

use eggs_rpc::{ClientLimits, ServerLimits};

use crate::common::{Begun, LONG, ask, client, serve_begun, until};

/// The tasks in which three requests of one connection were answered.
async fn tasks(begun: Begun) -> Vec<bytes::Bytes> {
    let server = serve_begun(begun, ServerLimits::default());
    let client = client(ClientLimits::default());
    let mut tasks = Vec::new();
    for _ in 0..3 {
        tasks.push(
            ask(&client, server.address, LONG, "task")
                .await
                .unwrap()
                .body,
        );
    }
    tasks.dedup();
    tasks
}

#[tokio::test]
async fn brief_requests_have_no_tasks_of_their_own() {
    // One that kept its thread for long, because the machine is busy, sends those after it to tasks.
    let mut tries = 0;
    while tasks(Begun::Here).await.len() > 1 {
        tries += 1;
        assert!(tries < 100, "each has a task");
    }
    assert_eq!(tasks(Begun::Apart).await.len(), 3);
}

#[tokio::test]
async fn brief_requests_that_wait_hold_up_nobody() {
    let server = serve_begun(Begun::Here, ServerLimits::default());
    let (client, address) = (client(ClientLimits::default()), server.address);
    let held: Vec<_> = (0..20)
        .map(|i| {
            let client = client.clone();
            tokio::spawn(async move { ask(&client, address, LONG, format!("hold {i}")).await })
        })
        .collect();
    server.handler.until_started(20).await;
    let reply = ask(&client, address, LONG, "echo").await.unwrap();
    assert_eq!(reply.body, "echo");
    server.handler.gate.add_permits(20);
    for (i, held) in held.into_iter().enumerate() {
        assert_eq!(held.await.unwrap().unwrap().body, format!("hold {i}"));
    }
}

#[tokio::test]
async fn after_one_that_kept_the_thread_others_have_tasks() {
    let server = serve_begun(Begun::Here, ServerLimits::default());
    let (client, address) = (client(ClientLimits::default()), server.address);
    let ask = async |what: &str| ask(&client, address, LONG, what).await.unwrap().body;
    let reader = ask("task").await;
    ask("busy").await;
    let (first, second) = (ask("task").await, ask("task").await);
    assert!(first != reader && second != reader && first != second);
}

/// One that is already waiting runs to its end although the server stops and nobody waits for its answer any more.
#[tokio::test]
async fn one_that_waits_is_never_cancelled() {
    let server = serve_begun(Begun::Here, ServerLimits::default());
    let (client, address) = (client(ClientLimits::default()), server.address);
    let held = tokio::spawn(async move { ask(&client, address, LONG, "hold").await });
    server.handler.until_started(1).await;
    server.stop.cancel();
    held.abort();
    server.handler.gate.add_permits(1);
    until(|| server.handler.finished.load(Ordering::SeqCst) == 1).await;
    server.task.await.unwrap();
}
