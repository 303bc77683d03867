//! What takes all pages of one shard: names against the files that they own, blocks in two files.
//!
//! A file that one name of its own shard owns, as nearly all are, is settled here and forgotten but for its number.

use std::collections::BTreeMap;

use eggs_proto::audit::{
    AuditPage, Claim, Finding, FindingCode, HeldLock, PresentInode, RepairStep, ShardRepair,
};
use eggs_proto::{BlockId, InodeId, ShardId};

/// Pages of one shard.
#[derive(Debug, Default)]
pub struct ShardJoin {
    claims: BTreeMap<InodeId, Vec<Claim>>,
    inodes: Vec<PresentInode>,
    locks: Vec<HeldLock>,
    blocks: Vec<(BlockId, InodeId)>,
}

/// What one shard leaves to be seen with the others.
#[derive(Debug, Default)]
pub struct Remainder {
    /// Names of inodes that are not settled, by inode.
    pub(crate) claims: BTreeMap<InodeId, Vec<Claim>>,
    /// Inodes that are not settled.
    pub(crate) inodes: Vec<PresentInode>,
    /// Files that are, in order.
    pub(crate) settled: Vec<InodeId>,
    pub(crate) locks: Vec<HeldLock>,
}

impl ShardJoin {
    /// Adds a page.
    pub fn add(&mut self, page: AuditPage) {
        for claim in page.claims {
            self.claims.entry(claim.inode).or_default().push(claim);
        }
        self.inodes.extend(page.inodes);
        self.locks.extend(page.locks);
        self.blocks.extend(page.blocks);
    }

    /// After the last page: suspects within the shard, and what it leaves.
    pub fn finish(mut self, shard: ShardId) -> (Vec<Finding>, Remainder) {
        let mut findings = Vec::new();
        self.check_blocks(&mut findings);
        let mut left = Remainder {
            locks: self.locks,
            ..Remainder::default()
        };
        for inode in self.inodes {
            let PresentInode::Linked { inode: id, owners } = inode else {
                left.inodes.push(inode);
                continue;
            };
            let claims = self.claims.get(&id).map_or(&[][..], Vec::as_slice);
            let owned: Vec<_> = claims.iter().filter(|claim| claim.owned).collect();
            if owned.len() != owners as usize && id.shard() == shard {
                findings.push(miscounted(id, owners, &owned));
            }
            let settled = match owned.as_slice() {
                [only] => only.lock.is_none() && owners == 1,
                _ => false,
            };
            if settled {
                self.claims.remove(&id);
                left.settled.push(id);
            } else {
                left.inodes.push(inode);
            }
        }
        left.settled.sort_unstable();
        left.claims = self.claims;
        (findings, left)
    }

    fn check_blocks(&mut self, findings: &mut Vec<Finding>) {
        self.blocks.sort_unstable();
        for pair in self.blocks.windows(2) {
            let [(block, first), (other, second)] = pair else {
                continue;
            };
            if block == other {
                let detail = format!("in {first} and {second}");
                let finding = Finding::new(FindingCode::BlockTwice, detail);
                findings.push(finding.of_block(*block).of_inode(*first));
            }
        }
    }
}

fn miscounted(file: InodeId, kept: u32, owned: &[&Claim]) -> Finding {
    let detail = format!("{kept} owners on its shard are kept, {} found", owned.len());
    let owners = owned.iter().map(|claim| claim.owner.clone()).collect();
    let repair = RepairStep::Shard(ShardRepair::Owners { file, owners });
    let finding = Finding::new(FindingCode::FileOwners, detail);
    finding.of_inode(file).repaired_by(repair)
}
