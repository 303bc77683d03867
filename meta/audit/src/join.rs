//! Names, inodes and parents of the whole cluster.

use std::collections::{BTreeMap, BTreeSet};

use eggs_proto::audit::{
    CdcAuditPage, Claim, Finding, FindingCode, OwnerKey, PresentInode, RepairStep, ShardRepair,
    TreeAuditPage,
};
use eggs_proto::tree::{TreeReport, TreeTotals};
use eggs_proto::{InodeId, TransactionId};

use crate::Remainder;

/// What all shards left, and the coordinator, which has to be asked after the shards.
#[derive(Debug, Default)]
pub struct Join {
    claims: BTreeMap<InodeId, Vec<Claim>>,
    inodes: BTreeMap<InodeId, PresentInode>,
    /// Sorted, one list for each shard.
    settled: Vec<Vec<InodeId>>,
    locks: Vec<eggs_proto::audit::HeldLock>,
    parents: BTreeMap<InodeId, InodeId>,
    /// Inodes that transactions under way are about.
    moving: BTreeSet<InodeId>,
    running: BTreeSet<TransactionId>,
    /// Directories that have nothing to report: their parents and what is below them.
    reported: BTreeMap<InodeId, (InodeId, TreeTotals)>,
    /// What directories know of those in them.
    known: Vec<TreeReport>,
    findings: Vec<Finding>,
}

impl Join {
    /// Adds a shard.
    pub fn add_shard(&mut self, left: Remainder) {
        for (inode, claims) in left.claims {
            self.claims.entry(inode).or_default().extend(claims);
        }
        for present in left.inodes {
            self.inodes.insert(inode_of(&present), present);
        }
        self.settled.push(left.settled);
        self.locks.extend(left.locks);
    }

    /// Adds a page of what a shard says about sums of directory trees.
    pub fn add_trees(&mut self, page: TreeAuditPage) {
        let reported = page.reported.into_iter();
        self.reported
            .extend(reported.map(|tree| (tree.dir, (tree.parent, tree.totals))));
        self.known.extend(page.known);
    }

    /// Adds a page of the coordinator.
    pub fn add_cdc(&mut self, page: CdcAuditPage) {
        self.findings.extend(page.findings);
        self.parents.extend(page.parents);
        for running in page.running {
            self.running.insert(running.transaction);
            self.moving.extend(running.inodes);
        }
    }

    /// All suspects.
    pub fn finish(mut self) -> Vec<Finding> {
        self.check_locks();
        for present in std::mem::take(&mut self.inodes).into_values() {
            match present {
                PresentInode::Linked { inode, owners } => self.check_file(inode, owners),
                PresentInode::Directory {
                    inode,
                    parent,
                    barred,
                } => {
                    self.check_bar(inode, barred);
                    self.check_directory(inode, parent);
                }
                PresentInode::Removed { inode } => self.check_removed(inode),
            }
        }
        self.check_claims_of_nothing();
        self.check_parents_of_nothing();
        self.check_reports();
        self.findings
    }

    /// What belongs to a transaction says nothing.
    fn is_moving(&self, inode: InodeId, claims: &[Claim]) -> bool {
        self.moving.contains(&inode) || claims.iter().any(|claim| claim.lock.is_some())
    }

    fn check_locks(&mut self) {
        for held in std::mem::take(&mut self.locks) {
            if !self.running.contains(&held.transaction) {
                let transaction = held.transaction;
                let detail = format!("by transaction {transaction}, which is not under way");
                let finding = Finding::new(FindingCode::LockLeaked, detail);
                let finding = finding.of_name(held.name.dir, held.name.name.clone());
                let name = held.name;
                self.findings
                    .push(finding.repaired_by(RepairStep::Unlock { name, transaction }));
            }
        }
    }

