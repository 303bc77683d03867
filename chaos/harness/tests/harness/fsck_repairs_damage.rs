//! Every kind of damage that spans shards, done to a cluster in use by somebody who has the cluster secret: `eggscli fsck`
//! finds it, says with `--dry-run` what it would do, and mends it. No file is lost by it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use eggs_client::{Client, ClientConfig};
use eggs_harness::{Cluster, Content, Finished, Options, until};
use eggs_proto::audit::{Finding, FindingCode, RepairStep, ShardRepair};
use eggs_proto::hello::PeerRole;
use eggs_proto::shard::{LockPurpose, ReleaseAction, ShardChange, ShardQuery, ShardReply};
use eggs_proto::tree::{TreeReport, TreeTotals};
use eggs_proto::{InodeId, InodeKind, Name, ShardId, Time, TransactionId};
use eggs_rpc::Credentials;
use serde_json::Value;

/// A transaction that does not exist.
const NOBODY: TransactionId = TransactionId(1 << 40);
const ROOT: InodeId = InodeId::ROOT;

const FILES: [&str; 5] = [
    "locked",
    "nameless",
    "counted",
    "lost/below",
    "strayed/below",
];
const DIRECTORIES: [&str; 5] = ["lost", "barred", "strayed", "forgotten", "reported"];

fn content(of: &str) -> Vec<u8> {
    let seed = of.bytes().map(u64::from).sum();
    let bytes = 30_000 + of.len();
    Content { seed, bytes }.make()
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a good name")
}

/// Somebody who has the cluster secret.
struct Vandal {
    client: Client,
    /// The directory that everything is in.
    home: InodeId,
}

impl Vandal {
    async fn new(cluster: &Cluster) -> Result<Self> {
        let secret = cluster.dir().join("secret/cluster");
        let credentials = Credentials::from_file(&secret, PeerRole::Server)?;
        let config = ClientConfig::new(vec![cluster.registry()], credentials, "vandal");
        let client = Client::connect(config).await.context("connect")?;
        let home = client.lookup(ROOT, &name("home")).await?.inode;
        Ok(Self { client, home })
    }

    async fn find(&self, text: &str) -> Result<InodeId> {
        let found = self.client.lookup(self.home, &name(text)).await;
        Ok(found.with_context(|| format!("look up {text}"))?.inode)
    }

    async fn change(&self, dir: InodeId, change: ShardChange) -> Result<ShardReply> {
        let asked = format!("{change:?}");
        let reply = self.client.shard_change(dir.shard(), change).await;
        reply.with_context(|| asked)
    }

    async fn lock(&self, text: &str) -> Result<()> {
        let lock = ShardChange::LockDentry {
            dir: self.home,
            name: name(text),
            purpose: LockPurpose::Source { expected: None },
            transaction: NOBODY,
        };
        self.change(self.home, lock).await.map(drop)
    }

    /// Takes a name away as if its inode had moved.
    async fn lose(&self, text: &str) -> Result<()> {
        self.lock(text).await?;
        let release = ShardChange::ReleaseDentry {
            dir: self.home,
            name: name(text),
            action: ReleaseAction::RemoveMoved,
            transaction: NOBODY,
        };
        self.change(self.home, release).await.map(drop)
    }

    /// Lets the coordinator think something.
    async fn tell_cdc(&self, dir: InodeId, known: Option<InodeId>) -> Result<()> {
        let parent = Some(ROOT);
        let lie = RepairStep::Parent { dir, known, parent };
        let lie = Finding::new(FindingCode::CoordinatorParent, "").repaired_by(lie);
        Ok(self.client.repair(&lie).await?)
    }

