//! `list`: what there is.

use anyhow::Result;
use eggs_harness::nemesis::NEMESES;
use eggs_harness::workload::WORKLOADS;
use serde_json::json;

/// Prints the names of workloads and nemeses.
pub fn list(as_json: bool) -> Result<u8> {
    if as_json {
        let named = |list: &[(&str, &str)]| -> Vec<_> {
            let named = list.iter();
            named
                .map(|(name, what)| json!({"name": name, "what": what}))
                .collect()
        };
        println!(
            "{:#}",
            json!({"workloads": named(&WORKLOADS), "nemeses": named(&NEMESES)})
        );
        return Ok(0);
    }
    println!("workloads");
    for (name, what) in WORKLOADS {
        println!("  {name:<10} {what}");
    }
    println!("nemeses");
    for (name, what) in NEMESES {
        println!("  {name:<10} {what}");
    }
    Ok(0)
}