    fn check_bar(&mut self, dir: InodeId, barred: Option<TransactionId>) {
        let Some(transaction) = barred.filter(|by| !self.running.contains(by)) else {
            return;
        };
        let detail = format!("by transaction {transaction}, which is not under way");
        let finding = Finding::new(FindingCode::BarLeaked, detail).of_inode(dir);
        self.findings
            .push(finding.repaired_by(RepairStep::Unbar { dir, transaction }));
    }

    fn check_file(&mut self, inode: InodeId, owners: u32) {
        let claims = self.claims.remove(&inode).unwrap_or_default();
        if self.is_moving(inode, &claims) {
            return;
        }
        let owned = claims.iter().filter(|claim| claim.owned).count();
        let (code, repairs) = match owned {
            0 => (
                FindingCode::FileWithoutName,
                [
                    RepairStep::Shard(ShardRepair::Owners {
                        file: inode,
                        owners: Vec::new(),
                    }),
                    RepairStep::Adopt {
                        inode,
                        parent: None,
                        known: None,
                    },
                ]
                .into_iter()
                .skip(usize::from(owners == 0))
                .collect(),
            ),
            1 => return,
            _ => (FindingCode::FileWithSeveralNames, Vec::new()),
        };
        let mut finding = Finding::new(code, show(&claims)).of_inode(inode);
        finding.repair = repairs;
        self.findings.push(finding);
    }

    fn check_directory(&mut self, dir: InodeId, parent: InodeId) {
        let claims = self.claims.remove(&dir).unwrap_or_default();
        if dir == InodeId::ROOT || self.is_moving(dir, &claims) {
            self.parents.remove(&dir);
            return;
        }
        let known = self.parents.remove(&dir);
        let owned: Vec<_> = claims.iter().filter(|claim| claim.owned).collect();
        let finding = |code| Finding::new(code, show(&claims)).of_inode(dir);
        let holder = match owned.as_slice() {
            [] => {
                let repair = RepairStep::Adopt {
                    inode: dir,
                    parent: Some(parent),
                    known,
                };
                let finding = finding(FindingCode::DirectoryWithoutName);
                return self.findings.push(finding.repaired_by(repair));
            }
            [only] => only.owner.dir(),
            _ => {
                return self
                    .findings
                    .push(finding(FindingCode::DirectoryWithSeveralNames));
            }
        };
        if parent != holder {
            let repair = RepairStep::Shard(ShardRepair::Parent {
                dir,
                known: parent,
                parent: holder,
            });
            let mut finding = finding(FindingCode::DirectoryParent);
            finding.detail = format!("it thinks of {parent}; {}", finding.detail);
            self.findings.push(finding.repaired_by(repair));
        }
        if known != Some(holder) {
            let mut finding = finding(FindingCode::CoordinatorParent);
            let thought = known.map_or_else(|| "none".into(), |known| known.to_string());
            finding.detail = format!("the coordinator thinks of {thought}; {}", finding.detail);
            let parent = Some(holder);
            self.findings
                .push(finding.repaired_by(RepairStep::Parent { dir, known, parent }));
        }
    }

    fn check_removed(&mut self, dir: InodeId) {
        let claims = self.claims.remove(&dir).unwrap_or_default();
        if self.is_moving(dir, &claims) {
            self.parents.remove(&dir);
            return;
        }
        for claim in claims.iter().filter(|claim| is_current(claim)) {
            self.dangles(claim, "the directory was removed; ");
        }
        let snapshots = claims
            .iter()
            .filter(|claim| claim.owned && !is_current(claim));
        if snapshots.count() != 1 {
            let detail = format!("it was removed; {}", show(&claims));
            let finding = Finding::new(FindingCode::DirectoryWithoutName, detail);
            self.findings.push(finding.of_inode(dir));
        }
    }