    async fn damage(&self) -> Result<()> {
        let home = self.home;
        let barred = self.find("barred").await?;
        let detach = ShardChange::DetachDirectory {
            dir: barred,
            transaction: NOBODY,
        };
        self.change(barred, detach).await?;
        let strayed = self.find("strayed").await?;
        let stray = ShardRepair::Parent {
            dir: strayed,
            known: home,
            parent: ROOT,
        };
        self.change(strayed, ShardChange::Repair(stray)).await?;
        self.tell_cdc(self.find("forgotten").await?, Some(home))
            .await?;
        let nothing = InodeId::new(InodeKind::Directory, ShardId(5), 1 << 40);
        self.tell_cdc(nothing, None).await?;
        let counted = ShardRepair::Owners {
            file: self.find("counted").await?,
            owners: Vec::new(),
        };
        self.change(home, ShardChange::Repair(counted)).await?;
        let mut totals = TreeTotals::default();
        totals.current.bytes = 1 << 50;
        let lie = TreeReport {
            parent: home,
            child: self.find("reported").await?,
            version: Time(u64::MAX),
            totals,
        };
        let reports = vec![lie];
        let taken = self
            .change(home, ShardChange::ReportTrees { reports })
            .await?;
        ensure!(taken == ShardReply::TreesTaken(vec![true]), "{taken:?}");
        self.lose("nameless").await?;
        self.lose("lost").await?;
        self.lock("locked").await
    }

    /// A name of a directory that does not exist: what a person has to decide about.
    async fn dangle(&self) -> Result<()> {
        let adopt = ShardRepair::Adopt {
            dir: self.home,
            name: name("dangling"),
            inode: InodeId::new(InodeKind::Directory, ShardId(77), 1 << 40),
        };
        self.change(self.home, ShardChange::Repair(adopt))
            .await
            .map(drop)
    }
}

/// What is to be found, and what would be done about it.
const DAMAGE: [(&str, &str); 9] = [
    ("bar-leaked", "end the bar of transaction"),
    ("coordinator-parent", "tell the coordinator that the parent"),
    (
        "coordinator-parent-of-nothing",
        "let the coordinator forget",
    ),
    ("directory-parent", "that its parent is"),
    ("directory-without-name", "a name in /lost+found"),
    ("file-owners", "note that 1 names of its shard own"),
    ("file-without-name", "a name in /lost+found"),
    ("lock-leaked", "end the lock of transaction"),
    ("tree-report", "report again"),
];

fn report(cluster: &Cluster, args: &[&str]) -> Result<(Option<i32>, Value)> {
    let line: Vec<&str> = ["fsck", "--json"].iter().chain(args).copied().collect();
    let said = cluster.cli(&line)?;
    let report = serde_json::from_str(&said.stdout).with_context(|| format!("{said:?}"))?;
    Ok((said.status.code(), report))
}

/// Findings by their codes.
fn findings(report: &Value) -> Result<BTreeMap<&str, &Value>> {
    let all = report["findings"]
        .as_array()
        .context("a list of findings")?;
    let coded = all
        .iter()
        .map(|finding| Some((finding["code"].as_str()?, finding)));
    coded.collect::<Option<_>>().context("codes")
}

fn check_damage(report: &Value) -> Result<()> {
    let found = findings(report)?;
    let expected: Vec<&str> = DAMAGE.iter().map(|(code, _)| *code).collect();
    let codes: Vec<&str> = found.keys().copied().collect();
    ensure!(codes == expected, "{report:#}");
    for (code, plan) in DAMAGE {
        let steps = found[code]["repair"].to_string();
        ensure!(steps.contains(plan), "{code}: {steps}");
    }
    Ok(())
}

fn make(cluster: &Cluster) -> Result<PathBuf> {
    let home = cluster.mount().join("home");
    for dir in DIRECTORIES {
        fs::create_dir_all(home.join(dir)).with_context(|| format!("make {dir}"))?;
    }
    for file in FILES {
        fs::write(home.join(file), content(file)).with_context(|| format!("write {file}"))?;
    }
    wait_for_totals(cluster, FILES.len() as u64)?;
    Ok(home)
}

/// What has changed is reported level by level: until then a directory that owes a report is left out of the check.
fn wait_for_totals(cluster: &Cluster, files: u64) -> Result<()> {
    until("the totals are right", Duration::from_secs(60), || {
        let said = cluster.cli(&["du", "/", "--json"]).and_then(Finished::ok);
        let said: Value = serde_json::from_str(&said.unwrap_or_default()).unwrap_or_default();
        let bytes = said["current"]["bytes"].as_u64();
        said["current"]["files"] == files && bytes.is_some_and(|bytes| bytes < 1 << 40)
    })
    .map(drop)
}

