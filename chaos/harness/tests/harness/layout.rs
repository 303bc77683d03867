//! The workspace keeps its shape: who may depend on whom, what pure crates may not know, how long files get.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cargo_metadata::{Dependency, DependencyKind, MetadataCommand, TargetKind};

/// What each crate of ours may depend on (`docs/architecture.md`); tests may use more.
const ALLOWED: &[(&str, &[&str])] = &[
    ("eggs-proto", &[]),
    ("eggs-machine", &["eggs-proto"]),
    ("eggs-rpc", &["eggs-proto"]),
    ("eggs-obs", &["eggs-proto"]),
    ("eggs-durable", &[]),
    (
        "eggs-raft",
        &["eggs-durable", "eggs-proto", "eggs-machine", "eggs-rpc"],
    ),
    ("eggs-audit", &["eggs-proto"]),
    ("eggs-shard", &["eggs-proto", "eggs-machine", "eggs-audit"]),
    ("eggs-cdc", &["eggs-proto", "eggs-machine"]),
    (
        "eggs-meta-server",
        &[
            "eggs-durable",
            "eggs-proto",
            "eggs-machine",
            "eggs-rpc",
            "eggs-raft",
            "eggs-obs",
            "eggs-shard",
            "eggs-cdc",
            "eggs-registry-client",
        ],
    ),
    ("eggs-erasure", &["eggs-proto"]),
    ("eggs-block-store", &["eggs-durable", "eggs-proto"]),
    (
        "eggs-blob-server",
        &[
            "eggs-durable",
            "eggs-proto",
            "eggs-rpc",
            "eggs-obs",
            "eggs-block-store",
            "eggs-registry-client",
        ],
    ),
    ("eggs-registry-client", &["eggs-proto", "eggs-rpc"]),
    ("eggs-registry-state", &["eggs-proto", "eggs-machine"]),
    (
        "eggs-registry-server",
        &[
            "eggs-durable",
            "eggs-proto",
            "eggs-machine",
            "eggs-rpc",
            "eggs-raft",
            "eggs-obs",
            "eggs-registry-state",
            "eggs-registry-client",
        ],
    ),
    (
        "eggs-client",
        &["eggs-proto", "eggs-rpc", "eggs-erasure", "eggs-audit"],
    ),
    (
        "eggs-gc",
        &[
            "eggs-proto",
            "eggs-rpc",
            "eggs-obs",
            "eggs-client",
            "eggs-registry-client",
        ],
    ),
    (
        "eggs-fuse",
        &["eggs-proto", "eggs-rpc", "eggs-obs", "eggs-client"],
    ),
    ("eggs-cli", &["eggs-proto", "eggs-rpc", "eggs-client"]),
    (
        "eggs-run",
        &["eggs-durable", "eggs-proto", "eggs-rpc", "eggs-client"],
    ),
    ("eggs-model", &["eggs-proto"]),
    ("eggs-volume", &[]),
    ("eggs-forgetful", &[]),
    (
        "eggs-sim",
        &[
            "eggs-proto",
            "eggs-machine",
            "eggs-shard",
            "eggs-cdc",
            "eggs-registry-state",
            "eggs-gc",
            "eggs-client",
        ],
    ),
    (
        "eggs-harness",
        &["eggs-proto", "eggs-rpc", "eggs-client", "eggs-erasure"],
    ),
    (
        "eggs-fuzz",
        &[
            "eggs-proto",
            "eggs-machine",
            "eggs-shard",
            "eggs-cdc",
            "eggs-registry-state",
        ],
    ),
];

/// Servers that are wrong on purpose are part of the harness, and in no other build of it.
fn is_wrong_on_purpose(name: &str, dependency: &Dependency) -> bool {
    name == "eggs-harness" && dependency.optional
}

/// Only this crate knows consensus and storage.
const ONLY_IN_RAFT: [&str; 2] = ["openraft", "rocksdb"];

