//! What inodes carry besides names and content: attributes, policies, totals.

use super::{Outcome, Run};
use crate::cluster::SHARD;
use crate::compare::compare_totals;
use eggs_model::Mode;
use eggs_proto::shard::{ShardChange as C, ShardReply};
use eggs_proto::{AttributeChange, InodeId, Policy, PolicyKind, XattrMode, XattrName};
use eggs_shard::trees::pending;

/// Levels of directories that totals can go up at most.
const ROUNDS_MAX: usize = 300;

impl Run {
    pub(super) fn set_xattr(
        &mut self,
        inode: InodeId,
        name: &XattrName,
        value: Vec<u8>,
        mode: XattrMode,
    ) -> (Outcome, Outcome) {
        let expected = self.model.set_xattr(inode, name, &value, mode);
        let real = self.change(C::SetXattr {
            inode,
            name: name.clone(),
            value,
            mode,
        });
        (real, expected)
    }

    pub(super) fn remove_xattr(&mut self, inode: InodeId, name: &XattrName) -> (Outcome, Outcome) {
        let expected = self.model.remove_xattr(inode, name);
        let name = name.clone();
        let real = self.change(C::RemoveXattr { inode, name });
        (real, expected)
    }

    pub(super) fn set_mode(&mut self, inode: InodeId, mode: Mode) -> (Outcome, Outcome) {
        let expected = self.model.set_mode(inode, mode);
        let change = AttributeChange {
            mode: Some(mode.mode),
            uid: Some(mode.uid),
            gid: Some(mode.gid),
            ..AttributeChange::default()
        };
        let real = self.change(C::SetAttributes { inode, change });
        (real, expected)
    }

    pub(super) fn set_policy(&mut self, dir: InodeId, policy: &Policy) -> (Outcome, Outcome) {
        let expected = self.model.set_policy(dir, policy.clone());
        let policy = policy.clone();
        let real = self.change(C::SetPolicy { dir, policy });
        (real, expected)
    }

    pub(super) fn clear_policy(&mut self, dir: InodeId, kind: PolicyKind) -> (Outcome, Outcome) {
        let expected = self.model.clear_policy(dir, kind);
        let real = self.change(C::ClearPolicy { dir, kind });
        (real, expected)
    }

    /// One round of the server that takes totals to the parents. What is forgotten is reported again.
    pub(super) fn report(&mut self, forgotten: bool) -> Outcome {
        let work = pending(SHARD, &self.cluster.store, 1000).unwrap();
        assert_eq!(work.wanted, [], "all files are here");
        let reports = work.reports.clone();
        let ShardReply::TreesTaken(taken) = self.cluster.change(C::ReportTrees { reports })? else {
            panic!("something else was answered");
        };
        if forgotten {
            return Ok(());
        }
        let reported = work.reports.iter().zip(taken);
        let reported = reported.filter_map(|(report, taken)| taken.then_some(report));
        let settled = reported.map(|report| (report.child, report.version));
        let reported: Vec<_> = settled.chain(work.gone).collect();
        self.change(C::SettleTrees { reported })
    }

    /// Lets all totals reach the root, and compares them.
    pub fn settle_totals(&mut self) {
        for _ in 0..ROUNDS_MAX {
            if pending(SHARD, &self.cluster.store, 1).unwrap().is_empty() {
                return compare_totals(&self.cluster, &self.model);
            }
            assert_eq!(self.report(false), Ok(()));
        }
        panic!("totals never come to rest");
    }
}