/// Everything is there again, and can be used.
fn check_files(home: &PathBuf, cluster: &Cluster, lost: &[(&str, InodeId)]) -> Result<()> {
    for file in ["locked", "counted", "strayed/below"] {
        ensure!(
            fs::read(home.join(file)).context(file)? == content(file),
            "{file}"
        );
    }
    let found = |inode: InodeId| {
        cluster
            .mount()
            .join(format!("lost+found/#{:016x}", inode.get()))
    };
    for (text, inode) in lost {
        let (path, file) = match *text {
            "lost" => (found(*inode).join("below"), "lost/below"),
            file => (found(*inode), file),
        };
        ensure!(fs::read(&path).with_context(|| format!("read {path:?}"))? == content(file));
        fs::rename(found(*inode), home.join(text)).context("move it back")?;
    }
    fs::rename(home.join("locked"), home.join("barred/moved")).context("use what was barred")?;
    fs::rename(home.join("barred/moved"), home.join("locked")).context("and move it back")?;
    fs::rename(home.join("forgotten"), home.join("strayed/inner")).context("move a directory")?;
    fs::rename(home.join("strayed/inner"), home.join("forgotten")).context("and back")?;
    let loops = fs::rename(home, home.join("forgotten/home"));
    ensure!(loops.is_err(), "the coordinator has lost a parent");
    for file in FILES {
        ensure!(
            fs::read(home.join(file)).context(file)? == content(file),
            "{file}"
        );
    }
    Ok(())
}

#[test]
fn what_spans_shards_is_found_and_mended() -> Result<()> {
    let cluster = Cluster::start(Options::default())?;
    let home = make(&cluster)?;
    ensure!(report(&cluster, &[])?.1["clean"] == true);
    let runtime = tokio::runtime::Runtime::new().context("start a runtime")?;
    let vandal = runtime.block_on(Vandal::new(&cluster))?;
    let lost = runtime.block_on(async {
        let lost = [
            ("nameless", vandal.find("nameless").await?),
            ("lost", vandal.find("lost").await?),
        ];
        vandal.damage().await?;
        anyhow::Ok(lost)
    })?;

    let (code, found) = report(&cluster, &[])?;
    ensure!(code == Some(4), "{code:?}");
    check_damage(&found)?;
    let text = cluster.cli(&["fsck", "--dry-run"])?.stdout;
    for (code, plan) in DAMAGE {
        ensure!(
            text.contains(code) && text.contains(plan),
            "{code} in {text}"
        );
    }
    ensure!(text.contains("would "), "{text}");
    check_damage(&report(&cluster, &["--dry-run"])?.1).context("a dry run changes nothing")?;

    let secret = cluster.dir().join("secret/cluster");
    let secret = secret.to_str().context("a path that is text")?;
    let repair = ["--repair", "--cluster-secret-file", secret];
    let (code, mended) = report(&cluster, &repair)?;
    check_damage(&mended)?;
    for finding in findings(&mended)?.values() {
        ensure!(finding["repaired"] == true, "{finding:#}");
    }
    ensure!(code == Some(0), "{code:?}");
    let (code, clean) = report(&cluster, &[])?;
    ensure!(code == Some(0) && clean["clean"] == true, "{clean:#}");
    check_files(&home, &cluster, &lost)?;
    wait_for_totals(&cluster, FILES.len() as u64)?;
    let below = runtime.block_on(async {
        let dir = vandal.find("reported").await?;
        anyhow::Ok(
            vandal
                .client
                .shard_query(dir.shard(), ShardQuery::Tree { dir })
                .await?,
        )
    })?;
    ensure!(
        below == ShardReply::Tree(TreeTotals::default()),
        "{below:?}"
    );
    ensure!(report(&cluster, &[])?.1["clean"] == true);

    runtime.block_on(vandal.dangle())?;
    let (code, left) = report(&cluster, &repair)?;
    let found = findings(&left)?;
    ensure!(found.keys().eq(["name-without-inode"].iter()), "{left:#}");
    ensure!(
        found["name-without-inode"]["repairable"] == false,
        "{left:#}"
    );
    ensure!(code == Some(4), "{code:?}");
    cluster.wait_healthy()
}