/// Crates whose behaviour is a function of their arguments.
const PURE: &[&str] = &[
    "common/proto",
    "common/machine",
    "meta/audit",
    "meta/shard",
    "meta/cdc",
    "registry/state",
    "blob/erasure",
    "chaos/model",
    "chaos/sim",
];

/// What a pure crate may not even mention. Iteration over hash maps has no order; the rest is the world.
const IMPURE: &[&str] = &[
    "HashMap",
    "HashSet",
    "SystemTime",
    "std::time::Instant",
    "tokio",
    "getrandom",
    "std::fs",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "ToSocketAddrs",
];

const FILE_LINES_MAX: usize = 800;
const FILE_LINES_MEDIAN_MAX: usize = 200;

fn root() -> PathBuf {
    // As it is now: a program that was built in another checkout may be the one that runs.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs this");
    Path::new(&package).join("../..")
}

#[test]
fn dependencies_point_one_way() -> Result<()> {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .context("ask cargo for the workspace")?;
    let allowed: BTreeMap<&str, BTreeSet<&str>> = ALLOWED
        .iter()
        .map(|(name, list)| (*name, list.iter().copied().collect()))
        .collect();
    let mut problems = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        let Some(may) = allowed.get(name) else {
            problems.push(format!("{name} is not in the table of this test"));
            continue;
        };
        for dependency in package
            .dependencies
            .iter()
            .filter(|d| d.kind == DependencyKind::Normal && !is_wrong_on_purpose(name, d))
        {
            let other = dependency.name.as_str();
            if other.starts_with("eggs-") && !may.contains(other) {
                problems.push(format!("{name} may not depend on {other}"));
            }
            if ONLY_IN_RAFT.contains(&other) && name != "eggs-raft" {
                problems.push(format!("{name} may not name {other}"));
            }
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
    Ok(())
}

/// Each is linked by itself, which takes up to a minute; nextest runs every test in its own process anyway.
#[test]
fn integration_tests_of_a_crate_are_one_program() -> Result<()> {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .context("ask cargo for the workspace")?;
    for package in &metadata.packages {
        let programs = package.targets.iter().filter(|target| {
            target.kind.contains(&TargetKind::Test) && target.required_features.is_empty()
        });
        let names: Vec<&str> = programs.map(|target| target.name.as_str()).collect();
        assert!(names.len() <= 1, "{} has {names:?}", package.name);
    }
    Ok(())
}

#[test]
fn pure_crates_know_nothing_of_the_world() -> Result<()> {
    let mut problems = Vec::new();
    for dir in PURE {
        for file in sources(&root().join(dir).join("src"))? {
            let text = fs::read_to_string(&file)?;
            let code = text
                .split("#[cfg(test)]\nmod tests {")
                .next()
                .unwrap_or_default();
            for line in code
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
            {
                problems.extend(
                    IMPURE
                        .iter()
                        .filter(|word| line.contains(*word))
                        .map(|word| format!("{} mentions {word}: {}", file.display(), line.trim())),
                );
            }
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
    Ok(())
}

#[test]
fn files_stay_small() -> Result<()> {
    let mut lengths = Vec::new();
    for part in [
        "common", "meta", "blob", "registry", "gc", "client", "chaos",
    ] {
        for file in sources(&root().join(part))? {
            lengths.push((fs::read_to_string(&file)?.lines().count(), file));
        }
    }
    lengths.sort();
    let median = lengths[lengths.len() / 2].0;
    let (longest, file) = &lengths[lengths.len() - 1];
    println!(
        "{} files, median {median} lines, longest {longest}: {}",
        lengths.len(),
        file.display()
    );
    assert!(
        median <= FILE_LINES_MEDIAN_MAX,
        "the median file has {median} lines"
    );
    assert!(
        *longest <= FILE_LINES_MAX,
        "{} has {longest} lines",
        file.display()
    );
    Ok(())
}

fn sources(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("list {}", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
    Ok(found)
}
