//! What `eggscli meta` says of replicas.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{Cluster, Finished};

/// Runs a verb of `eggscli meta`.
pub fn meta(cluster: &Cluster, args: &[&str]) -> Result<Finished> {
    let secret = cluster.dir().join("secret/cluster");
    let secret = secret.to_str().context("a path in UTF-8")?;
    let line: Vec<&str> = [&["meta"], args, &["--cluster-secret-file", secret]].concat();
    cluster.cli(&line)
}

/// Where the replicas of all groups are.
pub fn meta_status(cluster: &Cluster) -> Result<Value> {
    let said = meta(cluster, &["status", "--json"])?.stdout;
    serde_json::from_str(&said).context("JSON")
}

/// How many groups have a process as a voter.
pub fn votes(status: &Value, node: &str) -> usize {
    let groups = status["groups"].as_array().into_iter().flatten();
    let with = |group: &&Value| {
        let mut members = group["members"].as_array().into_iter().flatten();
        members.any(|member| member["node"] == node && member["votes"] == true)
    };
    groups.filter(with).count()
}