    /// Names that are left stand for nothing, or for what belongs to another name.
    fn check_claims_of_nothing(&mut self) {
        for (inode, claims) in std::mem::take(&mut self.claims) {
            if self.is_moving(inode, &claims) {
                continue;
            }
            let settled = || {
                self.settled
                    .iter()
                    .any(|list| list.binary_search(&inode).is_ok())
            };
            // What is wrong with names of inodes of their own shard was said by the shard.
            let foreign = |claim: &&Claim| claim.owner.dir().shard() != inode.shard();
            let owned: Vec<_> = claims
                .iter()
                .filter(|claim| claim.owned && !claim.collecting)
                .filter(foreign)
                .collect();
            if inode.is_directory() {
                for claim in owned.into_iter().filter(|claim| is_current(claim)) {
                    self.dangles(claim, "");
                }
            } else if !owned.is_empty() && settled() {
                let finding = Finding::new(FindingCode::FileWithSeveralNames, show(&claims));
                self.findings.push(finding.of_inode(inode));
            } else {
                for claim in owned {
                    self.dangles(claim, "");
                }
            }
        }
    }

    fn dangles(&mut self, claim: &Claim, why: &str) {
        let code = if claim.inode.is_directory() {
            FindingCode::NameWithoutInode
        } else {
            FindingCode::NameWithoutFile
        };
        let detail = format!("{why}{}", show(std::slice::from_ref(claim)));
        let name = claim.owner.name().clone();
        let finding = Finding::new(code, detail).of_inode(claim.inode);
        self.findings.push(finding.of_name(claim.owner.dir(), name));
    }

    /// A directory that has nothing to report has told its parent all. The version of what that knows is part of the
    /// evidence: as long as it is the same, no report came in between.
    fn check_reports(&mut self) {
        for known in std::mem::take(&mut self.known) {
            let (dir, child) = (known.parent, known.child);
            let Some((parent, totals)) = self.reported.get(&child) else {
                continue;
            };
            if *parent != dir || *totals == known.totals || self.moving.contains(&child) {
                continue;
            }
            let detail = format!(
                "{dir} knows of {} since {}; below it are {totals}",
                known.totals, known.version.0
            );
            let finding = Finding::new(FindingCode::TreeReport, detail).of_inode(child);
            let forget = RepairStep::Shard(ShardRepair::ForgetReport { dir, child });
            let again = RepairStep::Shard(ShardRepair::ReportAgain { dir: child });
            self.findings
                .push(finding.repaired_by(forget).repaired_by(again));
        }
    }

    fn check_parents_of_nothing(&mut self) {
        for (dir, parent) in std::mem::take(&mut self.parents) {
            if self.moving.contains(&dir) {
                continue;
            }
            let detail = format!("the coordinator thinks that it is in {parent}");
            let code = FindingCode::CoordinatorParentOfNothing;
            let repair = RepairStep::Parent {
                dir,
                known: Some(parent),
                parent: None,
            };
            let finding = Finding::new(code, detail).of_inode(dir);
            self.findings.push(finding.repaired_by(repair));
        }
    }
}

const fn inode_of(present: &PresentInode) -> InodeId {
    match present {
        PresentInode::Linked { inode, .. }
        | PresentInode::Directory { inode, .. }
        | PresentInode::Removed { inode } => *inode,
    }
}

const fn is_current(claim: &Claim) -> bool {
    match claim.owner {
        OwnerKey::Current { .. } => true,
        OwnerKey::Snapshot { .. } => false,
    }
}

/// The evidence, with times, so that names given at other times are other evidence.
fn show(claims: &[Claim]) -> String {
    if claims.is_empty() {
        return "no name".into();
    }
    let show = |claim: &Claim| {
        let kind = match (&claim.owner, claim.owned) {
            (OwnerKey::Current { .. }, _) => "name",
            (OwnerKey::Snapshot { .. }, true) => "snapshot",
            (OwnerKey::Snapshot { .. }, false) => "trace",
        };
        let created = match &claim.owner {
            OwnerKey::Current { created, .. } => *created,
            OwnerKey::Snapshot { key, .. } => key.created,
        };
        let (dir, name) = (claim.owner.dir(), claim.owner.name());
        format!("{kind} {name} in {dir} of {}", created.0)
    };
    let mut shown: Vec<String> = claims.iter().map(show).collect();
    shown.sort_unstable();
    shown.join(", ")
}
