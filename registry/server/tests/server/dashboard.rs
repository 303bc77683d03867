//! The page in a real browser: Debian's `chromium`, without a head.
//!
//! Is skipped, saying so, where there is no `chromium`. With `EGGS_SCREENSHOTS=DIR` pictures of the page are
//! kept there: wide, narrow, dark.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::support::Replicas;
use crate::support::cluster::{announce_all, whole};

const BROWSER: &str = "/usr/bin/chromium";
const BROWSER_MAX: Duration = Duration::from_secs(90);

/// Runs the browser on a URL; what it prints.
async fn browse(url: &str, options: &[String]) -> String {
    let profile = TempDir::new().unwrap();
    let child = tokio::process::Command::new(BROWSER)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        .args([
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--virtual-time-budget=6000",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(options)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let output = tokio::time::timeout(BROWSER_MAX, child.wait_with_output())
        .await
        .expect("the browser ends")
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

async fn dom(url: &str) -> String {
    browse(url, &["--dump-dom".to_owned()]).await
}

async fn keep_pictures(url: &str, dir: &Path) {
    for (name, size, more) in [
        ("wide", "1400,2300", None),
        ("narrow", "390,3600", None),
        (
            "dark",
            "1400,2300",
            Some("--blink-settings=preferredColorScheme=0"),
        ),
    ] {
        let file = dir.join(format!("dashboard-{name}.png"));
        let mut options = vec![
            format!("--screenshot={}", file.display()),
            format!("--window-size={size}"),
        ];
        options.extend(more.map(str::to_owned));
        browse(url, &options).await;
    }
}

fn count(text: &str, part: &str) -> usize {
    text.matches(part).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_shows_the_cluster() {
    if !Path::new(BROWSER).exists() {
        eprintln!("SKIPPED: {BROWSER} is not installed (apt-get install chromium)");
        return;
    }
    let replicas = Replicas::with_stale_ms(1, 3000).await;
    let (all, some) = (CancellationToken::new(), CancellationToken::new());
    let client = replicas.client();
    let dying = ["blocks3", "shard1"];
    let (staying, leaving): (Vec<_>, Vec<_>) = whole(&[])
        .into_iter()
        .partition(|(member, _)| !dying.contains(&member.node.to_string().as_str()));
    announce_all(&client, staying, &all);
    announce_all(&client, leaving, &some);
    replicas
        .status_when(0, "all is known", |status| {
            status["nodes"].as_array().unwrap().len() == 24
                && status["totals"]["services"]["active"].as_u64() >= Some(30)
        })
        .await;
    some.cancel();
    replicas
        .status_when(0, "the dead are noticed", |status| {
            status["totals"]["services"]["stale"] == 2
                && status["groups"][1]["state"] == "no_leader"
        })
        .await;

    let url = format!("http://{}/", replicas.http(0));
    let page = dom(&url).await;
    assert!(page.contains("data-contact=\"live\""), "{page}");
    assert!(page.contains("Live from shuckle0 (leader)"));
    assert!(page.contains("data-severity=\"down\""));
    assert!(page.contains("Something does not work: "));
    assert!(page.contains("GROUP_WITHOUT_LEADER") && page.contains("BLOCK_SERVICE_STALE"));
    assert!(page.contains("eggsrun --dir DIR start blocks3"));
    assert_eq!(count(&page, "aria-label=\"shard-"), 256);
    assert_eq!(count(&page, "\" title=\"shard-"), 256);
    assert_eq!(
        count(&page, "at risk, led by shard"),
        2 * 171,
        "as label and as title"
    );
    assert!(page.contains("aria-label=\"shard-017: at risk, led by shard2\""));
    assert!(page.contains("aria-label=\"shard-001: no leader"));
    assert_eq!(count(&page, "<tbody data-domain=\"fd"), 16);
    assert_eq!(count(&page, "class=\"figures\""), 32);
    assert!(page.contains("d15c000000000006"));
    assert_eq!(count(&page, ">stale<"), 2);
    assert!(page.contains("no writes, I/O errors"));
    assert!(page.contains("127.0.0.1:12004") && page.contains(">eggscdc<"));
    assert!(
        page.contains("30 of 32") || page.contains("28 of 32"),
        "disks active"
    );
    if let Some(dir) = std::env::var_os("EGGS_SCREENSHOTS") {
        keep_pictures(&url, Path::new(&dir)).await;
    }
    all.cancel();
    replicas.stop().await;
}
