//! The dashboard as a person sees it, in a real browser.

use std::time::Duration;

use anyhow::Result;
use eggs_harness::{Browser, Cluster, Options, until};

const BOUND: Duration = Duration::from_secs(120);

#[test]
fn a_browser_shows_the_cluster_and_what_becomes_of_it() -> Result<()> {
    let cluster = Cluster::start(Options {
        args: &["--no-mount"],
        ..Options::default()
    })?;
    cluster.wait_healthy()?;
    let mut browser = Browser::open(&format!("http://{}/", cluster.http()))?;
    let shows = |browser: &mut Browser, what: &str, parts: &[&str]| {
        let mut text = String::new();
        let waited = until(what, BOUND, || {
            text = browser.text().unwrap_or_default();
            parts.iter().all(|part| text.contains(part))
        });
        waited.map_err(|error| error.context(format!("the page shows:\n{text}")))
    };
    shows(
        &mut browser,
        "the page shows a healthy cluster",
        &[
            "258 of 258",
            "32 of 32",
            "fd15",
            "blocks15",
            "cdc2",
            "Live from",
        ],
    )?;
    let cells = "document.querySelectorAll('button[data-state=ok]').length";
    assert_eq!(browser.evaluate(cells)?, "256", "one cell for each shard");
    // The page is not loaded again: it has to notice by itself.
    cluster.eggsrun(&["kill", "blocks3"])?.ok()?;
    cluster.eggsrun(&["kill", "shard1"])?.ok()?;
    shows(
        &mut browser,
        "the page shows what was lost and what to do",
        &["Affects:", "Next:", "blocks3", "shard1", "30 of 32"],
    )?;
    cluster.eggsrun(&["start", "blocks3"])?.ok()?;
    cluster.eggsrun(&["start", "shard1"])?.ok()?;
    until("the page shows a healthy cluster again", BOUND, || {
        let text = browser.text().unwrap_or_default();
        text.contains("32 of 32") && !text.contains("Affects:")
    })?;
    let (code, _) = eggs_harness::get(cluster.http(), "/health/cluster")?;
    assert_eq!(code, 200);
    Ok(())
}
